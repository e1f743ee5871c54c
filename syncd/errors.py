"""Everything that can go wrong, as one tree.

    SyncdError
    ├── ConfigError            wrong configuration: every problem at once (exit code 2)
    ├── NotPrepared            the account lacks what a person has to make or switch on (2)
    ├── AccountUnknown         which account a token leads to is not known, and may matter (3)
    ├── LinkLocked             another syncd holds the link (5)
    ├── StoreError             our own store cannot be used: a person has to fix it (2)
    │   ├── StoreInterrupted   the database was away or busy: the same again may pass (7)
    │   ├── StoreUncertain     it went away in the middle of a write (7)
    │   └── StoreFault         it refuses what syncd asks of it: a bug (1)
    └── ProviderError          a vendor's answer, or the lack of one
        ├── Transient          worth trying again, perhaps after `retry_after` seconds
        │   ├── RateLimited    429; `DailyBudgetSpent` when the day's budget is gone (7)
        │   ├── Unavailable    5xx, 423, 477, refused or broken connections (7)
        │   └── TimedOut       no answer; `sent` says whether the write may have taken effect
        ├── Permanent          trying again cannot help
        │   ├── AuthFailed     bad token or missing scope (6)
        │   ├── Rejected       the vendor refuses this record, in its own words
        │   └── NotFound       the vendor knows no such record
        ├── Stale              the record changed since the plan was made: plan again
        ├── Outdated           it was not sent in time after its records were read: read again
        └── Unreadable         the answer cannot be understood

A conflict is a value, not an exception. Every message says what to do next.
What was written by others, a vendor's own words first of all, stands in a
message as `quoted` gives it: it may name anybody, and whoever may not tell of
persons (the log, the status page, notices) leaves out what is quoted.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from syncd.core.outcome import Outcome

_OPENED, _CLOSED = "\u201c", "\u201d"

QUOTED = re.compile(f"{_OPENED}[^{_CLOSED}]*(?:{_CLOSED}|\\Z)")
"""What `quoted` made, in any text; one that was cut goes on to the end."""

UNSAID = f"{_OPENED}***{_CLOSED}"
"""What stands in the place of words that are left out."""


def quoted(words: str) -> str:
    """Words of others for a message, marked so that they can be told from ours."""
    for mark in (_OPENED, _CLOSED):
        words = words.replace(mark, "'")
    return f"{_OPENED}{words}{_CLOSED}"


class SyncdError(Exception):
    """The root: everything that syncd raises on purpose.

    `outcome` is what the error makes of a cycle or a command that it ends.
    """

    outcome: ClassVar[Outcome] = Outcome.FAULT


class ConfigError(SyncdError):
    """The configuration is wrong; `problems` has one line for each fault."""

    outcome = Outcome.NOT_PREPARED

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class NotPrepared(SyncdError):  # noqa: N818 - the tree reads as states of the world
    """An account lacks something that a person has to make or switch on."""

    outcome = Outcome.NOT_PREPARED


class AccountUnknown(SyncdError):  # noqa: N818
    """A link may share its account with another one, and nobody can be asked: it waits."""

    outcome = Outcome.FAILED_WRITES


class LinkLocked(SyncdError):  # noqa: N818
    """Another syncd holds the link; `holder` says which, for a person."""

    outcome = Outcome.LOCKED

    def __init__(self, link: str, holder: str) -> None:
        super().__init__(
            f"link {link!r} is held by another syncd ({holder}); "
            "`syncd kick` asks a running daemon for a cycle"
        )
        self.link = link
        self.holder = holder


class StoreError(SyncdError):
    """Our own store cannot be used."""

    outcome = Outcome.NOT_PREPARED


class StoreInterrupted(StoreError):  # noqa: N818
    """The database was away or busy, for longer than the store tries again by itself."""

    outcome = Outcome.UNREACHABLE


class StoreUncertain(StoreError):  # noqa: N818
    """The database went away in the middle of a write that may not be repeated blindly."""

    outcome = Outcome.UNREACHABLE


class StoreFault(StoreError):  # noqa: N818
    """The database refuses a statement for a reason that no person can fix: a bug."""

    outcome = Outcome.FAULT


class StoreTooNew(StoreError):  # noqa: N818
    """The store was written by a newer syncd."""


class StoreTaken(StoreError):  # noqa: N818
    """A copy would be written over something: a person has to name another place."""


class StoreMissing(StoreError):  # noqa: N818
    """The store is not there, and this verb may not make it."""


class ProviderError(SyncdError):
    """A vendor refused, failed or did not answer.

    `side` is "ghl" or "hubspot"; the message holds the vendor's own words, cut,
    redacted and `quoted`, and what to do next where that is known.
    """

    outcome = Outcome.UNREACHABLE

    def __init__(self, message: str, *, side: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.side = side
        self.status = status


class Transient(ProviderError):  # noqa: N818
    """Worth trying again; `retry_after` is in seconds where the vendor said so."""

    def __init__(
        self, message: str, *, side: str = "", status: int = 0, retry_after: float | None = None
    ) -> None:
        super().__init__(message, side=side, status=status)
        self.retry_after = retry_after


class RateLimited(Transient):
    """The vendor says that we were too fast; `policy` is its name for the limit."""

    def __init__(
        self,
        message: str,
        *,
        side: str = "",
        status: int = 429,
        retry_after: float | None = None,
        policy: str = "",
    ) -> None:
        super().__init__(message, side=side, status=status, retry_after=retry_after)
        self.policy = policy


class DailyBudgetSpent(RateLimited):
    """The day's budget is gone; `until` is when it is back (UTC), if known."""

    def __init__(self, message: str, *, side: str = "", until: datetime | None = None) -> None:
        super().__init__(message, side=side, policy="DAILY")
        self.until = until


class Unavailable(Transient):
    """The vendor cannot be reached or answers that it cannot work now."""


class TimedOut(Transient):
    """No answer came. `sent` is true when the request may have taken effect."""

    def __init__(self, message: str, *, side: str = "", sent: bool = True) -> None:
        super().__init__(message, side=side)
        self.sent = sent


class Permanent(ProviderError):  # noqa: N818
    """Trying the same again cannot help."""


class AuthFailed(Permanent):
    """The credentials are refused, or lack a scope (`missing_scope`)."""

    outcome = Outcome.REFUSED

    def __init__(
        self, message: str, *, side: str = "", status: int = 401, missing_scope: bool = False
    ) -> None:
        super().__init__(message, side=side, status=status)
        self.missing_scope = missing_scope


class Rejected(Permanent):
    """The vendor refuses this record; `reason` is one of `core.model.REASONS`."""

    def __init__(
        self, message: str, *, side: str = "", status: int = 400, reason: str = "rejected"
    ) -> None:
        super().__init__(message, side=side, status=status)
        self.reason = reason


class NotFound(Permanent):
    """The vendor knows no such record."""


class Stale(ProviderError):  # noqa: N818
    """The record changed since the plan was made; the next plan takes it up."""


class Outdated(ProviderError):  # noqa: N818
    """What a write rests on was read too long ago, and nothing was sent: read it, then send it.

    `cause` is what it waited for, where that was a vendor's answer.
    """

    def __init__(self, *, side: str = "", cause: ProviderError | None = None) -> None:
        super().__init__(
            str(cause)
            if cause is not None
            else "it was not sent in time after its records were read; the next cycle tries again",
            side=side,
        )
        self.cause = cause


class Unreadable(ProviderError):  # noqa: N818
    """The vendor's answer cannot be understood."""


def ended_by(error: Exception) -> tuple[Outcome, str]:
    """What an error makes of the cycle that it ends, and a person's words for it.

    The vendor's name comes first. An error that nobody raised on purpose is a fault.
    """
    if not isinstance(error, SyncdError):
        detail = f"unexpected fault: {type(error).__name__}; the log has the traceback"
        return Outcome.FAULT, detail
    detail, whose = str(error), ""
    if isinstance(error, ProviderError) and error.side:
        from syncd.core.model import Side  # most commands end without it

        whose = Side(error.side).label
    return error.outcome, f"{whose}: {detail}" if not detail.startswith(whose) else detail
