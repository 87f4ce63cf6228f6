"""Hooks for the site's builder (mkdocs): pages outside docs/, and formulas."""

import re
from pathlib import Path
from typing import Any

from engram.pages.mathml import mathml

# Documents outside docs/: path on the site to path in the repository.
ELSEWHERE = {
    "index.md": "README.md",
    "benchmarks.md": "benchmarks/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
}
_PLACES = {path: page for page, path in ELSEWHERE.items()}
_FORMULA = re.compile(r"\$\$(.*?)\$\$", re.DOTALL)
_LINK = re.compile(r"\[([^\]]*)\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)")
_HOST = re.compile(r"(?:https?:)?//([\w-]+(?:\.[\w-]+)+)")
_HOSTS = {"www.w3.org"}  # names of formats; nothing is fetched from it
_FETCHED = '<script src="https://unpkg.com/iframe-worker/shim"></script>'  # of the theme
_DIAGRAM = re.compile(r"```mermaid\n(.*?)```\n", re.DOTALL)


def on_files(files: Any, config: Any) -> Any:
    """Add the documents outside docs/."""
    from mkdocs.structure.files import File

    root = Path(config.config_file_path).parent
    for page, path in ELSEWHERE.items():
        files.append(File.generated(config, page, abs_src_path=str(root / path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Convert formulas and links for the site."""
    place = ELSEWHERE.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    made = _FORMULA.sub(lambda found: f"\n{mathml(found.group(1))}\n", markdown)
    made = _DIAGRAM.sub(lambda found: _folded(found.group(1)), made)

    def lead(found: re.Match[str]) -> str:
        label, link, part = found.groups()
        page = place_on_site(link, place)
        return label if page is None else f"[{label}]({page}{part or ''})"

    return _LINK.sub(lead, made)


def on_post_page(output: str, **_: Any) -> str:
    """Load the script that the theme would fetch from our own copy."""
    return output.replace(_FETCHED, '<script src="worker.js"></script>')


def on_post_template(output_content: str, **_: Any) -> str:
    """The same for a page without a source file."""
    return output_content.replace(_FETCHED, "")


def on_post_build(config: Any) -> None:
    """Check that pages contain no host names and no paths of the build machine.

    Raises:
        PluginError: If one does; the message names the page and what it contains.
    """
    from mkdocs.exceptions import PluginError

    private = [str(Path(config.config_file_path).parent), str(Path.home()) + "/"]
    for path in sorted(Path(config.site_dir).rglob("*.html")):
        faults = private_parts(path.read_text(encoding="utf-8"), private)
        if faults:
            raise PluginError(f"{path.name} contains {', '.join(faults)}")


def private_parts(html: str, private: list[str]) -> list[str]:
    """The hosts that a page names, and the strings of ``private`` it contains."""
    hosts = {host for host in _HOST.findall(html) if host not in _HOSTS}
    return [*sorted(hosts), *(each for each in private if each in html)]


def place_on_site(link: str, place: str) -> str | None:
    """The target of a link on the site, whose pages are siblings; None if it is not a page.

    Args:
        link: The link as written.
        place: The document that contains it, relative to the root of the repository.
    """
    root = Path("/")
    path = ((root / place).parent / link).resolve().relative_to(root).as_posix()
    return path.removeprefix("docs/") if path.startswith("docs/") else _PLACES.get(path)


def _folded(diagram: str) -> str:
    lines = "".join(f"    {line}\n" for line in diagram.splitlines())
    return f'??? note "Diagram, as source for Mermaid"\n\n    ```text\n{lines}    ```\n'
