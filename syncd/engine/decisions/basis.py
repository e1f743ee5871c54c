"""What a person was shown of a held record when they decided, and whether it still holds.

A verb keeps it with the decision (`shown_of`); `decisions` compares it with
what the records show when the decision is carried out (`still`). Values stand
in it as digests: a decision is no place for a person's data.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from syncd.core import essence
from syncd.core.essence import SPOT, in_words, moment_text, slot_fingerprint
from syncd.core.model import Group, GroupKey, Hold, Side, Snapshot

Shown = Mapping[str, Any]
"""JSON values: `ghl_id`, `hubspot_id`, `group`, `reason`, `start`, `print`, `values` by side."""


def shown_of(hold: Hold) -> dict[str, object]:
    """What a hold shows, as it is kept with a decision about it."""
    return {
        "ghl_id": hold.ghl_id,
        "hubspot_id": hold.hubspot_id,
        "group": str(hold.group),
        "reason": hold.reason,
        "start": moment_text(hold.starts_at),
        "print": hold.fingerprint,
        "values": {side: digest_of(words) for side, words in hold.values.items()},
    }


def still(shown: Shown, records: Mapping[Side, Snapshot]) -> bool:
    """Whether the records that can be seen now show what the person was shown."""
    group: GroupKey = shown["group"] or Group.TIME
    for side, record in records.items():
        told = shown["values"].get(side.value)
        now = digest_of(in_words(essence.value(record.appointment, group)))
        if told is not None and told != now:
            return False
    if len(records) != 1:
        return True
    (record,) = records.values()
    if str(shown["print"]).startswith(SPOT):
        return bool(shown["print"] == slot_fingerprint(record))
    if shown["values"] or shown["start"] is None:
        return True
    return bool(shown["start"] == moment_text(record.appointment.start))


def digest_of(words: str) -> str:
    """The digest of a value, as a decision keeps it."""
    return blake2b(words.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
