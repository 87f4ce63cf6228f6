"""``engram data``: look at data, preview augmentation, and download public data sets."""

import importlib

from engram.errors import ConfigError, did_you_mean

SUBCOMMANDS = {
    "look": ("engram.cli.data_look", "show how a table is read, without training"),
    "preview": ("engram.cli.preview", "show data before and after augmentation"),
    "fetch": ("engram.cli.data_fetch", "download a public data set by name, or list them"),
}


def main(argv: list[str]) -> int:
    """Run ``engram data``."""
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: engram data SUBCOMMAND …\n\nsubcommands:")
        print("\n".join(f"  {name:<10}{summary}" for name, (_, summary) in SUBCOMMANDS.items()))
        print("\n'engram data SUBCOMMAND --help' shows its flags.")
        return 0
    name, *rest = argv
    if name not in SUBCOMMANDS:
        raise ConfigError(
            f"'{name}' is not a subcommand of data: {did_you_mean(name, SUBCOMMANDS)}"
        )
    status: int = importlib.import_module(SUBCOMMANDS[name][0]).main(rest)
    return status
