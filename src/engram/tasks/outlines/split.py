"""What is held out of the data, as it is set: fractions, or files of their own."""

from typing import Any

from pydantic import Field

from engram.settings import Settings


def fraction(default: float, description: str) -> Any:
    """A fraction of the data."""
    return Field(default, ge=0.0, lt=1.0, description=description)


class FractionSettings(Settings):
    """Which fractions are held out."""

    valid: float = fraction(0.1, "fraction of the examples for validation, drawn by the seed")
    test: float = fraction(0.0, "fraction of the examples for the final test")

    def held_fraction(self, part: str) -> float:
        """The fraction that is held out of the data for a part, ``valid`` or ``test``."""
        share: float = getattr(self, part)
        return share

    def ambiguities(self) -> list[str]:
        """What new settings must say more clearly, one sentence each."""
        faults = super().ambiguities()
        if self.held_fraction("valid") + self.held_fraction("test") >= 1.0:
            faults.append(
                f"valid={self.valid} and test={self.test} leave no data to train on; lower them"
            )
        return faults


class SplitSettings(FractionSettings):
    """What is held out of the data."""

    valid_data: list[str] = Field([], description="files to validate on, instead of a fraction")
    test_data: list[str] = Field([], description="files to test on, instead of a fraction")

    def held_fraction(self, part: str) -> float:
        """As that of `FractionSettings`; 0 where the part has files of its own."""
        return 0.0 if getattr(self, f"{part}_data") else super().held_fraction(part)

    def ambiguities(self) -> list[str]:
        """What new settings must say more clearly, one sentence each."""
        faults = super().ambiguities()
        for part in ("valid", "test"):
            files, share = getattr(self, f"{part}_data"), getattr(self, part)
            # a default that files replace is stored beside them
            if files and share not in (0.0, type(self).model_fields[part].default):
                faults.append(
                    f"{part}={share} takes a fraction of --data, but {part}_data names files; "
                    "give only one of them"
                )
        return faults


class TextSplitSettings(SplitSettings):
    """What is held out of texts, of which there are many: a smaller fraction is enough."""

    valid: float = fraction(0.05, "fraction of the examples for validation, drawn by the seed")
    test: float = fraction(0.05, "fraction of the examples for the final test")
