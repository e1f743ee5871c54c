"""What an undo means: the values that a cycle overwrote, and what stands there since.

The verb shows it and keeps it with the decision (`parts_of`), so that it means
the same however late it is carried out. `decisions` reads the parts back, and
`core.fields` carries each out while nobody has changed the group since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from syncd.core import essence
from syncd.core.context import Revert
from syncd.core.model import Group, GroupKey, Pair, Side
from syncd.ports.store import APPOINTMENT, HistoryEntry, LinkStore


def reverts_of(entries: Sequence[HistoryEntry]) -> list[Revert]:
    """The values that the newest cycle among these entries overwrote, field group by field group.

    Creations and removals are no values: what was made or removed is not
    taken back (the vendors have no undelete; a record made anew has a new id).
    """
    entries = _of_appointments(entries)
    if not entries:
        return []
    newest = entries[0].cycle
    groups: dict[tuple[int, Side, GroupKey], list[HistoryEntry]] = {}
    for entry in entries:
        if entry.cycle == newest and entry.field and entry.action != "create":
            key = (entry.pair_key, entry.side, _group_of(entry.field))
            groups.setdefault(key, []).append(entry)
    return [_revert(key, found) for key, found in groups.items() if key[2] != Group.CONTACT]


def standing(store: LinkStore, reverts: Iterable[Revert]) -> list[Revert]:
    """The same, with what the records across showed when both were agreed on last."""
    found = list(reverts)
    pairs = {pair.key: pair for pair in store.pairs_by_key({each.pair_key for each in found})}
    return [
        replace(each, across=_shown(pairs[each.pair_key], each)) if each.pair_key in pairs else each
        for each in found
    ]


def overtaken(store: LinkStore, reverts: Iterable[Revert]) -> list[Revert]:
    """Those of which a later cycle, or a person, put another value in the place of ours."""
    found = list(reverts)
    pairs = {pair.key: pair for pair in store.pairs_by_key({each.pair_key for each in found})}
    return [
        each
        for each in found
        if each.pair_key not in pairs
        or not _says(pairs[each.pair_key].shown_on(each.side), each.group) >= each.was.items()
    ]


def lasting(entries: Sequence[HistoryEntry]) -> list[HistoryEntry]:
    """What the newest cycle among these entries did that is not undone, one entry each.

    Records that it made or removed, and contacts that it changed. A removal
    that was carried across as a cancellation is undone by its status.
    """
    entries = _of_appointments(entries)
    newest = entries[0].cycle if entries else ""
    mine = [entry for entry in entries if entry.cycle == newest]
    cancelled = {(e.pair_key, e.side) for e in mine if e.action == "remove" and e.field}
    return [
        entry
        for entry in mine
        if (entry.action == "create" and not entry.field)
        or (entry.field == Group.CONTACT and entry.action != "create")
        or (
            entry.action == "remove"
            and not entry.field
            and (entry.pair_key, entry.side) not in cancelled
        )
    ]


def _of_appointments(entries: Iterable[HistoryEntry]) -> list[HistoryEntry]:
    """Without contacts that were made: an appointment may have the id of a contact."""
    return [entry for entry in entries if entry.record == APPOINTMENT]


def parts_of(reverts: Iterable[Revert]) -> dict[str, dict[str, object]]:
    """Reverts as JSON values, by a name of each."""
    return {
        str(number): {
            "pair": each.pair_key,
            "ghl_id": each.ghl_id,
            "hubspot_id": each.hubspot_id,
            "side": each.side.value,
            "group": str(each.group),
            "was": dict(each.was),
            "back": dict(each.back),
            "across": None if each.across is None else dict(each.across),
        }
        for number, each in enumerate(reverts)
    }


def revert_of(part: Mapping[str, Any]) -> Revert:
    """A part back from its JSON values."""
    across = part.get("across")
    return Revert(
        pair_key=int(part["pair"]),
        ghl_id=str(part["ghl_id"]),
        hubspot_id=str(part["hubspot_id"]),
        side=Side(part["side"]),
        group=_group(str(part["group"])),
        was=part["was"],
        back=part["back"],
        across=across,
    )


def _revert(key: tuple[int, Side, GroupKey], found: Sequence[HistoryEntry]) -> Revert:
    """Of a field that was written twice: what stood there first, and what stands there now."""
    pair_key, side, group = key
    newest = found[0]
    return Revert(
        pair_key=pair_key,
        ghl_id=newest.ghl_id,
        hubspot_id=newest.hubspot_id,
        side=side,
        group=group,
        was={entry.field: entry.after for entry in reversed(found)},
        back={entry.field: entry.before for entry in found},
    )


def _shown(pair: Pair, revert: Revert) -> dict[str, str | None]:
    shown = pair.shown_on(revert.side.other)
    return essence.to_report_fields(essence.value(shown, revert.group), revert.group)


def _says(shown: Any, group: GroupKey) -> Any:
    return essence.to_report_fields(essence.value(shown, group), group).items()


def _group_of(name: str) -> GroupKey:
    return Group.TIME if name in {"start", "end"} else _group(name, further="x:")


def _group(name: str, *, further: str = "") -> GroupKey:
    return Group(name) if name in set(Group) else f"{further}{name}"
