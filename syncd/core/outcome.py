"""How a cycle or a command ends, with its exit code and its severity.

One table for everybody: every error class (`errors`) names its outcome, and a
cycle's report, a link's state and the doctor's findings take their exit code
from here. The codes are those of `docs/exit-codes.md`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

REMOVALS, CHANGES = "removal_guard", "change_guard"
"""The guards, as the configuration names them."""

OPENS = {REMOVALS: "--allow-removals", CHANGES: "--allow-changes"}
"""Each guard, and the option that lets pass what it keeps back."""


class Outcome(StrEnum):
    """How a cycle or a command ended, worst first."""

    FAULT = "fault"
    REFUSED = "refused"
    NOT_PREPARED = "not_prepared"
    GUARD = "guard"
    LOCKED = "locked"
    UNREACHABLE = "unreachable"
    FAILED_WRITES = "failed_writes"
    OK = "ok"

    @property
    def exit_code(self) -> int:
        """The exit code that reports this outcome."""
        return _EXIT_CODES[self]

    @property
    def severity(self) -> int:
        """0 for the worst outcome."""
        return list(Outcome).index(self)

    @property
    def completed(self) -> bool:
        """Whether the cycle went through to its end."""
        return self in {Outcome.OK, Outcome.FAILED_WRITES, Outcome.GUARD}


_EXIT_CODES = {
    Outcome.OK: 0,
    Outcome.FAULT: 1,
    Outcome.NOT_PREPARED: 2,
    Outcome.FAILED_WRITES: 3,
    Outcome.GUARD: 4,
    Outcome.LOCKED: 5,
    Outcome.REFUSED: 6,
    Outcome.UNREACHABLE: 7,
}
_OUTCOMES = {code: outcome for outcome, code in _EXIT_CODES.items()}


def worst_code(codes: Iterable[int]) -> int:
    """The exit code of several links or steps: the worst of theirs, 0 for none."""
    return min(codes, key=lambda code: _OUTCOMES[code].severity, default=0)
