"""Messages on their way: once, in order, past failures and restarts, with no more than it takes."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from stores import StandingClock

from syncd.core.model import Hold
from syncd.errors import StoreInterrupted
from syncd.notifications import LinkStatus, Notifier
from syncd.notifications import notifier as notifier_module
from syncd.observability.state import State
from syncd.ports.notifications import Outbox
from syncd.store import Store

NewNotifier = Callable[..., Notifier]
REFUSED = LinkStatus(link="clinic", state=State.REFUSED, detail="HighLevel: the token is expired")
WELL = LinkStatus(link="clinic", state=State.OK)


def tell(notifier: Notifier, status: LinkStatus, *holds: Hold) -> None:
    notifier.queue_events(status, lambda: list(holds))
    notifier.deliver("clinic")


def test_a_break_and_its_end_are_posted_once_each(notifier: NewNotifier, webhook: Any) -> None:
    notices = notifier(webhook=webhook.url)
    for status in (WELL, REFUSED, REFUSED, WELL, WELL):
        tell(notices, status)
    assert webhook.events == ["link_broken", "link_recovered"]
    broken, recovered = webhook.got
    assert (broken["link"], broken["state"]) == ("clinic", "refused")
    assert broken["reason"] == "HighLevel: the token is expired"
    assert broken["commands"] == ["syncd doctor"]
    assert "the token is expired" in broken["text"]
    assert recovered["was"] == "refused"
    assert webhook.headers[0]["Idempotency-Key"] == broken["id"]


def test_a_guard_is_told_with_the_command_that_lets_it_pass(
    notifier: NewNotifier, webhook: Any
) -> None:
    tell(
        notifier(webhook=webhook.url),
        LinkStatus(link="clinic", state=State.GUARD, detail="9 removals"),
    )
    assert webhook.events == ["guard_tripped"]
    assert "syncd kick --link clinic --allow-removals" in webhook.got[0]["commands"]


def test_a_restart_repeats_nothing(notifier: NewNotifier, webhook: Any) -> None:
    tell(notifier(webhook=webhook.url), REFUSED)
    tell(notifier(webhook=webhook.url), REFUSED)
    assert webhook.events == ["link_broken"]


def test_a_held_record_is_told_with_what_finds_it_and_lets_it_go_and_no_more(
    notifier: NewNotifier, webhook: Any, standing_clock: StandingClock
) -> None:
    soon = Hold(
        ghl_id="g7",
        reason="rejected",
        detail="ana@example.com is no guest of Ana Example",
        title="Check-up Ana Example",
        since=standing_clock.now(),
        starts_at=standing_clock.now() + timedelta(hours=3),
        values={"ghl": "Ana Example"},
    )
    tell(notifier(webhook=webhook.url), WELL, soon)
    assert webhook.events == ["held_starts_soon"]
    (record,) = webhook.got[0]["records"]
    assert (record["ghl_id"], record["reason"]) == ("g7", "rejected")
    assert record["starts_at"] == "2026-03-02T15:00:00Z"
    assert "syncd retry g7" in record["commands"]
    assert "g7" in webhook.got[0]["text"]
    told = json.dumps(webhook.got[0])
    assert "Ana" not in told
    assert "example.com" not in told


def test_a_webhook_that_is_down_gets_everything_later_in_its_order(
    notifier: NewNotifier, webhook: Any, standing_clock: StandingClock
) -> None:
    notices = notifier(webhook=webhook.url)
    webhook.status = 503
    tell(notices, REFUSED)
    tell(notices, WELL)
    assert webhook.events == ["link_broken"], "what is behind a failure waits for it"
    webhook.status = 200
    tell(notices, WELL)
    assert webhook.events == ["link_broken"], "not before its time"
    standing_clock.tick(notifier_module.PAUSES[0])
    tell(notifier(webhook=webhook.url), WELL)
    assert webhook.events == ["link_broken", "link_broken", "link_recovered"]
    assert webhook.got[0]["id"] == webhook.got[1]["id"]


def test_attempts_grow_seldom_and_a_stale_message_is_given_up(
    notifier: NewNotifier, webhook: Any, store: Store, standing_clock: StandingClock
) -> None:
    notices = notifier(webhook=webhook.url)
    webhook.status = 500
    tell(notices, REFUSED)
    while store.outbox.notifications("clinic"):
        (notification,) = store.outbox.notifications("clinic")
        standing_clock.tick((notification.due_at - standing_clock.now()).total_seconds())
        notices.deliver("clinic")
    assert len(webhook.got) < 200, "an hour between attempts, for seven days"
    webhook.status = 200
    tell(notices, REFUSED)
    assert webhook.got[-1]["event"] == "link_broken"
    assert store.outbox.notifications("clinic") == []


def test_the_address_stands_in_no_line_of_the_log(notifier: NewNotifier) -> None:
    with structlog.testing.capture_logs() as logs:
        tell(notifier(webhook="http://127.0.0.1:9/hooks/hush"), REFUSED)
    assert any(line["event"] == "notification.not_delivered" for line in logs)
    assert "hush" not in repr(logs)


def test_a_command_reads_the_message_and_none_of_our_tokens(
    notifier: NewNotifier, script: Callable[[str], str], tmp_path: Path
) -> None:
    program = script('cat > "$1"; env >> "$1"')
    tell(notifier(command=[program, str(tmp_path / "told")]), REFUSED)
    told = (tmp_path / "told").read_text()
    assert json.JSONDecoder().raw_decode(told)[0]["event"] == "link_broken"
    assert "pit-hush" not in told


def test_a_command_that_fails_is_tried_again(
    notifier: NewNotifier,
    script: Callable[[str], str],
    standing_clock: StandingClock,
    tmp_path: Path,
) -> None:
    flag = tmp_path / "on"
    program = script(f'cat > /dev/null; test -e {flag} || {{ echo "no line" >&2; exit 3; }}')
    notices = notifier(command=program)
    with structlog.testing.capture_logs() as logs:
        tell(notices, REFUSED)
    assert logs[-1]["detail"] == "the command ended with 3: no line"
    flag.touch()
    standing_clock.tick(notifier_module.PAUSES[0])
    assert notices.deliver("clinic") is None


@pytest.mark.parametrize("command", [["/nowhere/page"], "/dev/null"])
def test_a_command_that_cannot_run_stops_nothing(notifier: NewNotifier, command: object) -> None:
    with structlog.testing.capture_logs() as logs:
        tell(notifier(command=command), REFUSED)
    assert "the command cannot be run" in logs[-1]["detail"]


def test_both_ways_are_taken_and_one_does_not_wait_for_the_other(
    notifier: NewNotifier, webhook: Any, script: Callable[[str], str], tmp_path: Path
) -> None:
    webhook.status = 500
    tell(notifier(webhook=webhook.url, command=script(f"cat > {tmp_path / 'told'}")), REFUSED)
    assert json.loads((tmp_path / "told").read_text())["event"] == "link_broken"


def test_what_nobody_wants_any_more_is_not_sent(
    notifier: NewNotifier, webhook: Any, store: Store, standing_clock: StandingClock
) -> None:
    webhook.status = 500
    tell(notifier(webhook=webhook.url), REFUSED)
    standing_clock.tick(notifier_module.PAUSES[0])
    notifier().deliver("clinic")
    assert store.outbox.notifications("clinic") == []
    assert len(webhook.got) == 1


class Forgetful:
    """An outbox that may be away."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox, self.is_away = outbox, False

    def __getattr__(self, name: str) -> Any:
        if self.is_away:
            raise StoreInterrupted("the database is away; it is tried again")
        return getattr(self._outbox, name)


def test_a_break_is_told_once_although_the_store_is_away_and_so_is_its_end(
    notifier: NewNotifier, webhook: Any, store: Store
) -> None:
    notices = notifier(webhook=webhook.url)
    notices._outbox = outbox = Forgetful(store.outbox)
    broken = LinkStatus(link="clinic", state=State.FAULT, detail="the database is away")
    tell(notices, WELL)
    outbox.is_away = True
    with structlog.testing.capture_logs() as logs:
        tell(notices, broken)
        tell(notices, broken)
    assert webhook.events == ["link_broken"]
    assert {"notification.not_queued", "notification.not_sent"} <= {line["event"] for line in logs}
    outbox.is_away = False
    tell(notices, broken)
    assert webhook.events == ["link_broken"]
    tell(notices, WELL)
    tell(notices, WELL)
    assert webhook.events == ["link_broken", "link_recovered"]


def test_nobody_is_asked_where_nobody_is_to_be_told(notifier: NewNotifier) -> None:
    notifier().queue_events(REFUSED, lambda: pytest.fail("the store was asked"))
