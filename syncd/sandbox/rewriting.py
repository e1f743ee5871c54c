"""How a vendor changes the texts and times that an API client sends.

Neither vendor documents any of it. A test, or `PUT /control/habits`, turns it on; texts that
people type in the products are stored unchanged. Called by the handlers of writes on both sides.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime

Texts: TypeAlias = Literal["kept", "cut", "escaped", "wrapped", "stripped", "one_line", "plain"]
"""Stored as sent; cut after 60 letters; with entities for markup; as a paragraph of HTML; without
tags; with single blanks for line breaks and runs of blanks; without signs beyond the basic plane.
"""

_LONGEST = 60
_BASIC = 0xFFFF


def text(given: str, habit: Texts) -> str:
    """The text as it is stored."""
    match habit:
        case "cut":
            return given[:_LONGEST]
        case "escaped":
            return escape(given)
        case "wrapped":
            return f"<p>{given}</p>" if given else given
        case "stripped":
            return _stripped(given)
        case "one_line":
            return " ".join(given.split())
        case "plain":
            return "".join(char for char in given if ord(char) <= _BASIC)
        case "kept":
            return given


def _stripped(given: str) -> str:
    parts = given.split("<")
    return parts[0] + "".join(part.partition(">")[2] for part in parts[1:])


def instant(moment: datetime, *, rounds: bool) -> datetime:
    """The instant as it is stored: to the minute, where the vendor rounds."""
    return moment.replace(second=0, microsecond=0) if rounds else moment
