"""The JSON of a notification.

`notifier` calls `body_of`. The body identifies the record and no more: ids,
reason, times and the link; no title, no name, no provider's words about a
record. `text` is the message in a few lines, under the key that Slack and
Mattermost show.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from uuid import uuid4

from syncd.core.model import Hold, Side
from syncd.notifications.events import Event, LinkStatus, NewEvent, Thresholds
from syncd.observability.redaction import redact
from syncd.observability.remedies import remedy_of
from syncd.observability.state import State

VERSION = 1

MAX_RECORDS = 50
"""Records that one message lists; `count` is the number of all."""

MAX_LINES = 5
"""Records that its text lists one by one."""

_COMMAND = re.compile(r"`(syncd [^`]+)`")


def body_of(
    event: NewEvent, status: LinkStatus, thresholds: Thresholds, now: datetime
) -> dict[str, object]:
    """The message; instants in UTC, to the second."""
    about = _of_link(event, status)
    if event.holds:
        about = _of_records(event, status)
    elif event.kind is Event.DIFFERENCE_UNEXPLAINED:
        about = {"count": status.unexplained, "commands": [_audit_command(status)]}
    return {
        "version": VERSION,
        "id": uuid4().hex,
        "event": event.kind.value,
        "link": status.link,
        "at": _utc(now),
        "text": "\n".join(_lines(event, status, thresholds)),
        **about,
    }


def test_body(link: str, now: datetime) -> dict[str, object]:
    """The message of `syncd notify test`."""
    text = f"syncd: a test notification of link {link}\nNothing is wrong."
    return {
        "version": VERSION,
        "id": uuid4().hex,
        "event": "test",
        "link": link,
        "at": _utc(now),
        "text": text,
    }


def _of_link(event: NewEvent, status: LinkStatus) -> dict[str, object]:
    remedy = status.state.remedy(status.link, status.guards)
    return {
        "state": status.state.value,
        "reason": _reason(status) or status.state.words,
        "since": _utc(status.since),
        "was": event.was or None,
        "remedy": remedy or None,
        "commands": _COMMAND.findall(remedy),
    }


def _reason(status: LinkStatus) -> str:
    """The link's problem; without a service's words about a single record."""
    return "" if status.state is State.FAILED_WRITES else redact(status.detail)


def _of_records(event: NewEvent, status: LinkStatus) -> dict[str, object]:
    return {
        "count": len(event.holds),
        "records": [_record(hold) for hold in event.holds[:MAX_RECORDS]],
        "commands": [_list_command(status)],
    }


def _record(hold: Hold) -> dict[str, object]:
    remedy = remedy_of(hold)
    return {
        "ghl_id": hold.ghl_id or None,
        "hubspot_id": hold.hubspot_id or None,
        "reason": hold.reason,
        "field": hold.group or None,
        "since": _utc(hold.since),
        "starts_at": _utc(hold.starts_at),
        "remedy": remedy.instead_for(hold),
        "commands": list(remedy.commands_for(hold)),
    }


def _audit_command(status: LinkStatus) -> str:
    return f"syncd audit --link {status.link}"


def _list_command(status: LinkStatus) -> str:
    return f"syncd held --link {status.link}"


def _lines(event: NewEvent, status: LinkStatus, thresholds: Thresholds) -> Iterator[str]:
    """The lines of `text`."""
    link, state = status.link, status.state
    match event.kind:
        case Event.LINK_RECOVERED:
            yield f"syncd: link {link} is in step again (it was: {event.was})"
        case Event.LINK_BROKEN | Event.GUARD_TRIPPED:
            yield f"syncd: link {link}: {state.words}"
            yield from (
                each for each in (_reason(status), state.remedy(link, status.guards)) if each
            )
        case Event.DIFFERENCE_UNEXPLAINED:
            yield f"syncd: link {link}: an audit found differences that nothing explains"
            yield f"`{_audit_command(status)}` lists them"
        case Event.RECORD_HELD:
            limit = _hours(thresholds.held_longer_than.total_seconds())
            yield f"syncd: link {link}: {_count(event)} held for more than {limit}"
            yield from _record_lines(event, status)
        case Event.HELD_STARTS_SOON:
            limit = _hours(thresholds.starts_within.total_seconds())
            yield f"syncd: link {link}: {_count(event)} held and starting within {limit}"
            yield from _record_lines(event, status)


def _record_lines(event: NewEvent, status: LinkStatus) -> Iterator[str]:
    for hold in event.holds[:MAX_LINES]:
        sides = zip(Side, hold.ids, strict=True)
        ids = ", ".join(f"{side.label} {record}" for side, record in sides if record)
        starts = f", starts {hold.starts_at:%Y-%m-%d %H:%M} UTC" if hold.starts_at else ""
        remedy = remedy_of(hold)
        yield f"- {ids}: {remedy.meaning}{starts}: `{remedy.commands_for(hold)[0]}`"
    if (more := len(event.holds) - MAX_LINES) > 0:
        yield f"- and {more} more"
    yield f"`{_list_command(status)}` lists them"


def _count(event: NewEvent) -> str:
    return "1 record is" if len(event.holds) == 1 else f"{len(event.holds)} records are"


def _hours(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:g} h"
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"


def _utc(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


__all__ = ["body_of", "test_body"]
