"""What the doctor makes of what was read: pure judgements, no vendor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from syncd.config import LinkSettings
from syncd.core.model import Calendar, Person, Side
from syncd.doctor import (
    Finding,
    calendars,
    clocks,
    code_of,
    files,
    owners,
    shared_accounts,
    statuses,
)
from syncd.doctor import owners as owner_check
from syncd.doctor.finding import error, ok, raised, warning
from syncd.errors import (
    AuthFailed,
    NotPrepared,
    StoreFault,
    SyncdError,
    Unavailable,
)

Link = Callable[..., LinkSettings]
TEAM = Calendar(id="c1", name="Team", kind="round_robin", team=("u1", "u2"), primary="u1")
EVENT = Calendar(id="c2", name="Event", kind="event")
IDLE = Calendar(id="c3", name="Old", kind="round_robin", team=("u1",), active=False)
NOBODY = Calendar(id="c4", name="Lonely", kind="round_robin")
ALL = (TEAM, EVENT, IDLE, NOBODY)
USERS = (
    Person(id="u1", name="Dana", email="D@example.com"),
    Person(id="u2", email="m@example.com"),
)
VALUES = ("SCHEDULED", "COMPLETED", "NO_SHOW", "CANCELLED")


def marks(findings: Iterable[Finding]) -> list[str]:
    return [each.mark.value for each in findings]


def bad(findings: Iterable[Finding]) -> list[Finding]:
    return [each for each in findings if each.mark != "ok"]


# --- calendars


def test_calendars_that_are_there_are_well(a_link: Link) -> None:
    link = a_link(ghl={"calendars": ["c2"], "default_calendar": "c1", "default_assignee": "u2"})
    assert marks(calendars.judge(link, ALL, USERS)) == ["ok", "ok"]


@pytest.mark.parametrize(
    "given",
    [
        {"calendars": ["nowhere"], "default_calendar": "c1"},
        {"default_calendar": "nowhere"},
        {
            "default_calendar": "c1",
            "routes": [{"property": "p", "value": "1", "calendar": "nowhere"}],
        },
        {"default_calendar": "c1", "default_assignee": "nobody"},
        {
            "default_calendar": "c1",
            "routes": [{"property": "p", "value": "1", "assignee": "nobody"}],
        },
    ],
)
def test_whatever_is_named_and_not_there_is_an_error_that_says_what_is(
    a_link: Link, given: dict[str, object]
) -> None:
    (found,) = bad(calendars.judge(a_link(ghl=given), ALL, USERS))
    assert (found.mark, found.code) == ("error", 2)
    assert "c1 'Team'" in found.remedy or "u1 'Dana'" in found.remedy


def test_users_that_could_not_be_read_are_not_said_to_be_missing(a_link: Link) -> None:
    link = a_link(ghl={"default_calendar": "c1", "default_assignee": "u2"})
    assert bad(calendars.judge(link, ALL, None)) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"calendars": ["c3"], "default_calendar": "c1"}, "is deactivated; its bookings"),
        ({"default_calendar": "c3"}, "appointments created in HubSpot are held"),
        ({"default_calendar": "c4"}, "has no team member"),
        ({}, "no default_calendar: an appointment created in HubSpot is held"),
        ({"default_calendar": "c1", "default_assignee": "u3"}, "primary team member is used"),
        (
            {
                "default_calendar": "c1",
                "routes": [{"property": "p", "value": "1", "assignee": "u3"}],
            },
            "HighLevel refuses such bookings",
        ),
    ],
)
def test_what_works_in_part_only_is_a_warning(
    a_link: Link, given: dict[str, object], words: str
) -> None:
    users = (*USERS, Person(id="u3"))
    (found,) = bad(calendars.judge(a_link(ghl=given), ALL, users))
    assert (found.mark, found.code) == ("warning", 0)
    assert words in found.what
    assert found.remedy


def test_a_location_without_calendars_has_nothing_to_sync(a_link: Link) -> None:
    link = a_link(sync={"direction": "ghl_to_hubspot"})
    (found,) = calendars.judge(link, (), USERS)
    assert "nothing to sync" in found.what
    (found,) = calendars.judge(link, (IDLE,), USERS)
    assert "no calendar of the location is active" in found.what


def test_nobody_asks_where_to_book_in_a_link_that_books_nothing(a_link: Link) -> None:
    link = a_link(sync={"direction": "ghl_to_hubspot"})
    assert marks(calendars.judge(link, ALL, USERS)) == ["ok"]


# --- statuses


def test_the_default_tables_on_the_usual_values_are_well(a_link: Link) -> None:
    assert marks(statuses.judge(a_link(), "p", VALUES)) == ["ok"]


def test_spelling_is_matched(a_link: Link) -> None:
    values = ("Scheduled", "completed", "NO_SHOW", "CANCELED")
    assert marks(statuses.judge(a_link(), "p", values)) == ["ok"]


def test_a_value_that_the_default_table_lacks_is_a_warning_that_says_who_is_held(
    a_link: Link,
) -> None:
    (found,) = statuses.judge(a_link(), "p", VALUES[:2] + VALUES[3:])
    assert found.mark == "warning"
    assert "no value 'NO_SHOW': HighLevel appointments that are noshow are held" in found.what


def test_a_value_that_a_given_table_lacks_is_an_error(a_link: Link) -> None:
    table = dict.fromkeys(("new", "confirmed", "showed", "noshow", "cancelled", "invalid"), "OPEN")
    link = a_link(status={"to_hubspot": table, "to_ghl": {}})
    found = bad(statuses.judge(link, "p", VALUES))[0]
    assert (found.mark, found.code) == ("error", 2)
    assert "no value 'OPEN'" in found.what
    assert "it has: SCHEDULED" in found.remedy


def test_a_line_that_is_never_used_and_a_value_without_a_line_are_warnings(a_link: Link) -> None:
    link = a_link(status={"to_ghl": {"SCHEDULED": "confirmed", "LATE": "showed"}})
    said = [each.what for each in bad(statuses.judge(link, "p", VALUES))]
    assert "no value 'LATE', so this line is never used" in said[0]
    assert "COMPLETED, NO_SHOW, CANCELLED" in said[1]
    link = a_link(sync={"direction": "ghl_to_hubspot"})
    assert bad(statuses.judge(link, "p", (*VALUES, "LATE"))) == []


def test_a_property_without_values_cannot_be_checked(a_link: Link) -> None:
    assert marks(statuses.judge(a_link(), "p", ())) == ["warning"]
    assert marks(statuses.judge(a_link(fields={"status": "off"}), "p", ())) == ["ok"]


def test_stages_are_shown_with_what_people_call_them(a_link: Link) -> None:
    (found, *_) = statuses.judge(a_link(), "hs_pipeline_stage", ("981",), {"981": "Still Working"})
    assert found.remedy.endswith("it has: 981 (Still Working)")


# --- people


def test_everybody_who_has_an_owner_is_well() -> None:
    owners = (Person(id="1", email="d@example.com"), Person(id="2", email="M@example.com"))
    assert marks(owner_check.judge(USERS, owners)) == ["ok"]


def test_who_has_nobody_across_is_named() -> None:
    (found,) = owner_check.judge(USERS, (Person(id="2", email="m@example.com"),))
    assert found.what.startswith("1 of 2")
    assert "without one: Dana" in found.remedy


def test_who_was_deactivated_in_hubspot_is_named() -> None:
    parted = Person(id="1", email="d@example.com", active=False)
    found = [*owners.judge(USERS, (parted, Person(id="2", email="m@example.com")))]
    assert "deactivated in HubSpot, so they match no owner: Dana" in found[1].what


def test_without_anybody_nothing_is_matched() -> None:
    assert marks(owners.judge((), USERS)) == ["warning"]
    assert marks(owners.judge(USERS, ())) == ["warning"]


# --- clocks


@pytest.mark.parametrize(
    ("ghl", "hubspot", "mark"),
    [(0.5, -1.5, "ok"), (90.0, 0.0, "warning"), (-90.0, -91.0, "warning")],
)
def test_a_clock_that_differs_is_a_warning(ghl: float, hubspot: float, mark: str) -> None:
    assert marks(clocks.judge({Side.GHL: ghl, Side.HUBSPOT: hubspot})) == [mark]


def test_it_is_said_whose_clock_it_is() -> None:
    (found,) = clocks.judge({Side.GHL: 700.0, Side.HUBSPOT: 701.0})
    assert "may be missed" in found.what
    assert found.remedy == "set this machine's clock with NTP"
    (found,) = clocks.judge({Side.GHL: 90.0, Side.HUBSPOT: 1.0})
    assert found.remedy.startswith("nothing to do here")


def test_vendors_that_say_no_time_are_not_judged() -> None:
    assert [*clocks.judge({Side.GHL: None, Side.HUBSPOT: None})] == []


# --- links that share an account


def shared(a_link: Link, **more: object) -> dict[str, LinkSettings]:
    links = {}
    for name, region in (("north", "n"), ("south", "s")):
        token = {"token": {"env": name.upper()}}
        split = {"filter": {"region": [region]}} if more.get("split") else {}
        links[name] = a_link(ghl={"location_id": name}, hubspot=token | split)
        links[name]._name = name
    return links


def test_two_tokens_of_one_account_are_found_out_by_its_number(a_link: Link) -> None:
    links = shared(a_link)
    (found,) = shared_accounts.judge(links, {"north": "1", "south": "1"})
    assert (found.mark, found.code) == ("error", 2)
    assert "links.north and links.south: one HubSpot account" in found.what
    assert found.remedy.startswith("give both a filter")
    assert [*shared_accounts.judge(links, {"north": "1", "south": "2"})] == []
    assert [*shared_accounts.judge(links, {"north": "1", "south": ""})] == []


def test_links_that_keep_apart_are_well(a_link: Link) -> None:
    (found,) = shared_accounts.judge(shared(a_link, split=True), {"north": "1", "south": "1"})
    assert (found.mark, found.what) == (
        "ok",
        "north, south share HubSpot account 1 with disjoint filters",
    )


# --- files


def test_a_store_that_is_not_there_yet_is_no_error(tmp_path: Path) -> None:
    (found,), usable = files.store(f"sqlite:///{tmp_path}/new/syncd.db")
    assert (found.mark, usable) == ("warning", False)
    assert not (tmp_path / "new").exists()


def test_a_file_that_is_no_store_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "syncd.db").write_text("this is no database, whatever its name says" * 99)
    (found,), usable = files.store(f"sqlite:///{tmp_path}/syncd.db")
    assert (found.mark, found.code, usable) == ("error", 2, False)


# --- the code


@pytest.mark.parametrize(
    ("faults", "code"),
    [
        ([], 0),
        ([NotPrepared("x")], 2),
        ([Unavailable("x"), NotPrepared("x")], 2),
        ([NotPrepared("x"), AuthFailed("x")], 6),
        ([Unavailable("x")], 7),
        ([AuthFailed("x"), StoreFault("x")], 1),
    ],
)
def test_the_worst_error_is_the_code(faults: list[SyncdError], code: int) -> None:
    findings = [each for fault in faults for each in raised("area", fault)]
    assert code_of([ok("a", "b"), warning("a", "b", "c"), *findings]) == code
    assert code_of([error("a", "b", "c")]) == 2


def test_what_was_raised_is_told_line_by_line_with_its_remedy() -> None:
    found = raised("area", NotPrepared("one; do this\ntwo; do that"))
    assert [(each.what, each.remedy) for each in found] == [("one", "do this"), ("two", "do that")]
