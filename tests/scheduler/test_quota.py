import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.model import Side
from syncd.scheduler.quota import DAY, SHARE, Quota


def day_of_polls(quota: Quota, cost: int, interval: float, seconds: float, links: int = 1) -> int:
    """Requests that links use which poll whenever interval and quota let them."""
    used = 0
    due = [0.0] * links
    while (now := min(due)) < seconds:
        first = due.index(now)
        quota.charge(Side.GHL, "loc", cost, now)
        used += cost
        due[first] = max(now + interval, quota.earliest(Side.GHL, "loc", now))
    return used


@given(
    cost=st.integers(1, 400),
    interval=st.sampled_from([5.0, 30.0, 60.0]),
    links=st.integers(1, 3),
    daily=st.sampled_from([1_000, 20_000, 200_000]),
)
def test_polls_use_at_most_half_of_a_day(
    cost: int, interval: float, links: int, daily: int
) -> None:
    quota = Quota()
    quota.told(Side.GHL, "loc", daily)
    # Each link may be caught with one poll under way.
    assert day_of_polls(quota, cost, interval, DAY, links) <= daily * SHARE + links * cost


def test_a_short_interval_is_kept_while_the_reserve_lasts() -> None:
    quota = Quota()
    assert day_of_polls(quota, cost=8, interval=0.5, seconds=600.0) == 1200 * 8


def test_a_poll_that_the_day_bears_is_never_held_back() -> None:
    quota = Quota()
    assert day_of_polls(quota, cost=10, interval=60.0, seconds=DAY) == 1440 * 10


def test_sixty_calendars_twice_a_minute_are_stretched() -> None:
    quota = Quota()
    quota.learn(Side.GHL, "loc", "clinic", 61)
    # 61 requests each, 100,000 a day: one poll in 52.7 s, where 30 s were asked for.
    assert quota.sustained(Side.GHL, "loc") == pytest.approx(52.704)


def test_links_that_share_an_account_share_its_half_day() -> None:
    quota = Quota()
    for name in ("north", "south"):
        quota.learn(Side.HUBSPOT, "one", name, 5)
    alone = Quota()
    alone.learn(Side.HUBSPOT, "one", "north", 5)
    assert quota.sustained(Side.HUBSPOT, "one") == 2 * alone.sustained(Side.HUBSPOT, "one")
    quota.keep_only({"north"})
    assert quota.sustained(Side.HUBSPOT, "one") == alone.sustained(Side.HUBSPOT, "one")


def test_accounts_do_not_disturb_each_other() -> None:
    quota = Quota()
    quota.charge(Side.GHL, "busy", 1_000_000, 0.0)
    assert quota.earliest(Side.GHL, "idle", 5.0) == 5.0
    assert quota.earliest(Side.GHL, "busy", 5.0) > DAY


def test_what_the_vendor_told_beats_what_is_usual() -> None:
    quota = Quota()
    quota.learn(Side.GHL, "loc", "clinic", 10)
    usual = quota.sustained(Side.GHL, "loc")
    quota.told(Side.GHL, "loc", 20_000)
    assert quota.sustained(Side.GHL, "loc") == pytest.approx(10 * usual)
    quota.told(Side.GHL, "loc", None)
    assert quota.daily(Side.GHL, "loc") == 20_000


def test_no_poll_waits_for_more_than_a_day_whatever_a_vendor_says_that_it_allows() -> None:
    quota = Quota()
    quota.told(Side.GHL, "loc", 1)
    quota.learn(Side.GHL, "loc", "clinic", 50)
    quota.charge(Side.GHL, "loc", 10_000, 0.0)
    assert quota.sustained(Side.GHL, "loc") == DAY
    assert quota.earliest(Side.GHL, "loc", 100.0) == 100.0 + DAY
