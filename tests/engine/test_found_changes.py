"""The changes that a poll reports, which its sides should have announced; our own are none."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from syncd.core.model import Side
from syncd.engine import cycle
from syncd.engine.cycle import CycleRequest

if TYPE_CHECKING:
    from harness import SyncHarness

    from syncd.engine.report import CycleReport


@pytest.fixture
def poll(harness: SyncHarness) -> Poll:
    return Poll(harness)


class Poll:
    """A synced pair, and polls that report changes since the last one."""

    def __init__(self, harness: SyncHarness) -> None:
        self.harness, self.link = harness, harness.link()
        who = ("Ann Lee", "ann@example.com", "+15550101")
        self.ann = harness.ghl.add_contact(*who)
        harness.hubspot.add_contact(*who)
        self.event = str(harness.ghl.book(harness.calendars["Team"], self.ann, harness.at(48)))
        self()
        (pair,) = harness.pairs()
        self.record = pair.hubspot_id

    def __call__(self, *, full: bool = True) -> CycleReport:
        since = self.harness.clock.now()
        self.harness.later(minutes=5)
        return cycle.run(self.link, CycleRequest(full=full, changes_since=since))

    def found(self, *, full: bool = True) -> list[tuple[str, str]]:
        said = self(full=full)
        return [(side.value, record) for side in Side for record in said.changes.get(side, ())]


@pytest.mark.parametrize("full", [True, False])
def test_edits_of_people_are_reported_once(poll: Poll, *, full: bool) -> None:
    poll.harness.later(minutes=5)
    assert poll.found(full=full) == []
    since = poll.harness.clock.now()
    poll.harness.later(seconds=1)
    poll.harness.ghl.edit(poll.event, title="Edited")
    poll.harness.later(minutes=5)
    said = cycle.run(poll.link, CycleRequest(full=full, changes_since=since))
    (change,) = said.changes[Side.GHL].values()
    assert timedelta() < change.stamp - since < timedelta(seconds=5)
    # What we wrote moves HubSpot's stamp, and is no change.
    said = cycle.run(poll.link, CycleRequest(full=full, changes_since=since))
    assert not any(said.changes.values())


def test_a_new_record_is_a_change(poll: Poll) -> None:
    since = poll.harness.clock.now()
    poll.harness.later(seconds=1)
    start = poll.harness.at(72)
    made = poll.harness.hubspot.create(
        {"hs_appointment_name": "New", "hs_appointment_start": start}, contacts=[]
    )
    poll.harness.later(minutes=5)
    said = cycle.run(poll.link, CycleRequest(full=False, changes_since=since))
    assert set(said.changes[Side.HUBSPOT]) == {str(made)}


def test_nothing_is_reported_unless_it_is_asked_for(poll: Poll) -> None:
    poll.harness.ghl.edit(poll.event, title="Edited")
    assert cycle.run(poll.link, CycleRequest(full=True)).changes == {}
