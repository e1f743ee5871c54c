"""What people were told and what still has to be sent, on both databases."""

from dataclasses import replace
from datetime import timedelta

from stores import StandingClock

from syncd.ports.notifications import Notification
from syncd.store import Store


def a_notification(clock: StandingClock, event: str = "link_broken") -> Notification:
    now = clock.now()
    return Notification(channel="webhook", body={"event": event}, made_at=now, due_at=now)


def test_a_link_that_was_never_written_of_has_told_nothing(store: Store) -> None:
    assert store.outbox.announced("clinic") == frozenset()
    assert store.outbox.notifications("clinic") == []


def test_what_was_told_is_remembered_until_it_is_over(
    store: Store, standing_clock: StandingClock
) -> None:
    notification = a_notification(standing_clock)
    store.outbox.write("clinic", [notification], announced=["link refused", "held g1"], ended=[])
    store.outbox.write("clinic", [], announced=["held g1"], ended=["link refused"])
    assert store.outbox.announced("clinic") == {"held g1"}
    assert store.outbox.announced("praxis") == frozenset()


def test_letters_wait_in_their_order_until_they_are_dropped(
    store: Store, standing_clock: StandingClock
) -> None:
    both = [a_notification(standing_clock), a_notification(standing_clock, "link_recovered")]
    store.outbox.write("clinic", both, announced=[], ended=[])
    first, second = store.outbox.notifications("clinic")
    assert [first.body, second.body] == [each.body for each in both]
    later = replace(first, attempts=2, due_at=standing_clock.now() + timedelta(minutes=1))
    store.outbox.reschedule(later)
    assert store.outbox.notifications("clinic") == [later, second]
    store.outbox.drop(first)
    assert store.outbox.notifications("clinic") == [second]
