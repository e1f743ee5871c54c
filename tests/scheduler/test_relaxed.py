"""Polls of links whose sides announce their changes: rarer, and as usual where a side is deaf."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from syncd.core.model import Side
from syncd.engine.poll.found_changes import FoundChange
from syncd.observability.health import examine
from syncd.observability.words import announces, polls, requests_a_day
from syncd.ports.announcements import Announced

if TYPE_CHECKING:
    from rig import Build, FakeLink, Rig

LIVE = {
    "live": {"listen": "127.0.0.1:8788", "public_url": "https://sync.example.com"},
    "apps": {"highlevel": {"client_id": "app-1"}, "hubspot": {"client_id": "app-2"}},
}
HOOK = LIVE | {"apps": {"hubspot": {"client_id": "app-2"}}}


@pytest.fixture
def rig(build: Build) -> Rig:
    """A link that is set up to hear of both sides, and has heard of none."""
    return started(build("clinic", live=LIVE))


@pytest.fixture
def clinic(rig: Rig) -> FakeLink:
    return rig.links["clinic"]


def started(rig: Rig) -> Rig:
    rig.scheduler.check_links()
    rig.run(2)
    return rig


def announce(rig: Rig, *sides: Side, name: str = "clinic", record: str = "a1") -> None:
    for side in sides:
        rig.links[name].store.announce(record, side=side)
    rig.scheduler.announced([name])


def gaps(clinic: FakeLink) -> list[float]:
    """Seconds between the last polls."""
    at = [at for kind, at in zip(clinic.kinds, clinic.at, strict=True) if kind == "incremental"]
    return [round(later - earlier) for earlier, later in pairwise(at)]


def miss(rig: Rig, clinic: FakeLink, side: Side = Side.GHL) -> None:
    """The next poll finds a change of two minutes ago that nobody announced."""
    stamp = rig.clock.now() - timedelta(minutes=2)
    clinic.changes = {side: {"missed": FoundChange(stamp=stamp, shown=str(stamp))}}


def hearing(rig: Rig) -> dict[str, str]:
    return dict(rig.scheduler.notes()["clinic"].hearing)


def test_polls_relax_once_both_sides_were_heard(rig: Rig, clinic: FakeLink) -> None:
    assert hearing(rig) == {"ghl": "waiting", "hubspot": "waiting"}
    announce(rig, Side.GHL)
    rig.run(200)
    assert hearing(rig) == {"ghl": "heard", "hubspot": "waiting"}
    assert set(gaps(clinic)) == {60}
    announce(rig, Side.HUBSPOT)
    rig.run(1300)
    assert hearing(rig) == {"ghl": "heard", "hubspot": "heard"}
    assert gaps(clinic)[-3:] == [300, 300, 300]


@pytest.mark.parametrize("here", [True, False])
def test_a_paused_link_is_heard_at_once_and_syncs_nothing(
    rig: Rig, clinic: FakeLink, *, here: bool
) -> None:
    clinic.is_paused = True
    clinic.store.decide("pause", {}, rig.clock.now())
    rig.run(3)
    cycles = len(clinic.asked)
    clinic.store.announce("a1")
    if here:
        rig.scheduler.announced(["clinic"])
    rig.run(2)
    assert hearing(rig) == {"ghl": "heard", "hubspot": "waiting"}
    asked = clinic.store.asked_for_announcements
    rig.run(20)
    assert clinic.store.asked_for_announcements == asked  # once is enough
    announce(rig, Side.HUBSPOT)
    rig.run(1)
    assert hearing(rig) == {"ghl": "heard", "hubspot": "heard"}
    assert len(clinic.asked) == cycles
    clinic.is_paused = False
    clinic.store.decide("resume", {}, rig.clock.now())
    rig.run(3)
    assert clinic.kinds[cycles:] == ["incremental"]
    assert not clinic.store.announced


def test_a_workflow_alone_relaxes_nothing(build: Build) -> None:
    rig = build("clinic", live=HOOK)
    link = rig.links.settings.links["clinic"]
    hooked = link.ghl.model_copy(
        update={"hook_secret": type(link.ghl.hook_secret).model_validate({"env": "HOOK"})}
    )
    changed = link.model_copy(update={"ghl": hooked})
    rig.links.settings = rig.links.settings.model_copy(update={"links": {"clinic": changed}})
    rig.scheduler.adopt()
    started(rig)
    announce(rig, Side.GHL, Side.HUBSPOT)
    rig.run(1300)
    assert hearing(rig) == {"ghl": "heard", "hubspot": "heard"}
    assert set(gaps(rig.links["clinic"])) == {60}


def test_a_deaf_side_brings_the_usual_interval_back_until_it_matches_for_an_hour(
    rig: Rig, clinic: FakeLink
) -> None:
    announce(rig, Side.GHL, Side.HUBSPOT)
    rig.run(700)
    miss(rig, clinic)
    rig.run(300)
    assert hearing(rig) == {"ghl": "deaf", "hubspot": "heard"}
    rig.run(7200)
    assert set(gaps(clinic)[-100:]) == {60}
    announce(rig, Side.GHL, record="a2")
    rig.run(3500)
    assert hearing(rig)["ghl"] == "deaf"
    rig.run(1000)
    assert hearing(rig)["ghl"] == "heard"
    assert gaps(clinic)[-1] == 300


def test_what_was_heard_outlasts_the_daemon(rig: Rig, clinic: FakeLink, build: Build) -> None:
    announce(rig, Side.GHL, Side.HUBSPOT)
    rig.run(400)
    rig.scheduler.close()
    again = build("clinic", live=LIVE)
    again.links.known["clinic"] = clinic
    started(again)
    assert hearing(again) == {"ghl": "heard", "hubspot": "heard"}


def test_a_paused_link_hears_as_well(rig: Rig, clinic: FakeLink) -> None:
    clinic.is_paused = True
    rig.run(2)
    announce(rig, Side.HUBSPOT)
    rig.run(70)
    assert hearing(rig) == {"ghl": "waiting", "hubspot": "heard"}
    assert len(clinic.store.announced) == 1


def test_without_the_setup_nothing_is_asked_or_kept(build: Build) -> None:
    rig = started(build("clinic"))
    rig.run(600)
    assert hearing(rig) == {}
    assert "live" not in rig.links["clinic"].store.cursors


def test_status_shows_the_arithmetic(rig: Rig) -> None:
    announce(rig, Side.GHL, Side.HUBSPOT)
    rig.run(700)
    now = rig.clock.now()
    link = examine("clinic", rig.links.link_store("clinic"), now)
    assert link.as_json()["live"] == {"ghl": "heard", "hubspot": "heard"}
    assert link.polls_per_day["ghl"] == {
        "requests": 576,
        "unrelaxed": 2_880,
        "at_most": 100_000,
    }
    assert announces(link) == "HighLevel heard, HubSpot heard"
    assert polls(link) == "every 5 min instead of 1 min: both sides announce their changes"
    assert requests_a_day(link).startswith("HighLevel 576 of 100,000 instead of 2,880, HubSpot")


def test_what_was_left_to_hubspots_late_search_is_searched_once_more(
    rig: Rig, clinic: FakeLink
) -> None:
    announce(rig, Side.GHL, Side.HUBSPOT)
    rig.run(700)
    clinic.store.announce("", what=Announced.LINK, side=Side.HUBSPOT)
    rig.scheduler.announced(["clinic"])
    rig.run(700)
    assert gaps(clinic)[-3:] == [10, 300, 300]


def test_how_long_a_change_took_is_counted(rig: Rig, clinic: FakeLink) -> None:
    clinic.takes, clinic.written = 1.0, ((Side.HUBSPOT, "a1", "h1"), (Side.GHL, "a2", "h2"))
    announce(rig, Side.GHL)
    rig.run(3)
    name = "syncd_announcement_write_seconds_count"
    assert (rig.value(name, side="ghl"), rig.value(name, side="hubspot")) == (1, None)


def test_two_thousand_links_that_announce_cost_a_fifth(build: Build) -> None:
    names = [f"l{number}" for number in range(2_000)]
    rig = build(*names, live=LIVE)
    rig.scheduler.check_links()
    for name in names:
        announce(rig, Side.GHL, Side.HUBSPOT, name=name)
    rig.run(60, step=5)
    assert all(state.relaxed for state in rig.scheduler.watches())
    before = sum(link.answers for link in rig.links.known.values())
    rig.run(300, step=5)
    used = sum(link.answers for link in rig.links.known.values()) - before
    unrelaxed = 5 * len(names) * sum(rig.links["l0"].requests.values())
    assert used == pytest.approx(unrelaxed / 5, rel=0.02)
