"""One finding of the doctor: what was checked, the result, and the remedy.

Made by every module of this package, printed by the verb.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from syncd.core.outcome import worst_code
from syncd.errors import SyncdError


class Mark(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A result; `remedy` says what a person has to do."""

    area: str
    """The subject: configuration, store, HighLevel, HubSpot, calendars, …"""
    what: str
    mark: Mark = Mark.OK
    remedy: str = ""
    link: str = ""
    """The link's name; "" if it concerns all of them."""
    code: int = 0
    """The exit code of an error."""


def ok(area: str, what: str, *, link: str = "") -> Finding:
    """A check without a problem."""
    return Finding(area=area, what=what, link=link)


def warning(area: str, what: str, remedy: str, *, link: str = "") -> Finding:
    """It works, but a person should know of the problem."""
    return Finding(area=area, what=what, mark=Mark.WARNING, remedy=remedy, link=link)


def error(area: str, what: str, remedy: str, *, link: str = "", code: int = 2) -> Finding:
    """It does not work."""
    return Finding(area=area, what=what, mark=Mark.ERROR, remedy=remedy, link=link, code=code)


def raised(area: str, fault: SyncdError, *, link: str = "") -> list[Finding]:
    """The findings of a raised error, one for each line; each line ends with the remedy."""
    code = fault.outcome.exit_code
    found = []
    for line in str(fault).splitlines():
        what, _, remedy = line.partition("; ")
        found.append(error(area, what, remedy, link=link, code=code))
    return found


def code_of(findings: Iterable[Finding]) -> int:
    """The exit code of all findings: that of the worst error, else 0."""
    return worst_code(each.code for each in findings if each.mark is Mark.ERROR)
