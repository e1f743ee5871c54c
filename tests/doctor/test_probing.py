"""What `--probe` learns of accounts, and that it leaves nothing behind."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from syncd.doctor.probing import Answer, Interruption, State, probe
from syncd.doctor.probing.scratch import Scratch
from syncd.providers.message import Request, Response
from syncd.sandbox import SandboxSettings
from syncd.sandbox.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Generator

TOKENS = {
    "GHL_TOKEN": SandboxSettings().ghl_token,
    "HUBSPOT_TOKEN": SandboxSettings().hubspot_token,
}


def asked(practice: Any, more: str = "") -> Generator[Answer]:
    return probe(practice.settings(more), ("clinic",), clock=practice.clock, env=TOKENS)


def answers(practice: Any) -> dict[str, Answer]:
    return {each.question: each for each in asked(practice)}


def left(practice: Any) -> list[object]:
    """Whatever is there and was made by a probe."""
    return [
        *practice.ghl.events(),
        *practice.ghl.contacts,
        *practice.hubspot.records(),
        *practice.hubspot.contact_records(),
    ]


def test_every_question_of_both_vendors_is_answered_or_said_why_not(practice: Any) -> None:
    found = [*asked(practice)]
    told = [each for each in found if each.question != "Is everything removed again?"]
    assert [sum(each.side == side for each in told) for side in ("HighLevel", "HubSpot")] == [
        10,
        16,
    ]
    assert {each.state for each in told} == {State.LEARNT, State.UNASKED}
    assert sum(each.state is State.UNASKED for each in told) == 4
    assert all(each.answer for each in told)


def test_nothing_is_left_behind_and_nobody_is_written_to(practice: Any) -> None:
    found = answers(practice)
    assert found["Is everything removed again?"].answer == "yes"
    assert left(practice) == []
    assert practice.world.notifications == []


def test_what_the_accounts_do_is_what_is_learnt(practice: Any) -> None:
    practice.become(
        status_reset_on_put=False,
        delete_moves_date_updated=True,
        get_envelope="event",
        slot_validation="off",
        list_rule="start",
        unique_of_archived="conflict",
        merge_keeps_primary_id=True,
        secondary_email_lookup=True,
    )
    found = {question: each.answer for question, each in answers(practice).items()}
    assert found["Does an update without a status reset it?"].startswith("it never does")
    assert found["What do a deletion and an update after it do?"].startswith(
        "a deletion moves dateUpdated"
    )
    assert "event" in found["Under which key does a get show it?"]
    assert found["Is a move checked against the free slots?"].startswith("no")
    assert "is refused" in found["What does an upsert over an archived holder do?"]
    assert "keeps the first one's id" in found["Does a merged record's id lead to the survivor?"]
    assert found["Is a contact found by an additional address?"] == "yes"


def test_and_the_other_way_round(practice: Any) -> None:
    found = {question: each.answer for question, each in answers(practice).items()}
    assert "noshow becomes confirmed" in found["Does an update without a status reset it?"]
    assert "does not move dateUpdated" in found["What do a deletion and an update after it do?"]
    assert "ends inside" in found["What does a list show at its window's edges?"]
    assert "appointment" in found["Under which key does a get show it?"]
    assert found["Is a move checked against the free slots?"].startswith("yes")
    assert "creates another record" in found["What does an upsert over an archived holder do?"]
    assert found["Which association types?"] == (
        "appointment to contact 906, contact to appointment 907"
    )
    assert found["How is a time cleared?"] == 'null is refused (400); "" clears it'


def test_the_search_is_waited_for(practice: Any) -> None:
    practice.become(search_lag=timedelta(seconds=11))
    assert answers(practice)["How late does the search show a change?"].answer == "at most 12 s"
    practice.become(search_lag=timedelta(minutes=5))
    told = answers(practice)["How late does the search show a change?"].answer
    assert "set hubspot.search_lag higher" in told


def test_a_portal_without_the_native_status_says_so(raw: Any) -> None:
    raw.hubspot.appointments.definitions.pop("hs_appointment_status")
    raw.setup()
    told = answers(raw)["Which uncertain properties exist?"].answer
    assert told.startswith("hs_appointment_status is not there")
    assert left(raw) == []


def test_an_account_that_demands_a_stage_is_probed_all_the_same(practice: Any) -> None:
    practice.become(stage_required=True)
    found = answers(practice)
    told = found["Which stages exist, and is one required?"].answer
    assert "no record can be created without one" in told
    assert sum(each.state is State.UNASKED for each in found.values()) == 4
    assert left(practice) == []


def test_scratch_appointments_lie_beyond_what_any_link_syncs(practice: Any) -> None:
    """A daemon that runs beside leaves them alone."""
    settings = practice.settings()
    beyond = practice.clock.now() + settings.links["clinic"].sync.future
    [*asked(practice)]
    starts = [
        row.body["startTime"]
        for row in practice.world.requests_of("ghl", "POST")
        if row.path.endswith("/appointments")
    ]
    assert starts
    assert min(starts) > beyond.isoformat()


@pytest.mark.parametrize("side", ["ghl", "hubspot"])
@pytest.mark.parametrize("nth", [2, 9, 20])
def test_a_vendor_that_fails_in_between_leaves_nothing_behind(
    practice: Any, side: str, nth: int
) -> None:
    practice.world.faults.add(Fault(side=side, method="PUT", status=500, nth=nth, times=4))
    practice.world.faults.add(Fault(side=side, method="PATCH", status=500, nth=nth // 4, times=4))
    found = [*asked(practice)]
    assert {each.answer for each in found if each.question == "Is everything removed again?"} == {
        "yes"
    }
    assert left(practice) == []


@pytest.mark.parametrize("after", [1, 8, 10, 14, 20])
def test_a_person_who_ends_it_early_finds_nothing_left(practice: Any, after: int) -> None:
    with closing(asked(practice)) as found:
        for _ in range(after):
            next(found)
    assert left(practice) == []


def test_what_cannot_be_removed_is_told_with_its_name(practice: Any) -> None:
    practice.world.faults.add(Fault(side="hubspot", method="DELETE", status=400, times=None))
    told = [each for each in asked(practice) if each.question == "Is everything removed again?"]
    assert [each.state for each in told] == [State.LEARNT, State.FAILED]
    assert "HubSpot contact" in told[1].answer
    assert "remove the records named `syncd probe " in told[1].answer


@pytest.mark.parametrize(
    ("side", "path"),
    [
        ("ghl", "/events/appointments$"),
        ("ghl", "/contacts/?$"),
        ("hubspot", "/objects/2026-03/0-421$"),
        ("hubspot", "/objects/2026-03/contacts$"),
    ],
)
@pytest.mark.parametrize("nth", [1, 2])
def test_what_was_made_without_an_answer_is_looked_for_and_removed(
    practice: Any, side: str, path: str, nth: int
) -> None:
    lost = Fault(kind="drop_after", side=side, method="POST", path=path, nth=nth)
    practice.world.faults.add(lost)
    told = [each for each in asked(practice) if each.question == "Is everything removed again?"]
    assert [each.answer for each in told] == ["yes", "yes"]
    assert left(practice) == []


def test_a_creation_that_is_not_found_again_is_told(practice: Any) -> None:
    practice.world.faults.add(
        Fault(kind="drop_before", side="hubspot", method="POST", path="/objects/2026-03/0-421$")
    )
    told = [each for each in asked(practice) if each.question == "Is everything removed again?"]
    assert told[1].state is State.FAILED
    assert "may have been made without an answer" in told[1].answer


def test_only_what_the_unique_property_is_needed_for_goes_unasked_before_setup(raw: Any) -> None:
    found = answers(raw)
    unasked = [each for each in found.values() if each.state is State.UNASKED]
    assert len(unasked) == 7
    assert sum("syncd setup" in each.answer for each in unasked) == 3
    assert left(raw) == []


class Killed(BaseException):
    """What ends a process: nobody catches it by name."""


def ended_after(monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
    """The nth request of a probe takes effect, and its answer is never looked at."""
    sent = iter(range(1, 10_000))
    send = Scratch.send

    def hit(self: Scratch, request: Request) -> Response:
        response = send(self, request)
        if next(sent) == nth:
            raise Killed
        return response

    monkeypatch.setattr(Scratch, "send", hit)


@pytest.mark.parametrize("nth", range(3, 78, 5))
def test_whenever_it_is_ended_nothing_stays_behind_the_next_probe(
    practice: Any, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    with monkeypatch.context() as patched:
        ended_after(patched, nth)
        with pytest.raises(Killed):
            [*asked(practice)]
    assert len(left(practice)) <= 1  # made a moment ago, and not in the index yet
    practice.clock.sleep(60)
    [*asked(practice)]
    assert left(practice) == []


@pytest.mark.parametrize("nth", range(1, 78, 4))
def test_who_asks_to_stop_during_a_request_finds_nothing_left(
    practice: Any, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    interruption = Interruption()
    sent = iter(range(1, 10_000))
    send = Scratch.send

    def asked_meanwhile(self: Scratch, request: Request) -> Response:
        if next(sent) == nth:
            interruption.ask()
        return send(self, request)

    monkeypatch.setattr(Scratch, "send", asked_meanwhile)
    settings = practice.settings("")
    with pytest.raises(KeyboardInterrupt):
        [
            *probe(
                settings,
                ("clinic",),
                clock=practice.clock,
                env=TOKENS,
                interruption=interruption,
            )
        ]
    assert left(practice) == []


@pytest.mark.parametrize("nth", [12, 30, 60])
def test_what_a_killed_probe_left_is_removed_by_the_next_one(
    practice: Any, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    with monkeypatch.context() as patched:
        ended_after(patched, nth)
        patched.setattr(Scratch, "clean", lambda _: None)
        with pytest.raises(Killed):
            [*asked(practice)]
    assert left(practice)
    practice.clock.sleep(60)
    found = [*asked(practice)]
    assert left(practice) == []
    (told,) = [each for each in found if "earlier probe" in each.question]
    assert told.answer.endswith("removed")
