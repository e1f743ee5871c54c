"""One link on the page: state and remedy, facts, timeline, what is held, recent history."""

from __future__ import annotations

from itertools import groupby

from syncd.observability.health import LinkHealth
from syncd.observability.page import plot, words
from syncd.observability.remedies import remedy_of
from syncd.observability.state import State
from syncd.observability.traffic import Budget
from syncd.ports.store import CONTACT, HistoryEntry, Hold

SHOWN_FIELDS = frozenset({"start", "end", "status", "owner", ""})
"""History fields that say nothing about a person; the values of all others are masked."""

SHOWN_GROUPS = frozenset({"time", "status", "owner"})
MOST_HELD = 50
HISTORY = 60
"""Entries of the history that are looked at: a new record has eight or so."""

MOST_WRITES = 10
"""Writes that are shown of them."""

HIDDEN = '<span title="personal data is masked">•••</span>'

_DONE = {
    "create": "created",
    "update": "updated",
    "remove": "removed",
    "restore": "restored",
    "adopt": "paired",
    "conflict": "overwritten",
    "undo": "put back",
}

_TONES = {
    State.OK: ("good", "●"),
    State.STARTING: ("warn", "○"),
    State.PAUSED: ("warn", "⏸"),
    State.WAITING: ("warn", "▲"),
    State.GUARD: ("warn", "▲"),
    State.LOCKED: ("warn", "▲"),
    State.FAILED_WRITES: ("warn", "▲"),
    State.UNREACHABLE: ("bad", "✕"),
    State.STALE: ("bad", "✕"),
    State.REFUSED: ("bad", "✕"),
    State.NOT_PREPARED: ("bad", "✕"),
    State.FAULT: ("bad", "✕"),
    State.GONE: ("bad", "✕"),
}


def link_section(link: LinkHealth, *, personal: bool) -> str:
    """Everything about a link."""
    anchor = words.text(link.name)
    tone, _ = _TONES[link.state]
    return (
        f'<section id="link-{anchor}" aria-labelledby="name-{anchor}">'
        f'<div class="head"><h2 id="name-{anchor}">{anchor}</h2>{badges(link)}</div>'
        f"{_trouble(link, tone)}{_facts(link)}{_timeline(link)}"
        f"{_held(link, personal=personal)}{_history(link, personal=personal)}</section>"
    )


def badges(link: LinkHealth) -> str:
    """The state in a word, and what is held in a number."""
    tone, mark = _TONES[link.state]
    found = f'<span class="badge {tone}"><span aria-hidden="true">{mark}</span> '
    found += f"{link.state.words}</span>"
    if link.held:
        found += f'<span class="badge warn">{words.count(len(link.held), "record")} held</span>'
    return found


def _trouble(link: LinkHealth, tone: str) -> str:
    lines = []
    if link.detail:
        since = f" (since {words.moment(link.since, link.at)})" if link.since else ""
        lines.append(f"<p>{_typed(link.detail)}{since}</p>")
    if link.remedy:
        lines.append(
            f'<p class="todo {tone}"><strong>What to do:</strong> {_typed(link.remedy)}</p>'
        )
    return "".join(lines)


def _typed(told: str) -> str:
    """Words with `commands` between backticks."""
    parts = words.text(told).split("`")
    return "".join(
        f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts)
    )


# --- facts


def _facts(link: LinkHealth) -> str:
    rows = [
        ("Last good cycle", words.ago(link.good_at, link.at) if link.good_at else "none yet"),
        ("Next cycle", _next(link)),
        ("Polls", _polls(link)),
        ("Pairs", f"{link.pairs:,}"),
        ("Left out", "<br>".join(words.left_out(*each) for each in link.left_out.items())),
        *(
            (f"{words.SIDES.get(side, words.text(side))} budget", _budget(budget, link))
            for side, budget in link.budgets.items()
        ),
    ]
    told = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in rows if value)
    return f"<dl>{told}</dl>"


def _next(link: LinkHealth) -> str:
    """See `words.next_cycle`, which says the same without markup."""
    if link.working_since:
        return f"runs since {words.moment(link.working_since, link.at)}"
    if link.next_due is None or link.next_due <= link.at:
        return words.next_cycle(link)
    tries = f" (try {link.failures + 1})" if link.state is State.UNREACHABLE else ""
    return words.ago(link.next_due, link.at) + tries


def _polls(link: LinkHealth) -> str:
    if not link.poll_seconds:
        return ""
    if not link.stretched_by:
        return f"every {words.span(link.poll_seconds)}"
    return (
        f"every {words.span(link.poll_seconds)} instead of {words.span(link.asked_seconds)}: "
        f"at most {words.text(link.stretched_by)}"
    )


def _budget(budget: Budget, link: LinkHealth) -> str:
    told = []
    if budget.spent_until and budget.spent_until > link.at:
        told.append(f"spent until {words.moment(budget.spent_until, link.at)}")
    elif budget.daily_left is not None and budget.daily:
        told.append(f"{budget.daily_left:,} of {budget.daily:,} left today")
        told.append(
            f'<meter min="0" max="{budget.daily}" low="{budget.daily // 10}" '
            f'value="{budget.daily_left}" aria-label="requests left today"></meter>'
        )
    elif budget.limit:
        told.append(f"{budget.left} of {budget.limit} left in {words.span(budget.seconds)}")
    return "".join(told) or "not told yet"


def _timeline(link: LinkHealth) -> str:
    if not link.cycles:
        return ""
    first, last = link.cycles[0], link.cycles[-1]
    most = max(point.writes for point in link.cycles)
    delays = [point.delay for point in link.cycles if point.delay is not None]
    key = f'<span class="key">writes, at most {most:,} in a cycle</span>'
    if delays:
        key += f' <span class="key late">delay, at most {words.span(max(delays))}</span>'
    return (
        f"<figure><p>{words.text(plot.described(link.cycles)).capitalize()}</p>"
        f"{plot.draw(link.cycles)}"
        f'<figcaption>{words.moment(first.at, link.at)}<span class="keys">{key}</span>'
        f"{words.moment(last.at, link.at)}</figcaption></figure>"
    )


# --- what is held


def _held(link: LinkHealth, *, personal: bool) -> str:
    if not link.held:
        return ""
    rows = "".join(_hold(hold, link, personal=personal) for hold in link.held[:MOST_HELD])
    more = len(link.held) - MOST_HELD
    rest = f'<p class="soft">and {more:,} more: <code>syncd held</code></p>' if more > 0 else ""
    return (
        f'<h3>Held: {words.count(len(link.held), "record")}</h3><ul class="rows">{rows}</ul>{rest}'
    )


def _hold(hold: Hold, link: LinkHealth, *, personal: bool) -> str:
    remedy = remedy_of(hold)
    ids = ", ".join(
        f"{words.SIDES[side]} {words.text(found)}"
        for side, found in (("ghl", hold.ghl_id), ("hubspot", hold.hubspot_id))
        if found
    )
    starts = f"starts {words.moment(hold.starts_at, link.at)}" if hold.starts_at else "no start"
    since = f"held since {words.moment(hold.since, link.at)}" if hold.since else ""
    group = f" ({words.text(hold.group.removeprefix('x:'))})" if hold.group else ""
    commands = " or ".join(f"<code>{words.text(each)}</code>" for each in remedy.commands_for(hold))
    title = f"{words.value(hold.title, personal=personal) if personal else HIDDEN}, "
    ids = f"{title if hold.title else ''}{ids}"
    return (
        f'<li><div>{starts}<br><span class="soft">{since}</span></div>'
        f"<div><strong>{remedy.meaning}{group}</strong> "
        f'<span class="soft">{ids}</span><br>{words.text(hold.detail, personal=personal)}'
        f"{_wanted(hold, personal=personal)}"
        f"<br>{words.text(remedy.instead)}, or {commands}</div></li>"
    )


def _wanted(hold: Hold, *, personal: bool) -> str:
    if not hold.values:
        return ""
    shown = personal or hold.group in SHOWN_GROUPS
    told = "; ".join(
        f"{words.SIDES.get(side, words.text(side))} has "
        f"{words.value(value, personal=personal) if shown else HIDDEN}"
        for side, value in hold.values.items()
    )
    return f"<br>{told}"


# --- history


def _history(link: LinkHealth, *, personal: bool) -> str:
    """The last writes, newest first; the fields of one write stand together."""
    writes = [list(fields) for _, fields in groupby(link.history, key=_write_of)]
    if len(link.history) >= HISTORY and len(writes) > 1:
        writes.pop()  # Its other fields may lie beyond what was looked at.
    if not writes:
        return ""
    rows = "".join(_written(fields, link, personal=personal) for fields in writes[:MOST_WRITES])
    return f'<h3>Recent history</h3><ul class="rows">{rows}</ul>'


def _write_of(entry: HistoryEntry) -> tuple[str, ...]:
    ids = (entry.record, entry.ghl_id, entry.hubspot_id)
    return (entry.cycle, entry.side.value, *ids, entry.action)


def _written(fields: list[HistoryEntry], link: LinkHealth, *, personal: bool) -> str:
    first = fields[0]
    side = words.SIDES[first.side.value]
    record = first.hubspot_id if first.side.value == "hubspot" else first.ghl_id
    done = words.text(_DONE.get(first.action, first.action))
    done = f"contact {done}" if first.record == CONTACT else done
    which = _appointment(first, link, personal=personal)
    # The newest comes first, but the fields of one write are told in the order of the write.
    changes = [_change(entry, personal=personal) for entry in reversed(fields) if entry.field]
    told = f"<br>{'<br>'.join(changes)}" if changes else ""
    why = "; ".join(dict.fromkeys(entry.why for entry in reversed(fields) if entry.why))
    return (
        f"<li><div>{words.moment(first.at, link.at)}<br>"
        f'<span class="soft">{side} {words.text(record)}</span></div>'
        f'<div class="change"><strong>{done}</strong> {which}'
        f'<span class="soft">{words.text(why, personal=personal)}</span>{told}</div></li>'
    )


def _appointment(entry: HistoryEntry, link: LinkHealth, *, personal: bool) -> str:
    """Its title and start, as they were when it was written."""
    told = [words.value(entry.title, personal=personal) if personal else HIDDEN] * bool(entry.title)
    if entry.starts_at:
        told.append(f"starts {words.moment(entry.starts_at, link.at)}")
    return f"{', '.join(told)} " if told else ""


def _change(entry: HistoryEntry, *, personal: bool) -> str:
    name = words.text(entry.field)
    if not personal and entry.field not in SHOWN_FIELDS:
        return f"{name}: {HIDDEN}"
    after = words.value(entry.after, personal=personal) if entry.after else "nothing"
    if not entry.before:
        return f"{name}: <ins>{after}</ins>"
    return f"{name}: <del>{words.value(entry.before, personal=personal)}</del> → <ins>{after}</ins>"
