"""One thing that the doctor looked at: what was found, and the remedy.

Made by every module of this room, printed by the verb.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from syncd.core.outcome import worst_code
from syncd.errors import SyncdError


class Mark(StrEnum):
    """How it stands."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was looked at and found; `remedy` is what a person does about it."""

    area: str
    """What it is about: configuration, store, HighLevel, HubSpot, calendars, …"""
    what: str
    mark: Mark = Mark.OK
    remedy: str = ""
    link: str = ""
    """The link's name; "" for what concerns all of them."""
    code: int = 0
    """The exit code that an error asks for."""


def ok(area: str, what: str, *, link: str = "") -> Finding:
    """All is well."""
    return Finding(area=area, what=what, link=link)


def warning(area: str, what: str, remedy: str, *, link: str = "") -> Finding:
    """It works, and a person should know."""
    return Finding(area=area, what=what, mark=Mark.WARNING, remedy=remedy, link=link)


def error(area: str, what: str, remedy: str, *, link: str = "", code: int = 2) -> Finding:
    """It does not work as it is."""
    return Finding(area=area, what=what, mark=Mark.ERROR, remedy=remedy, link=link, code=code)


def raised(area: str, fault: SyncdError, *, link: str = "") -> list[Finding]:
    """What was raised instead of an answer, line by line; its words end with the remedy."""
    code = fault.outcome.exit_code
    found = []
    for line in str(fault).splitlines():
        what, _, remedy = line.partition("; ")
        found.append(error(area, what, remedy, link=link, code=code))
    return found


def code_of(findings: Iterable[Finding]) -> int:
    """The exit code of a whole examination: that of the worst error, else 0."""
    return worst_code(each.code for each in findings if each.mark is Mark.ERROR)
