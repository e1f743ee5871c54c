"""Hears every change of a world, and announces it as the vendors do.

A Marketplace app's event is delivered on its own, HubSpot's are gathered into batches; both by
threads of its own, which end with `close`. The journal keeps what its subscriptions ask for.
Delivery numbers count from 1.
"""

from __future__ import annotations

import json
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Event, Lock, Timer
from typing import TYPE_CHECKING, Any

from syncd.sandbox.announcing.changes import GhlChange, HubspotChange
from syncd.sandbox.announcing.payloads import app_event, pushed_events, workflow_body
from syncd.sandbox.announcing.rules import Rules
from syncd.sandbox.announcing.sending import post
from syncd.sandbox.announcing.signing import ghl_signature, hubspot_signature
from syncd.sandbox.hubspot.journal import Journal
from syncd.sandbox.timestamps import epoch_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from syncd.sandbox.http import JsonObject
    from syncd.sandbox.ids import Ids
    from syncd.sandbox.settings import SandboxSettings

_BATCH = 100
"""HubSpot puts at most so many events into a delivery."""
_SHOWN = 10_000
"""Deliveries that are remembered."""
_AT_ONCE = 10
"""Deliveries under way at the same time."""


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One delivery, and what became of it."""

    number: int
    side: str
    path: str
    body: str
    answers: list[int | str] = field(default_factory=list)
    """The status of each try, or why there was none."""
    lost: bool = False


class Announcer:
    """One world's announcements."""

    def __init__(
        self,
        now: Callable[[], datetime],
        settings: Callable[[], SandboxSettings],
        ids: Ids,
        portal: int,
    ) -> None:
        self._now, self._settings, self._ids, self._portal = now, settings, ids, portal
        self.rules = Rules()
        self.journal = Journal(now, portal)
        self.deliveries: deque[Delivery] = deque(maxlen=_SHOWN)
        self._made = 0
        self.post = post
        """Sends; a test may put its own here: (address, headers, body) to status."""
        self._by_api = False
        self._gathered: list[JsonObject] = []
        self._events = 3_010_000
        self._guard = Lock()
        self._stopping = Event()
        self._pool: ThreadPoolExecutor | None = None

    @property
    def active(self) -> bool:
        """Whether anybody hears: if not, nothing needs to be told."""
        return bool(self.rules.url) or self.journal.active

    @contextmanager
    def through_api(self) -> Iterator[None]:
        """Everything that changes in this block was changed through the API, not by people."""
        before, self._by_api = self._by_api, True
        try:
            yield
        finally:
            self._by_api = before

    def took_place(self, change: GhlChange | HubspotChange) -> None:
        """Announces a change; called under the world's lock, never waits."""
        if isinstance(change, HubspotChange):
            self.journal.took_place(change)
        if not self.rules.url or (self._by_api and not self.rules.echoes):
            return
        if isinstance(change, GhlChange):
            self._tell_highlevel(change)
        elif self.rules.hubspot == "webhooks":
            self._tell_hubspot(change)

    def deliver(self, side: str, payload: Any) -> Delivery:
        """Sends an event of anybody's making: a HighLevel event, or a list of HubSpot's.

        Raises:
            ValueError: no address is set.
        """
        if not self.rules.url:
            raise ValueError("no address is set: PUT /control/announcements with url first")
        path = "/hooks/crm" if side == "hubspot" else "/hooks/calendars"
        return self._put(side, path, payload)

    def resend(self, number: int) -> Delivery:
        """Sends a delivery once more, with the same body.

        Raises:
            KeyError: there is no such delivery.
        """
        found = next((each for each in self.deliveries if each.number == number), None)
        if found is None:
            raise KeyError(number)
        self._start(found)
        return found

    def flush(self) -> None:
        """Delivers what was gathered."""
        with self._guard:
            events, self._gathered = self._gathered, []
        if self.rules.backwards:
            events.reverse()
        while events:
            batch, events = events[:_BATCH], events[_BATCH:]
            strangers = [
                event | {"portalId": 99_000_000 + number}
                for number, event in zip(range(self.rules.strangers), batch * 100, strict=False)
            ]
            self._put("hubspot", "/hooks/crm", [*strangers, *batch])

    def close(self) -> None:
        """Drops what has not been sent yet; a later change is announced again."""
        self._stopping.set()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool, self._stopping = None, Event()

    # HighLevel and HubSpot.

    def _tell_highlevel(self, change: GhlChange) -> None:
        rules = self.rules
        if rules.highlevel == "workflow":
            # No trigger for deletions, nor for contacts.
            if change.type in {"AppointmentCreate", "AppointmentUpdate"}:
                self._put("ghl", f"/hooks/calendars/{rules.link}", workflow_body(change))
        elif rules.highlevel == "app":
            app = self._settings().ghl_client_id.partition("-")[0]
            event = app_event(
                change,
                app,
                self._ids.trace(),
                wrong_type=rules.wrong_types,
                wrapped=rules.wrapped,
            )
            self._put("ghl", "/hooks/calendars", event)

    def _tell_hubspot(self, change: HubspotChange) -> None:
        if change.action == "UPDATE" and self.rules.properties:
            wanted = self.rules.properties
            values = {name: text for name, text in change.values.items() if name in wanted}
            change = replace(change, values=values)
        events = list(pushed_events(change, self._portal, self._events, by_app=self._by_api))
        self._events += len(events)
        with self._guard:
            waiting = bool(self._gathered)
            self._gathered += events
        if not self.rules.gather:
            self.flush()
        elif not waiting and events:
            timer = Timer(self.rules.gather, self.flush)
            timer.daemon = True
            timer.start()

    # Sending.

    def _put(self, side: str, path: str, payload: Any) -> Delivery:
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
        with self._guard:
            number = self._made = self._made + 1
            lose = self.rules.lose
            lost = bool(lose) and number % lose == 0
            made = Delivery(number=number, side=side, path=path, body=body, lost=lost)
            self.deliveries.append(made)
        if not lost:
            for _ in range(self.rules.copies):
                self._start(made)
        return made

    def _start(self, delivery: Delivery) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="sandbox-announcing")
        self._pool.submit(self._send, delivery, self.rules, self._stopping)

    def _send(self, delivery: Delivery, rules: Rules, stopping: Event) -> None:
        pause = rules.delay
        for _ in range(rules.tries):
            if stopping.wait(pause):
                return
            body = delivery.body.encode()
            answer = self.post(
                rules.url + delivery.path, self._headers(delivery, body, rules), body
            )
            delivery.answers.append(answer)
            if isinstance(answer, int) and 200 <= answer < 300:
                return
            pause = rules.retry_after

    def _headers(self, delivery: Delivery, body: bytes, rules: Rules) -> dict[str, str]:
        common = {"Content-Type": "application/json"}
        if delivery.side == "hubspot":
            # A retry is a new request with a new stamp.
            stamp = epoch_ms(self._now())
            secret = "somebody else's" if rules.forged else self._settings().hubspot_client_secret
            address = (rules.public_url or rules.url) + delivery.path
            return common | {
                "X-HubSpot-Request-Timestamp": str(stamp),
                "X-HubSpot-Signature-v3": hubspot_signature(secret, address, body, stamp),
            }
        if delivery.path != "/hooks/calendars":
            secret = "somebody else's" if rules.forged else rules.hook_secret
            return common | {"X-Syncd-Secret": secret, "User-Agent": "axios/0.21.4"}
        return common | {"X-GHL-Signature": ghl_signature(body, forged=rules.forged)}
