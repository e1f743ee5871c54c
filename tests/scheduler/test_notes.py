"""What a scheduler notes for `status`, and how long history is kept."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from syncd.observability.state import State
from syncd.scheduler import scheduler as module

Build = Callable[..., Any]


def test_a_note_is_written_when_something_changes_and_else_every_half_minute(build: Build) -> None:
    rig = build("clinic", schedule={"poll_interval": "10m"})
    store = rig.links["clinic"].store
    rig.run(20)
    assert store.notes_written == 1
    rig.scheduler.renew_leases()
    assert store.notes_written == 1
    rig.run(15)
    rig.scheduler.renew_leases()
    assert store.notes_written == 2


def test_a_turn_without_news_is_noted_too_so_that_status_knows_what_is_next(build: Build) -> None:
    rig = build("clinic", schedule={"poll_interval": "60s"})
    store = rig.links["clinic"].store
    rig.run(61)
    heartbeat = store.heartbeat
    assert heartbeat is not None
    assert (rig.clock.now() - heartbeat.at).total_seconds() < 2
    assert store.notes_written == 2
    often = build("praxis", schedule={"poll_interval": "2s"})
    for _ in range(60):
        often.run(1)
        heartbeat, (state,) = often.links["praxis"].store.heartbeat, often.scheduler.watches()
        assert heartbeat is not None
        assert heartbeat.working_since is None
        assert heartbeat.next_due == heartbeat.at + timedelta(seconds=state.due - state.noted_at)


def test_a_turn_out_of_turn_is_noted_with_what_is_next(build: Build) -> None:
    rig = build("clinic", schedule={"poll_interval": "60s"})
    rig.run(61)
    rig.scheduler.kick()
    rig.run(3)
    heartbeat, (state,) = rig.links["clinic"].store.heartbeat, rig.scheduler.watches()
    assert heartbeat is not None
    due = rig.clock.now() + timedelta(seconds=state.due - rig.clock.monotonic())
    assert heartbeat.next_due is not None
    assert abs((heartbeat.next_due - due).total_seconds()) < 1


def test_a_cycle_under_way_is_noted_once(build: Build) -> None:
    rig = build("clinic")
    rig.run(10)
    clinic, (state,) = rig.links["clinic"], rig.scheduler.watches()
    before, notes = clinic.store.notes_written, []

    def during() -> None:
        for _ in range(3):
            rig.scheduler.claim()
        notes.append(clinic.store.heartbeat)

    clinic.during = during
    rig.run(60)
    assert clinic.store.notes_written == before + 2
    assert notes[0].working_since is not None
    assert notes[0].next_due is None
    after = clinic.store.heartbeat
    assert after is not None
    assert (after.working_since, state.working) == (None, False)


def test_a_pause_and_a_resume_are_noticed_without_waiting_for_a_poll(build: Build) -> None:
    rig = build("clinic", schedule={"poll_interval": "1h"})
    rig.run(10)
    clinic, (state,) = rig.links["clinic"], rig.scheduler.watches()
    asked = len(clinic.asked)
    for paused, kind, expected in ((True, "pause", State.PAUSED), (False, "resume", State.OK)):
        clinic.is_paused = paused
        clinic.store.decide(kind, {}, rig.clock.now())
        rig.run(4)
        assert state.state is expected
        assert clinic.store.decisions() == []
    assert len(clinic.asked) == asked + 1


def test_a_daemon_knows_when_its_links_were_good_before_it(build: Build) -> None:
    rig = build("clinic")
    rig.run(10)
    good = rig.scheduler.watches()[0].good_at
    rig.scheduler.close()
    again = module.Scheduler(rig.links, rig.shift, rig.metrics, workers=rig.workers)
    again.check_links()
    assert good is not None
    assert again.watches()[0].good_at == good


def test_the_last_note_says_goodbye(build: Build) -> None:
    rig = build("clinic")
    rig.run(10)
    rig.scheduler.stop_claiming()
    rig.scheduler.close()
    heartbeat = rig.links["clinic"].store.heartbeat
    assert heartbeat is not None
    assert heartbeat.stopped
    assert rig.links["clinic"].is_held is False


def test_history_is_kept_as_long_as_the_configuration_says(build: Build) -> None:
    rig = build("clinic", "elsewhere", history_keep="30d")
    rig.links["elsewhere"].elsewhere = True
    rig.scheduler.check_links()
    rig.scheduler.keep_house()
    assert rig.links.pruned == [("clinic", rig.clock.now() - timedelta(days=30))]
