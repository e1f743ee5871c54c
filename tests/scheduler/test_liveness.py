"""Which sides announce their changes, and whether polls may relax: one situation each."""

import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from syncd.config import Settings
from syncd.core.model import Side
from syncd.engine.poll.found_changes import FoundChange
from syncd.ports.announcements import Announced, Announcement, Way
from syncd.scheduler.liveness import Hearing, Liveness, SetUp, set_up_of

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
GHL, HUBSPOT = Side.GHL, Side.HUBSPOT
APPS = {GHL: SetUp.APP, HUBSPOT: SetUp.APP}


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def announced(minutes: float, record: str = "a", side: Side = GHL) -> Announcement:
    return Announcement(
        key=1,
        side=side,
        what=Announced.RECORD if record else Announced.LINK,
        record=record,
        received_at=after(minutes),
    )


@pytest.fixture
def live() -> Liveness:
    """Both sides were heard at noon."""
    found = Liveness(since=NOON)
    found.hear([announced(0), announced(0, side=HUBSPOT)])
    return found


def changed(
    minutes: float, record: str = "b", side: Side = GHL, shown: str = ""
) -> dict[Side, dict[str, FoundChange]]:
    """What a poll found; every change shows something else unless a test says so."""
    change = FoundChange(stamp=after(minutes), shown=shown or f"as of {minutes}")
    return {side: {record: change}}


def hearing(live: Liveness, minutes: float, side: Side = GHL) -> Hearing:
    return live.hearing(side, SetUp.APP, after(minutes))


def test_a_side_is_heard_from_its_first_announcement_on() -> None:
    live = Liveness(since=NOON)
    assert live.hearing(GHL, SetUp.NOTHING, NOON) is Hearing.OFF
    assert hearing(live, 0) is Hearing.WAITING
    live.hear([announced(1)])
    assert hearing(live, 1) is Hearing.HEARD
    assert hearing(live, 1, HUBSPOT) is Hearing.WAITING
    assert not live.relaxes(APPS, after(1))
    live.hear([announced(2, side=HUBSPOT)])
    assert live.relaxes(APPS, after(2))


def test_announcements_that_were_lost_are_not_heard() -> None:
    live = Liveness(since=NOON)
    live.hear([replace(announced(0, "", HUBSPOT), what=Announced.FULL)])
    assert hearing(live, 1, HUBSPOT) is Hearing.WAITING


def test_an_installation_announces_no_change() -> None:
    live = Liveness(since=NOON)
    live.hear([replace(announced(0, ""), way=Way.LIFECYCLE)])
    assert hearing(live, 1) is Hearing.WAITING


def test_polls_never_relax_on_a_workflow_alone(live: Liveness) -> None:
    assert not live.relaxes(APPS | {GHL: SetUp.HOOK}, after(1))
    hooked = Liveness(since=NOON)
    hooked.hear([replace(announced(0), way=Way.HOOK), announced(0, side=HUBSPOT)])
    assert hearing(hooked, 1) is Hearing.HEARD
    assert not hooked.relaxes(APPS, after(1))


@pytest.mark.parametrize(
    ("stamp", "heard", "polled", "deaf"),
    [
        (1, None, 3, True),
        (1, None, 1.5, False),
        (1, 1.1, 3, False),
        (1, 2.9, 3, False),
        (1, 0.5, 3, True),
        (-1, None, 3, False),
    ],
    ids=[
        "nobody announced it",
        "it is younger than a minute",
        "it was announced",
        "it was announced late",
        "an earlier change was announced",
        "it is from before this process listened",
    ],
)
def test_a_poll_that_finds_a_change(
    live: Liveness, stamp: float, heard: float | None, polled: float, *, deaf: bool
) -> None:
    if heard is not None:
        live.hear([announced(heard, "b")])
    turned = live.polled(changed(stamp, "b", GHL), after(polled))
    assert (turned == [GHL]) is deaf
    assert (hearing(live, polled) is Hearing.DEAF) is deaf
    assert hearing(live, polled, HUBSPOT) is Hearing.HEARD
    assert live.relaxes(APPS, after(polled)) is not deaf


def test_a_whole_link_that_was_announced_shows_every_change(live: Liveness) -> None:
    live.hear([announced(2, "")])
    assert live.polled(changed(1, "b", GHL), after(4)) == []
    assert live.polled(changed(1, "b", HUBSPOT), after(4)) == [HUBSPOT]


def test_what_an_earlier_poll_showed_is_not_missed_later(live: Liveness) -> None:
    assert live.polled(changed(1, "b", GHL), after(1.5)) == []
    assert live.polled(changed(1, "b", GHL), after(60)) == []
    assert live.polled(changed(50, "b", GHL), after(61)) == [GHL]


def test_a_stamp_that_moves_alone_is_no_change(live: Liveness) -> None:
    live.polled(changed(1, shown="as it was"), after(1.5))
    assert live.polled(changed(9, shown="as it was"), after(60)) == []


def test_our_own_writes_need_no_announcement(live: Liveness) -> None:
    live.wrote([(GHL, "b")], after(1))
    assert live.polled(changed(1, "b", GHL), after(9)) == []
    assert live.polled(changed(2, "b", GHL), after(9)) == [GHL]


def test_a_deaf_side_is_heard_again_after_an_hour_of_announcements(live: Liveness) -> None:
    live.polled(changed(1, "b", GHL), after(3))
    assert hearing(live, 300) is Hearing.DEAF
    live.hear([announced(301)])
    assert hearing(live, 360) is Hearing.DEAF
    assert hearing(live, 361) is Hearing.HEARD
    assert live.relaxes(APPS, after(361))


def test_a_change_that_is_missed_meanwhile_begins_the_hour_anew(live: Liveness) -> None:
    live.polled(changed(1, "b", GHL), after(3))
    live.hear([announced(10)])
    # At the usual interval a poll finds it before it is a minute old.
    live.polled(changed(30, "c", GHL), after(30.5))
    live.polled({}, after(31.5))
    assert hearing(live, 71) is Hearing.DEAF
    live.hear([announced(80)])
    live.polled(changed(90, "d", GHL), after(90.5))
    live.hear([announced(90.6, "d")])
    live.polled({}, after(92))
    assert hearing(live, 141) is Hearing.HEARD


def test_a_contact_says_nothing_of_other_records(live: Liveness) -> None:
    live.hear([replace(announced(2, "k"), what=Announced.CONTACT)])
    assert live.polled(changed(1, "b", GHL), after(3)) == [GHL]


def test_a_side_that_was_never_heard_is_not_deaf() -> None:
    live = Liveness(since=NOON)
    assert live.polled(changed(1, "b", GHL), after(3)) == []
    assert hearing(live, 3) is Hearing.WAITING


def test_what_is_known_outlasts_the_process(live: Liveness) -> None:
    live.polled(changed(1, "b", GHL), after(3))
    again = Liveness.read(live.as_text(), since=after(5))
    assert hearing(again, 6) is Hearing.DEAF
    assert hearing(again, 6, HUBSPOT) is Hearing.HEARD
    assert again.polled(changed(4, "b", HUBSPOT), after(9)) == []
    for torn in ("", "{", "[]", '{"ghl": 7}'):
        assert Liveness.read(torn, since=NOON).sides[GHL].heard_at is None


def test_what_is_forgotten_does_not_pass_for_what_never_came(live: Liveness) -> None:
    live.hear([announced(1, "b")])
    live.hear([announced(2, f"r{number}") for number in range(3_000)])
    assert live.polled(changed(1, "b", GHL), after(5)) == []


@pytest.mark.parametrize(
    ("text", "ghl", "hubspot"),
    [
        ("", SetUp.NOTHING, SetUp.NOTHING),
        ('live = {listen = ":1"}', SetUp.NOTHING, SetUp.NOTHING),
        ('live = {listen = ":1"}\napps = {highlevel = {client_id = "a-b"}}', SetUp.APP, "nothing"),
        ('apps = {highlevel = {client_id = "a-b"}}', SetUp.NOTHING, SetUp.NOTHING),
        ('live = {listen = ":1"}\nhook = true', SetUp.HOOK, SetUp.NOTHING),
        (
            (
                'live = {listen = ":1", public_url = "https://a.b"}\n'
                'apps = {hubspot = {client_secret = {env = "S"}}}'
            ),
            SetUp.NOTHING,
            SetUp.APP,
        ),
        (
            'live = {listen = ":1"}\napps = {hubspot = {client_id = "a"}}',
            SetUp.NOTHING,
            SetUp.NOTHING,
        ),
        ('apps = {hubspot = {client_id = "a", journal = true}}', SetUp.NOTHING, SetUp.APP),
        (
            'live = {listen = ":1", public_url = "https://a.b"}\nsecret = "s"',
            SetUp.NOTHING,
            SetUp.APP,
        ),
    ],
)
def test_what_a_configuration_sets_up(
    text: str, ghl: SetUp, hubspot: SetUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tomllib.loads(text)
    # The listener takes deliveries that the usual variable's secret verifies.
    monkeypatch.setenv("HUBSPOT_CLIENT_SECRET", table.pop("secret", ""))
    hook = {"hook_secret": {"env": "H"}} if table.pop("hook", None) else {}
    table["links"] = {"clinic": {"ghl": {"location_id": "l", **hook}}}
    settings = Settings.model_validate(table)
    assert set_up_of(settings, settings.links["clinic"]) == {GHL: ghl, HUBSPOT: hubspot}
