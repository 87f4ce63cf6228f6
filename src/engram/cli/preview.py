"""``engram data preview``: look at data, and at what augmentation makes of it."""

from typing import Any

from engram.cli.flags import Parser, add_settings, flag_of, settings_from
from engram.data.settings import ImageAugmentation, SeriesAugmentation, TokenAugmentation
from engram.errors import ConfigError
from engram.settings import Settings

KINDS: dict[str, tuple[type[Settings], str]] = {
    "images": (ImageAugmentation, "--flip --rotate 15 --zoom 1.2"),
    "series": (SeriesAugmentation, "--jitter 0.1 --warp 0.5"),
    "text": (TokenAugmentation, "--drop-tokens 0.1 --replace-tokens 0.05"),
}


def parser() -> Parser:
    """The flags of ``engram data preview``."""
    made = Parser(
        prog="engram data preview",
        usage="engram data preview PATH … [augmentation flags] [--out FILE]",
        description=(
            "Show data as training would see it: the originals, and augmented variants of each.\n"
            "Images become a contact sheet, the columns of a CSV file become plots, both in one\n"
            "image; text is printed. The same seed gives the same variants.\n\n"
            "  engram data preview photos/ --flip --rotate 15 --zoom 1.2 --out sheet.png\n"
            "  engram data preview readings.csv --jitter 0.1 --warp 0.5 --crop 0.8\n"
            "  engram data preview notes.txt --drop-tokens 0.1 --replace-tokens 0.05\n\n"
            "Only training data is augmented; validation and test data stay as they are."
        ),
    )
    made.add_argument("paths", nargs="+", metavar="PATH", help="files, or folders of images")
    made.add_argument(
        "--kind",
        metavar="|".join(KINDS),
        help="kind of data; default by the file names, and text for all others",
    )
    made.add_argument(
        "--variants", type=int, default=4, metavar="N", help="number of variants of each (4)"
    )
    made.add_argument("--seed", type=int, default=0, metavar="N", help="random seed (0)")
    made.add_argument(
        "--out", default="preview.png", metavar="FILE", help="the image file to write (preview.png)"
    )
    made.add_argument(
        "--tokens",
        default="words",
        metavar="characters|words|…",
        help="text: unit of a token (words)",
    )
    made.add_argument(
        "--length", type=int, default=60, metavar="N", help="text: number of tokens to show (60)"
    )
    for kind, (settings, _) in KINDS.items():
        add_settings(made, f"augmentation of {kind}", settings)
    return made


def main(argv: list[str]) -> int:
    """Run ``engram data preview``."""
    given = vars(parser().parse(argv))
    for name in ("variants", "length"):
        if given[name] < 1:
            raise ConfigError(f"{name} is {given[name]}; it must be a whole number of at least 1")
    if not 0 <= given["seed"] < 1 << 63:
        raise ConfigError(f"seed is {given['seed']}, and takes a whole number from 0 to 2^63 - 1")
    from engram.cli.data_preview import show

    show(given)
    return 0


def augmentation_from(kind: str, given: dict[str, Any]) -> Settings:
    """The augmentation that was asked for; every fault is reported at once."""
    wanted, example = KINDS[kind]
    faults = []
    for other, (fields_of, _) in KINDS.items():
        flags = [flag_of(name) for name in fields_of.model_fields if name in given]
        if other != kind and flags:
            faults.append(f"{', '.join(flags)} applies to {other}, and this data is {kind}")
    values = {name: given[name] for name in wanted.model_fields if name in given}
    try:
        settings = settings_from(wanted, values, None, faults)
    except ConfigError as error:
        raise ConfigError(f"{error}; 'engram data preview --help' shows what is accepted") from None
    if settings == wanted():
        raise ConfigError(f"no augmentation was given; try {example}")
    return settings
