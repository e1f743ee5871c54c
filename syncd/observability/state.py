"""The states of a link, each with its remedy.

The scheduler decides the word, `health` reads it back, the page, `status` and
the metrics show it. A closed set: a new state is a new line here, and every
table below names all of them (a test counts).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from syncd.core.outcome import OPENS, Outcome


class State(StrEnum):
    """The condition of a link, worst first: the order in which links are listed."""

    FAULT = "fault"
    GONE = "gone"
    REFUSED = "refused"
    NOT_PREPARED = "not_prepared"
    WAITING = "waiting"
    GUARD = "guard"
    LOCKED = "locked"
    UNREACHABLE = "unreachable"
    STALE = "stale"
    FAILED_WRITES = "failed_writes"
    PAUSED = "paused"
    STARTING = "starting"
    OK = "ok"

    @property
    def outcome(self) -> Outcome:
        """The outcome of a cycle that asks the same of a person."""
        return _OUTCOMES.get(self) or Outcome(self.value)

    @property
    def code(self) -> int:
        """The exit code of the state (`docs/exit-codes.md`)."""
        return self.outcome.exit_code

    @property
    def words(self) -> str:
        """The state in words for a person."""
        return _WORDS[self]

    @property
    def severity(self) -> int:
        """0 for the worst."""
        return list(State).index(self)

    @classmethod
    def of(cls, outcome: str) -> State:
        """The state after a cycle with this outcome; an unknown outcome is a fault."""
        return cls(outcome) if outcome in set(Outcome) else cls.FAULT

    def remedy(self, link: str, guards: Iterable[str] = ()) -> str:
        """What a person does about it; "" where there is nothing to do.

        `guards` are those that keep something back, where that is known.
        """
        kick = f"syncd kick --link {link}"
        lets = [f"`{kick} {OPENS[guard]}`" for guard in (*guards,) or OPENS if guard in OPENS]
        return _REMEDIES[self].format(link=link, lets=" and ".join(lets))


_OUTCOMES = {
    State.GONE: Outcome.FAULT,
    # As with a guard, nothing is written until a person approves.
    State.WAITING: Outcome.GUARD,
    State.STALE: Outcome.UNREACHABLE,
    State.PAUSED: Outcome.OK,
    State.STARTING: Outcome.OK,
}
"""Of the states that no cycle ends in; the others share their name with an outcome."""

_WORDS = {
    State.FAULT: "unexpected fault",
    State.GONE: "the daemon is gone",
    State.REFUSED: "credentials refused",
    State.NOT_PREPARED: "not prepared",
    State.WAITING: "waiting for approval",
    State.GUARD: "stopped by a guard",
    State.LOCKED: "held by another syncd",
    State.UNREACHABLE: "service out of reach",
    State.STALE: "stale",
    State.FAILED_WRITES: "some writes failed",
    State.PAUSED: "paused",
    State.STARTING: "starting",
    State.OK: "in step",
}

_REMEDIES = {
    State.FAULT: "the log has the traceback; it is tried again by itself",
    State.GONE: "nothing syncs: start it again with `syncd run` (systemctl start syncd)",
    State.REFUSED: (
        "`syncd doctor` says which token or scope; put a good one in place "
        "and restart the daemon (a token in a file: reload is enough)"
    ),
    State.NOT_PREPARED: "`syncd doctor` says what is missing; `syncd setup` makes the properties",
    State.WAITING: (
        "look at it with `syncd plan --link {link}`, "
        "then approve it with `syncd kick --link {link} --approve`"
    ),
    State.GUARD: ("look at it with `syncd plan --link {link}`, then let it pass once with {lets}"),
    State.LOCKED: "nothing to do where that is meant; this one takes over when the holder ends",
    State.UNREACHABLE: "nothing to do: it is tried again by itself",
    State.STALE: "see that something syncs it: `syncd run` (systemctl start syncd), or a timer",
    State.FAILED_WRITES: "nothing to do: they are tried again by themselves",
    State.PAUSED: "to take it back into service: `syncd link resume {link}`",
    State.STARTING: "",
    State.OK: "",
}
