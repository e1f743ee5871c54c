"""Messages through Apprise: one channel an address, and no address in the log."""

import logging
from collections.abc import Callable
from pathlib import Path
from time import monotonic  # noqa: TID251 - the real time is what this is about
from typing import Any

import pytest
import structlog
from stores import StandingClock

from syncd.core.model import Hold
from syncd.notifications import LinkStatus, Notifier, channels
from syncd.notifications import notifier as notifier_module
from syncd.notifications.channels import Apprise, Undelivered
from syncd.observability.redaction import redact
from syncd.observability.state import State

NewNotifier = Callable[..., Notifier]
REFUSED = LinkStatus(link="clinic", state=State.REFUSED, detail="HighLevel: the token is expired")
WELL = LinkStatus(link="clinic", state=State.OK)
BODY = {"event": "link_broken", "text": "syncd: link clinic\nsee `syncd doctor`"}
SECRET = "hush-7Zq9"
DEAD = f"json://user:{SECRET}@127.0.0.1:9/{SECRET}?+X-Token={SECRET}"


def tell(notifier: Notifier, status: LinkStatus, *holds: Hold) -> None:
    notifier.queue_events(status, lambda: list(holds))
    notifier.deliver("clinic")


def through(webhook: Any) -> str:
    """The receiver's address as Apprise writes it."""
    return str(webhook.url).replace("http://", f"json://user:{SECRET}@")


def received(webhook: Any) -> list[tuple[str, str]]:
    return [(each["type"], each["title"]) for each in webhook.got]


def test_an_event_arrives_with_a_title_its_text_and_how_urgent_it_is(
    notifier: NewNotifier, webhook: Any
) -> None:
    notices = notifier(urls=[through(webhook)])
    for status in (WELL, REFUSED, REFUSED, WELL, WELL):
        tell(notices, status)
    tell(notices, LinkStatus(link="clinic", state=State.GUARD, detail="9 removals"))
    assert [kind for kind, _ in received(webhook)] == ["failure", "success", "warning"]
    broken, recovered, guard = webhook.got
    assert broken["title"].startswith("syncd: link clinic: ")
    assert "the token is expired" in broken["message"]
    assert broken["title"] not in broken["message"]
    assert recovered["message"] == recovered["title"]
    assert "--allow-removals" in guard["message"]


def test_an_address_is_a_channel_of_its_own(
    notifier: NewNotifier, webhook: Any, standing_clock: StandingClock, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.write_text(DEAD)
    kept.chmod(0o600)
    settings = {"urls": [{"file": str(kept)}, through(webhook)]}
    for status in (REFUSED, WELL):
        tell(notifier(**settings), status)
    assert [kind for kind, _ in received(webhook)] == ["failure", "success"], "the other one failed"
    kept.write_text(through(webhook))
    standing_clock.tick(notifier_module.PAUSES[0])
    tell(notifier(**settings), WELL)
    assert [kind for kind, _ in received(webhook)] == ["failure", "success"] * 2, "in its own order"
    tell(notifier(**settings), WELL)
    assert len(webhook.got) == 4, "a restart repeats nothing"


@pytest.mark.parametrize("url", [DEAD, f"nosuch://{SECRET}", f"json://{SECRET}:0/%%", "mailto://x"])
def test_an_address_that_fails_stands_in_no_line(
    notifier: NewNotifier,
    url: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as logs:
        tell(notifier(urls=[url]), REFUSED)
    assert [line["channel"] for line in logs if line["event"] == "notification.not_delivered"] == [
        "urls[0]"
    ]
    for lines in (repr(logs), caplog.text, "".join(capfd.readouterr())):
        assert SECRET not in lines
    assert SECRET not in redact(f"somebody else says {url}")


@pytest.mark.parametrize("status", [403, 500])
def test_what_the_service_answered_is_said_without_its_address(webhook: Any, status: int) -> None:
    webhook.status = status
    with pytest.raises(Undelivered) as refused:
        Apprise(through(webhook), {}).send(BODY)
    words = f"Apprise could not deliver it: the service answered {status}: check the address"
    assert str(refused.value) == words


def test_an_address_that_apprise_does_not_know_is_told_as_that() -> None:
    with pytest.raises(Undelivered, match="knows no service with such an address"):
        Apprise("nosuch://there", {}).send(BODY)


def test_a_service_that_hangs_has_an_end(webhook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "COMMAND_TIMEOUT", 0.2)
    began = monotonic()
    with pytest.raises(Undelivered, match=r"Apprise took longer than 0\.2 s"):
        Apprise(through(webhook), {}).send(BODY)
    assert monotonic() - began < 10.0


def test_apprise_sees_none_of_our_tokens() -> None:
    env = {"PATH": "/bin", "GHL_TOKEN": "pit-hush-hush", "https_proxy": "http://proxy.example.com"}
    assert Apprise(DEAD, env)._env == {k: v for k, v in env.items() if k != "GHL_TOKEN"}
