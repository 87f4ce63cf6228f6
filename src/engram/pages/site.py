"""What the site's builder (mkdocs) is told: which pages there are beside docs/, and formulas."""

import re
from pathlib import Path
from typing import Any

from engram.pages.mathml import mathml

# Documents at their places in the repository, by their place on the site.
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
_HOSTS = {"www.w3.org"}  # names of formats; nothing is fetched from there
_FETCHED = '<script src="https://unpkg.com/iframe-worker/shim"></script>'  # of the theme
_DIAGRAM = re.compile(r"```mermaid\n(.*?)```\n", re.DOTALL)


def on_files(files: Any, config: Any) -> Any:
    """Add the documents that lie outside of docs/."""
    from mkdocs.structure.files import File

    root = Path(config.config_file_path).parent
    for page, path in ELSEWHERE.items():
        files.append(File.generated(config, page, abs_src_path=str(root / path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Make formulas and links ready for the site."""
    place = ELSEWHERE.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    made = _FORMULA.sub(lambda found: f"\n{mathml(found.group(1))}\n", markdown)
    made = _DIAGRAM.sub(lambda found: _folded(found.group(1)), made)

    def lead(found: re.Match[str]) -> str:
        label, link, part = found.groups()
        page = place_on_site(link, place)
        return label if page is None else f"[{label}]({page}{part or ''})"

    return _LINK.sub(lead, made)


def on_post_page(output: str, **_: Any) -> str:
    """Take the script that the theme would fetch from our own."""
    return output.replace(_FETCHED, '<script src="worker.js"></script>')


def on_post_template(output_content: str, **_: Any) -> str:
    """The same where a page has no place of its own."""
    return output_content.replace(_FETCHED, "")


def on_post_build(config: Any) -> None:
    """See that pages name no host and no path of the machine that they were built on.

    Raises:
        PluginError: Naming the page and what it holds.
    """
    from mkdocs.exceptions import PluginError

    private = [str(Path(config.config_file_path).parent), str(Path.home()) + "/"]
    for path in sorted(Path(config.site_dir).rglob("*.html")):
        faults = private_parts(path.read_text(encoding="utf-8"), private)
        if faults:
            raise PluginError(f"{path.name} holds {', '.join(faults)}")


def private_parts(html: str, private: list[str]) -> list[str]:
    """Hosts that a page names, and what of ``private`` stands in it."""
    hosts = {host for host in _HOST.findall(html) if host not in _HOSTS}
    return [*sorted(hosts), *(each for each in private if each in html)]


def place_on_site(link: str, place: str) -> str | None:
    """Where a link leads on the site, whose pages lie side by side; None for what is no page.

    Args:
        link: As it is written.
        place: The document that it stands in, from the root of the repository.
    """
    root = Path("/")
    path = ((root / place).parent / link).resolve().relative_to(root).as_posix()
    return path.removeprefix("docs/") if path.startswith("docs/") else _PLACES.get(path)


def _folded(diagram: str) -> str:
    lines = "".join(f"    {line}\n" for line in diagram.splitlines())
    return f'??? note "Diagram, as source for Mermaid"\n\n    ```text\n{lines}    ```\n'
