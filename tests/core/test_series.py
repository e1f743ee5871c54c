"""Instances of recurring appointments that moved, found again under their new id."""

from dataclasses import replace
from datetime import timedelta

import pytest
from plan_cases import GHL, TOMORROW, pair

from syncd.core.model import Appointment, Pair, Series, Snapshot
from syncd.core.series import rejoin_series

START = TOMORROW["start"]


def vanished(key: int, days: float, master: str = "m") -> Pair:
    start = START + timedelta(days=days)
    made = pair(start=start, end=start + timedelta(minutes=30), key=key)
    return replace(made, ghl_id=f"{master}_{key}", series=Series(master=master))


def arrived(
    record_id: str, days: float | None, master: str = "m", *, gone: bool = False
) -> Snapshot:
    start = None if days is None else START + timedelta(days=days)
    return Snapshot(
        side=GHL,
        id=record_id,
        appointment=Appointment(start=start),
        series=Series(master=master),
        gone=gone,
    )


def joined(
    pairs: list[Pair], arrivals: list[Snapshot], others: tuple[Snapshot, ...] = ()
) -> dict[int, str]:
    found = rejoin_series(pairs, arrivals, [*arrivals, *others])
    return {key: record.id for key, record in found.items()}


def test_a_moved_instance_is_found_by_its_series() -> None:
    assert joined([vanished(1, 0)], [arrived("a", 0.1)]) == {1: "a"}


def test_a_moved_series_keeps_its_order_whatever_order_it_comes_in() -> None:
    pairs = [vanished(2, 7), vanished(1, 0), vanished(3, 14)]
    arrivals = [arrived("c", 15), arrived("a", 1), arrived("b", 8)]
    assert joined(pairs, arrivals) == {1: "a", 2: "b", 3: "c"}


def test_a_series_that_moved_by_more_than_its_step_keeps_its_order() -> None:
    pairs = [vanished(1, 0), vanished(2, 7)]
    assert joined(pairs, [arrived("a", 8), arrived("b", 15)]) == {1: "a", 2: "b"}


@pytest.mark.parametrize("days", [7, 49, 90])
def test_an_instance_a_step_away_or_more_is_another_one(days: float) -> None:
    others = tuple(arrived(f"o{each}", 7 * each) for each in range(1, 7))
    assert joined([vanished(1, 0)], [arrived("a", days)], others) == {}
    assert joined([vanished(1, 0)], [arrived("a", 6.5)], others) == {1: "a"}


def test_a_lone_instance_is_not_joined_with_one_months_ahead() -> None:
    assert joined([vanished(1, 0)], [arrived("a", 60)]) == {}
    assert joined([vanished(1, 0)], [arrived("a", 9)]) == {1: "a"}


def test_several_that_do_not_answer_are_not_joined_with_what_comes_later() -> None:
    pairs = [vanished(1, 0), vanished(2, 7)]
    assert joined(pairs, [arrived("a", 70), arrived("b", 80)]) == {}


def test_two_series_do_not_mix() -> None:
    pairs = [vanished(1, 0, "m"), vanished(2, 0, "n")]
    arrivals = [arrived("b", 0.1, "n"), arrived("a", 0.2, "m")]
    assert joined(pairs, arrivals) == {1: "a", 2: "b"}


def test_of_fewer_arrivals_the_nearest_pair_is_joined() -> None:
    assert joined([vanished(1, 0), vanished(2, 1)], [arrived("b", 1.04)]) == {2: "b"}


def test_of_more_arrivals_the_nearest_one_is_joined() -> None:
    arrivals = [arrived("a", -7), arrived("b", 0.1), arrived("c", 7)]
    assert joined([vanished(1, 0)], arrivals) == {1: "b"}


@pytest.mark.parametrize(
    "stranger",
    [
        arrived("a", 0.1, "other"),
        arrived("a", 0.1, gone=True),
        arrived("a", None),
        replace(arrived("a", 0.1), series=None),
    ],
    ids=["of another series", "deleted", "without a start", "of no series"],
)
def test_nothing_else_takes_the_place_of_a_vanished_instance(stranger: Snapshot) -> None:
    assert joined([vanished(1, 0)], [stranger]) == {}


def test_a_pair_that_is_no_instance_is_not_looked_for() -> None:
    assert joined([replace(vanished(1, 0), series=None)], [arrived("a", 0)]) == {}


def test_no_arrival_is_joined_twice() -> None:
    pairs = [vanished(key, key) for key in range(1, 6)]
    arrivals = [arrived("a", 2.1), arrived("b", 4.1)]
    assert joined(pairs, arrivals) == {2: "a", 4: "b"}
