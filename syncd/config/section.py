"""What every table of the configuration has in common: frozen, and closed to unknown keys."""

from __future__ import annotations

from typing import ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
)


class Section(BaseModel):
    """A table of the configuration file: frozen, and closed to unknown keys."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,  # a value may be a token in the wrong place
        validate_default=True,
    )

    whole: ClassVar[bool] = False
    """Whether giving this table replaces the one below it, instead of adding to it."""
    accepts: ClassVar[str] = "a table"
    """What may stand where this table is expected."""
    groups: ClassVar[bool] = False
    """Whether its sections are written as tables of their own."""

    @classmethod
    def as_table(cls, given: object) -> object:
        """Expand a short form into its table."""
        return given
