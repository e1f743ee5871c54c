"""The two status tables: what they say, what agrees, what is over, and how values are spelled."""

from dataclasses import replace

import pytest
from plan_cases import GHL, HUBSPOT, STATUSES

from syncd.core.status import GHL_STATUSES, StatusTable
from syncd.core.translate import resolve, spelled

SHARED = StatusTable(
    to_hubspot=dict.fromkeys(GHL_STATUSES, "DONE") | {"new": "OPEN", "confirmed": "OPEN"},
    to_ghl={"OPEN": "confirmed", "DONE": "showed"},
)


def test_each_side_s_words_are_said_by_its_own_table() -> None:
    assert STATUSES.translate(GHL, "noshow") == "NO_SHOW"
    assert STATUSES.translate(HUBSPOT, "NO_SHOW") == "noshow"


def test_what_is_in_no_table_is_not_guessed() -> None:
    assert STATUSES.translate(GHL, "rescheduled") is None
    assert STATUSES.translate(HUBSPOT, "RESCHEDULED") is None


@pytest.mark.parametrize("ghl", ["new", "confirmed"])
def test_a_shared_value_stands_for_each_status_that_shares_it(ghl: str) -> None:
    assert STATUSES.agree(ghl, "SCHEDULED")


@pytest.mark.parametrize(
    ("ghl", "hubspot"),
    [("showed", "SCHEDULED"), ("new", "COMPLETED"), ("", "SCHEDULED"), ("new", ""), ("x", "X")],
)
def test_other_words_do_not_agree(ghl: str, hubspot: str) -> None:
    assert not STATUSES.agree(ghl, hubspot)


def test_nothing_agrees_with_nothing() -> None:
    assert STATUSES.agree("", "")


def test_a_way_back_that_differs_agrees_too() -> None:
    table = replace(STATUSES, to_ghl={**STATUSES.to_ghl, "ARRIVED": "showed"})
    assert table.agree("showed", "ARRIVED")


@pytest.mark.parametrize("value", ["cancelled"])
def test_only_cancelled_is_cancelled_in_highlevel(value: str) -> None:
    assert [s for s in GHL_STATUSES if STATUSES.is_cancelled(GHL, s)] == [value]


def test_cancelled_in_hubspot_is_what_either_table_calls_so() -> None:
    table = StatusTable(
        to_hubspot={"cancelled": "CALLED_OFF"}, to_ghl={"CANCELLED": "cancelled", "OPEN": "new"}
    )
    assert table.is_cancelled(HUBSPOT, "CALLED_OFF")
    assert table.is_cancelled(HUBSPOT, "CANCELLED")
    assert not table.is_cancelled(HUBSPOT, "OPEN")
    assert not table.is_cancelled(HUBSPOT, "")


def test_over_is_showed_noshow_and_cancelled() -> None:
    assert {s for s in GHL_STATUSES if STATUSES.is_over(GHL, s)} == {
        "showed",
        "noshow",
        "cancelled",
    }
    assert {v for v in STATUSES.to_ghl if STATUSES.is_over(HUBSPOT, v)} == {
        "COMPLETED",
        "NO_SHOW",
        "CANCELLED",
    }


def test_a_value_that_only_stands_for_showed_is_over_without_a_way_back() -> None:
    assert StatusTable(to_hubspot={"showed": "DONE"}, to_ghl={}).is_over(HUBSPOT, "DONE")


def test_an_empty_or_unknown_value_is_not_over() -> None:
    assert not STATUSES.is_over(HUBSPOT, "")
    assert not STATUSES.is_over(HUBSPOT, "RESCHEDULED")


@pytest.mark.parametrize("status", GHL_STATUSES)
def test_cancelled_and_invalid_take_no_slot(status: str) -> None:
    assert STATUSES.takes_slot(status) == (status not in {"cancelled", "invalid"})


@pytest.mark.parametrize(
    ("wanted", "has", "found"),
    [
        ("CANCELLED", ("CANCELED", "SCHEDULED"), "CANCELED"),
        ("CANCELED", ("Cancelled",), "Cancelled"),
        ("no_show", ("NO_SHOW",), "NO_SHOW"),
        ("SCHEDULED", ("scheduled", "SCHEDULED"), "SCHEDULED"),
        ("SCHEDULED", ("Scheduled", "scheduled"), "Scheduled"),
        ("NO_SHOW", ("NOSHOW",), None),
        ("SCHEDULED", (), None),
    ],
)
def test_values_are_matched_but_for_letter_case_and_one_l(
    wanted: str, has: tuple[str, ...], found: str | None
) -> None:
    assert spelled(wanted, has) == found


def test_a_table_takes_the_account_s_spelling_both_ways() -> None:
    table, missing = resolve(STATUSES, ("Scheduled", "Completed", "No_Show", "Canceled"))
    assert missing == ()
    assert table.to_hubspot["cancelled"] == table.to_hubspot["invalid"] == "Canceled"
    assert table.to_ghl["Canceled"] == "cancelled"
    assert table.agree("invalid", "Canceled")


def test_what_the_account_lacks_is_named_once_and_left_out() -> None:
    table, missing = resolve(STATUSES, ("SCHEDULED", "COMPLETED", "NO_SHOW"))
    assert missing == ("CANCELLED",)
    assert table.translate(GHL, "cancelled") is None
    assert table.translate(GHL, "invalid") is None
    assert "CANCELLED" not in table.to_ghl


def test_many_may_share_one_value_and_it_says_one_thing_back() -> None:
    assert {SHARED.translate(GHL, s) for s in GHL_STATUSES} == {"OPEN", "DONE"}
    assert SHARED.translate(HUBSPOT, "DONE") == "showed"
    assert SHARED.is_cancelled(HUBSPOT, "DONE")
