"""Reading YAML that a person wrote, or that was damaged, without surprises."""

from pathlib import Path
from typing import Any

import yaml

from engram.files import read_text


def read_yaml(path: Path) -> Any:
    """Read a YAML file of plain values: text, numbers, lists, and names with values.

    Dates stay text. Names that stand twice, and references from one place to another, which can
    make a kilobyte a gigabyte, are rejected.

    Raises:
        OSError: Where it cannot be read.
        ValueError: Where it is not such YAML, with line and column.
    """
    try:
        return yaml.load(read_text(path), _PlainLoader)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


class _PlainLoader(yaml.SafeLoader):
    """Reads values that JSON could hold as well."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith("timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "references (*) are not accepted", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for name, _ in node.value:
            if isinstance(name, yaml.ScalarNode) and name.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{name.value!r} occurs twice", name.start_mark
                )
            seen.add(str(name.value))
        return super().construct_mapping(node, deep)
