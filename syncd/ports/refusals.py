"""How far a refusal reaches: one table of what was asked and what was answered.

Both adapters ask `stops` before they make anything of an answer that is no
success, and the engine where an error has come through to it. A refusal
belongs to what was asked: a field, a record, a part of a side (a calendar, a
list), a side. Pure. Leaves out which answer is which: that is each vendor's
own, and stands in the class and the status of the error.
"""

from collections.abc import Mapping
from enum import StrEnum

from syncd.errors import (
    AuthFailed,
    DailyBudgetSpent,
    NotFound,
    NotPrepared,
    RateLimited,
    SyncdError,
    Transient,
    Unreadable,
)


class Asked(StrEnum):
    """What a request is about."""

    SIDE = "side"
    """What everything hangs on: the location, its calendars, the properties, the living records."""
    PART = "part"
    """One list of several: a calendar's appointments, the archived records."""
    BESIDE = "beside"
    """What a sync can do without: users, owners, account details, activation, labels."""
    RECORD = "record"
    """Reading one record or contact, by its id or by what it is found by."""
    RECORDS = "records"
    """Reading several at once."""
    WRITE = "write"
    """Writing one record or contact."""
    WRITES = "writes"
    """Writing several at once."""


class Answer(StrEnum):
    """What came of it, where it was no success."""

    TOKEN = "token"  # noqa: S105 - no secret
    """The credentials are refused."""
    SCOPE = "scope"
    """They lack a scope."""
    CLOSED = "closed"
    """The account is suspended, or does not know the object: nothing of it is open."""
    FORBIDDEN = "forbidden"
    """This is not for us; no scope is named."""
    ABSENT = "absent"
    """There is no such thing."""
    REFUSED = "refused"
    """Every other 4xx: the request is not taken as it is."""
    FAILING = "failing"
    """5xx, 423, 477, a page instead of JSON, or no answer, after every attempt."""
    THROTTLED = "throttled"
    """429 after every attempt: asking more would make it worse."""
    GARBLED = "garbled"
    """A success that does not hold what was asked for."""
    SPENT = "spent"
    """The day's budget is gone."""


class Stops(StrEnum):
    """What an answer stops; everything else goes on."""

    NOTHING = "nothing"
    """The cycle goes on without it."""
    RECORD = "record"
    """That record: it waits, is held or has failed. Of a write of several fields, only those that
    are refused when each is sent alone."""
    PART = "part"
    """That part: what stands on it waits, and the cycle ends with 3."""
    DIVIDE = "divide"
    """The request is divided, until only the record that causes it is left out."""
    DOUBT = "doubt"
    """The side, if it does not answer either where the whole side is asked for; else only what
    was asked."""
    SIDE = "side"
    """The whole side: the cycle of the link ends."""


TABLE: Mapping[Asked, Mapping[Answer, Stops]] = {
    Asked.SIDE: dict.fromkeys(Answer, Stops.SIDE),
    Asked.PART: {
        Answer.TOKEN: Stops.DOUBT,
        Answer.SCOPE: Stops.SIDE,
        Answer.CLOSED: Stops.DOUBT,
        Answer.FORBIDDEN: Stops.PART,
        Answer.ABSENT: Stops.PART,
        Answer.REFUSED: Stops.PART,
        Answer.FAILING: Stops.PART,
        Answer.GARBLED: Stops.PART,
        Answer.THROTTLED: Stops.PART,
        Answer.SPENT: Stops.SIDE,
    },
    Asked.BESIDE: {
        Answer.TOKEN: Stops.NOTHING,
        Answer.SCOPE: Stops.NOTHING,
        Answer.CLOSED: Stops.NOTHING,
        Answer.FORBIDDEN: Stops.NOTHING,
        Answer.ABSENT: Stops.NOTHING,
        Answer.REFUSED: Stops.NOTHING,
        Answer.FAILING: Stops.NOTHING,
        Answer.GARBLED: Stops.NOTHING,
        Answer.THROTTLED: Stops.NOTHING,
        Answer.SPENT: Stops.SIDE,
    },
    Asked.RECORD: {
        Answer.TOKEN: Stops.DOUBT,
        Answer.SCOPE: Stops.SIDE,
        Answer.CLOSED: Stops.DOUBT,
        Answer.FORBIDDEN: Stops.RECORD,
        Answer.ABSENT: Stops.RECORD,
        Answer.REFUSED: Stops.RECORD,
        Answer.FAILING: Stops.RECORD,
        Answer.GARBLED: Stops.RECORD,
        Answer.THROTTLED: Stops.RECORD,
        Answer.SPENT: Stops.SIDE,
    },
    Asked.RECORDS: {
        Answer.TOKEN: Stops.DOUBT,
        Answer.SCOPE: Stops.SIDE,
        Answer.CLOSED: Stops.DOUBT,
        Answer.FORBIDDEN: Stops.DIVIDE,
        Answer.ABSENT: Stops.DIVIDE,
        Answer.REFUSED: Stops.DIVIDE,
        Answer.FAILING: Stops.DIVIDE,
        Answer.GARBLED: Stops.DIVIDE,
        Answer.THROTTLED: Stops.SIDE,
        Answer.SPENT: Stops.SIDE,
    },
    # A token that may read and not write is one for the whole side: no other write would pass.
    Asked.WRITE: {
        Answer.TOKEN: Stops.SIDE,
        Answer.SCOPE: Stops.SIDE,
        Answer.CLOSED: Stops.DOUBT,
        Answer.FORBIDDEN: Stops.RECORD,
        Answer.ABSENT: Stops.RECORD,
        Answer.REFUSED: Stops.RECORD,
        Answer.FAILING: Stops.RECORD,
        Answer.GARBLED: Stops.RECORD,
        Answer.THROTTLED: Stops.RECORD,
        Answer.SPENT: Stops.SIDE,
    },
    Asked.WRITES: {
        Answer.TOKEN: Stops.SIDE,
        Answer.SCOPE: Stops.SIDE,
        Answer.CLOSED: Stops.DOUBT,
        Answer.FORBIDDEN: Stops.DIVIDE,
        Answer.ABSENT: Stops.DIVIDE,
        Answer.REFUSED: Stops.DIVIDE,
        Answer.FAILING: Stops.DIVIDE,
        Answer.GARBLED: Stops.DIVIDE,
        Answer.THROTTLED: Stops.SIDE,
        Answer.SPENT: Stops.SIDE,
    },
}
"""The whole rule, for both vendors.

A vendor of whom nothing at all can be had is `Stops.SIDE` too, but no single
answer shows that: the adapters ask for something that everything hangs on
before they believe it.
"""


def stops(asked: Asked, error: SyncdError) -> Stops:
    """What an error stops that came of asking for that."""
    return TABLE[asked][answer_of(error)]


def answer_of(error: SyncdError) -> Answer:
    """Which kind of answer an error stands for."""
    if isinstance(error, AuthFailed):
        return _of_credentials(error)
    kinds = (kind for kind in _KINDS if isinstance(error, kind))
    return next((_KINDS[kind] for kind in kinds), Answer.REFUSED)


def _of_credentials(error: AuthFailed) -> Answer:
    if error.missing_scope:
        return Answer.SCOPE
    return {401: Answer.TOKEN, 403: Answer.FORBIDDEN}.get(error.status, Answer.CLOSED)


_KINDS: Mapping[type[SyncdError], Answer] = {
    DailyBudgetSpent: Answer.SPENT,  # the narrower kind goes first
    RateLimited: Answer.THROTTLED,
    Transient: Answer.FAILING,
    Unreadable: Answer.GARBLED,
    NotFound: Answer.ABSENT,
    NotPrepared: Answer.CLOSED,
}
