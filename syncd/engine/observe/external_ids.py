"""The HighLevel ids that HubSpot's records carry: asked for before anything is made of them.

`sightings` and `duplicate_check` call this for records without a pair. A record that carries
an id is never booked anew, and its appointment never mirrored anew, before
that id was asked for (promise 9).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from syncd.core.model import Side, Snapshot
from syncd.core.observe import Seen, UnpairedRecords
from syncd.core.policy import Policy
from syncd.engine.link import Link


def with_carried(
    link: Link,
    policy: Policy,
    hubspot: Mapping[str, Snapshot],
    ghl: Mapping[str, Seen],
    known: Collection[str],
) -> UnpairedRecords:
    """These records, and the bookings whose ids they carry; `known` ones were matched before.

    Nothing is asked about the ids that records of other links carry (promise 2).
    """
    ours = (record for record in hubspot.values() if policy.belongs(record))
    carried = {record.external_id for record in ours if record.external_id}
    paired = frozenset(link.store.prints(Side.GHL, carried)) if carried else frozenset[str]()
    asked = carried - paired - set(ghl) - set(known)
    found = {**ghl, **link.ghl.fetch(asked)} if asked else ghl
    return UnpairedRecords(ghl=found, hubspot=hubspot, paired_ids=paired)
