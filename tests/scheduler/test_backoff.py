import pytest

from syncd.core.outcome import Outcome
from syncd.scheduler import backoff


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.FAILED_WRITES, Outcome.GUARD])
def test_a_cycle_that_went_through_is_repeated_at_the_poll_interval(outcome: Outcome) -> None:
    assert backoff.pause_after(outcome, 7, 60.0) == 60.0


def test_a_vendor_that_is_down_is_asked_less_and_less_often_but_never_rarely() -> None:
    pauses = [backoff.pause_after(Outcome.UNREACHABLE, n, 60.0) for n in (1, 2, 3, 4, 50)]
    assert pauses == [60.0, 120.0, 240.0, 300.0, 300.0]


def test_refused_credentials_are_left_in_peace_for_long() -> None:
    pauses = [backoff.pause_after(Outcome.REFUSED, n, 60.0) for n in (1, 2, 3, 4, 50)]
    assert pauses == [600.0, 1200.0, 2400.0, 3600.0, 3600.0]


def test_an_account_that_is_not_prepared_waits_as_refused_credentials_do() -> None:
    assert backoff.pause_after(Outcome.NOT_PREPARED, 2, 60.0) == 1200.0


def test_a_short_poll_interval_also_recovers_fast() -> None:
    assert backoff.pause_after(Outcome.UNREACHABLE, 1, 0.2) == 0.2
    assert backoff.pause_after(Outcome.REFUSED, 1, 0.2) == 2.0


@pytest.mark.parametrize("outcome", [Outcome.UNREACHABLE, Outcome.FAULT, Outcome.REFUSED])
def test_failing_never_makes_us_ask_more_often(outcome: Outcome) -> None:
    assert backoff.pause_after(outcome, 1, 7200.0) == 7200.0


def test_a_link_that_another_holds_is_tried_again_soon() -> None:
    assert backoff.pause_after(Outcome.LOCKED, 9, 60.0) == 5.0
    assert backoff.pause_after(Outcome.LOCKED, 9, 0.5) == 0.5


def test_chance_adds_at_most_a_tenth() -> None:
    assert backoff.jittered(60.0, 0.0) == 60.0
    assert 65.9 < backoff.jittered(60.0, 0.999) < 66.0


def test_the_first_cycles_are_spread_over_half_a_minute_at_most() -> None:
    starts = [backoff.spread(n, 60, 60.0) for n in range(60)]
    assert starts[0] == 0.0
    assert starts[-1] < backoff.LONGEST_SPREAD
    assert len(set(starts)) == 60
    assert backoff.spread(1, 2, 1.0) == 0.5
