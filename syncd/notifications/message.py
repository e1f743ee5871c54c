"""An event as the JSON that people's own tools are sent.

`desk` calls `body_of`. What is in it finds the record and no more: ids,
reason, times and the link; no title, no name, no provider's words about a
record. `text` says the whole in a few lines, under the name that Slack and
Mattermost look for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from uuid import uuid4

from syncd.core.model import Hold
from syncd.notifications.events import Event, Item, LinkStatus, Terms
from syncd.observability.redaction import redact
from syncd.observability.remedies import remedy_of
from syncd.observability.state import State

VERSION = 1

MOST_RECORDS = 50
"""Records that one message lists; `count` says how many there are."""

MOST_LINES = 5
"""Records that its text tells one by one."""

_COMMAND = re.compile(r"`(syncd [^`]+)`")


def body_of(item: Item, standing: LinkStatus, terms: Terms, now: datetime) -> dict[str, object]:
    """The message; instants in UTC, to the second."""
    about = _of_records(item, standing) if item.holds else _of_link(item, standing)
    return {
        "version": VERSION,
        "id": uuid4().hex,
        "event": item.event.value,
        "link": standing.link,
        "at": _moment(now),
        "text": "\n".join(_lines(item, standing, terms)),
        **about,
    }


def _of_link(item: Item, standing: LinkStatus) -> dict[str, object]:
    remedy = standing.state.remedy(standing.link, standing.guards)
    return {
        "state": standing.state.value,
        "reason": _reason(standing) or standing.state.words,
        "since": _moment(standing.since),
        "was": item.was or None,
        "remedy": remedy or None,
        "commands": _COMMAND.findall(remedy),
    }


def _reason(standing: LinkStatus) -> str:
    """What is wrong with the link; what a service said of one record stays here."""
    return "" if standing.state is State.FAILED_WRITES else redact(standing.detail)


def _of_records(item: Item, standing: LinkStatus) -> dict[str, object]:
    return {
        "count": len(item.holds),
        "records": [_record(hold) for hold in item.holds[:MOST_RECORDS]],
        "commands": [_list_command(standing)],
    }


def _record(hold: Hold) -> dict[str, object]:
    remedy = remedy_of(hold)
    return {
        "ghl_id": hold.ghl_id or None,
        "hubspot_id": hold.hubspot_id or None,
        "reason": hold.reason,
        "field": hold.group or None,
        "since": _moment(hold.since),
        "starts_at": _moment(hold.starts_at),
        "remedy": remedy.instead,
        "commands": list(remedy.commands_for(hold)),
    }


def _list_command(standing: LinkStatus) -> str:
    return f"syncd held --link {standing.link}"


def _lines(item: Item, standing: LinkStatus, terms: Terms) -> Iterator[str]:
    """The same in words."""
    link, state = standing.link, standing.state
    match item.event:
        case Event.LINK_RECOVERED:
            yield f"syncd: link {link} is in step again (it was: {item.was})"
        case Event.LINK_BROKEN | Event.GUARD_TRIPPED:
            yield f"syncd: link {link}: {state.words}"
            yield from (
                each for each in (_reason(standing), state.remedy(link, standing.guards)) if each
            )
        case Event.RECORD_HELD:
            limit = _hours(terms.held_longer_than.total_seconds())
            yield f"syncd: link {link}: {_number(item)} held for more than {limit}"
            yield from _told(item, standing)
        case Event.HELD_STARTS_SOON:
            limit = _hours(terms.starts_within.total_seconds())
            yield f"syncd: link {link}: {_number(item)} held and starting within {limit}"
            yield from _told(item, standing)


def _told(item: Item, standing: LinkStatus) -> Iterator[str]:
    for hold in item.holds[:MOST_LINES]:
        sides = (("HighLevel", hold.ghl_id), ("HubSpot", hold.hubspot_id))
        ids = ", ".join(f"{name} {record}" for name, record in sides if record)
        starts = f", starts {hold.starts_at:%Y-%m-%d %H:%M} UTC" if hold.starts_at else ""
        remedy = remedy_of(hold)
        yield f"- {ids}: {remedy.meaning}{starts}: `{remedy.commands_for(hold)[0]}`"
    if (more := len(item.holds) - MOST_LINES) > 0:
        yield f"- and {more} more"
    yield f"`{_list_command(standing)}` lists them"


def _number(item: Item) -> str:
    return "1 record is" if len(item.holds) == 1 else f"{len(item.holds)} records are"


def _hours(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:g} h"
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"


def _moment(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


__all__ = ["body_of"]
