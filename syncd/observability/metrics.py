"""The daemon's metrics, in Prometheus' format.

The scheduler tells each cycle's facts, the server asks for the text. A
registry of its own, so that two daemons in one process (tests) do not share
numbers. Labels are links, sides and closed words: never an appointment.
Numbers that grow with time are worked out when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from syncd.core.model import Side
from syncd.observability.state import State
from syncd.observability.traffic import Traffic

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_DELAYS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 900, 3600, 14_400)
_RECEIPTS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600)
_LENGTHS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleFacts:
    """One cycle, as far as it is counted."""

    link: str
    kind: str
    """full | incremental | targeted."""
    outcome: str
    seconds: float = 0.0
    pairs: int = 0
    writes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By (side, action)."""
    failed: Mapping[str, int] = field(default_factory=dict)
    """Writes that will be tried again, by side."""
    held: Mapping[str, int] = field(default_factory=dict)
    """Records that wait, by reason."""
    conflicts: int = 0
    delays: tuple[tuple[str, float], ...] = ()
    """For each write: the side, and seconds from the vendor's stamp of the change to the write."""
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkNow:
    """The values of a link at the moment of a scrape."""

    link: str
    state: State
    good_seconds: float | None
    """Seconds since the last good cycle began, or since the link was taken up where there was none;
    None where another syncd holds it.
    """
    poll_seconds: float
    verified: int | None = None
    """Pairs that were verified in the last 24 hours; None where that is not known yet."""
    oldest_seconds: float | None = None
    """Seconds since the oldest of these verifications."""
    unexplained: int | None = None
    """Pairs whose differences the last audit could not explain."""
    traffic: Mapping[str, Traffic] = field(default_factory=dict)
    """By side."""
    hearing: Mapping[str, str] = field(default_factory=dict)
    """What each side announces, where one is set up to."""


class Metrics:
    """The numbers of one daemon."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        Gauge("syncd_info", "The version that runs.", ["version"], registry=self.registry).labels(
            version
        ).set(1)
        self._cycles = self._counter(
            "syncd_cycles", "Cycles that ended.", "link", "kind", "outcome"
        )
        self._lengths = Histogram(
            "syncd_cycle_seconds",
            "How long cycles took.",
            ["link", "kind"],
            buckets=_LENGTHS,
            registry=self.registry,
        )
        self._writes = self._counter(
            "syncd_writes", "Records written to a side.", "link", "side", "action"
        )
        self._failed = self._counter(
            "syncd_failed_writes", "Writes that failed and are tried again.", "link", "side"
        )
        self._conflicts = self._counter("syncd_conflicts", "Fields changed on both sides.", "link")
        self._delays = Histogram(
            "syncd_propagation_seconds",
            "From the vendor's time stamp of a change to our write on the other side.",
            ["link", "side"],
            buckets=_DELAYS,
            registry=self.registry,
        )
        self._pairs = self._gauge("syncd_pairs", "Known pairs.", "link")
        self._held = self._gauge("syncd_held", "Records that wait, by reason.", "link", "reason")
        self._store_errors = self._counter(
            "syncd_store_errors", "Times that our own store failed.", "link"
        )
        self._leases_lost = self._counter(
            "syncd_lease_losses", "Links lost to another process.", "link"
        )
        self._ticks = self._counter(
            "syncd_missed_ticks", "Ticks that were missed, late or failed.", "job", "what"
        )
        self._states_entered = self._counter(
            "syncd_state_changes", "States that links entered.", "link", "state"
        )
        self._processes = self._gauge(
            "syncd_fleet_processes", "Living processes that share the store."
        )
        self._unheld = self._gauge(
            "syncd_links_unheld", "Links that no process has held for a minute."
        )
        self._journal_age = self._gauge(
            "syncd_journal_age_seconds",
            "Since HubSpot's journal was read last, where this process reads it.",
        )
        self._deliveries = self._counter(
            "syncd_deliveries", "Authentic deliveries that were stored.", "sender"
        )
        self._refused = self._counter(
            "syncd_deliveries_refused", "Deliveries that were refused.", "reason"
        )
        self._announced = self._counter(
            "syncd_announcements", "Changes that a vendor announced.", "link", "side"
        )
        self._received_after = Histogram(
            "syncd_announcement_receipt_seconds",
            "From the vendor's time stamp of a change to the receipt of its announcement.",
            ["side"],
            buckets=_RECEIPTS,
            registry=self.registry,
        )
        self._written_after = Histogram(
            "syncd_announcement_write_seconds",
            "From the receipt of an announcement to our write on the other side.",
            ["side"],
            buckets=_RECEIPTS,
            registry=self.registry,
        )
        self._reasons: dict[str, set[str]] = {}

    def cycle_ended(self, facts: CycleFacts) -> None:
        """Count a cycle."""
        link = facts.link
        self._cycles.labels(link, facts.kind, facts.outcome).inc()
        self._lengths.labels(link, facts.kind).observe(facts.seconds)
        for (side, action), count in facts.writes.items():
            self._writes.labels(link, side, action).inc(count)
        for side, count in facts.failed.items():
            self._failed.labels(link, side).inc(count)
        self._conflicts.labels(link).inc(facts.conflicts)
        for side, seconds in facts.delays:
            self._delays.labels(link, side).observe(max(0.0, seconds))
        if facts.outcome in {"ok", "failed_writes", "guard"}:
            self._waiting_now(facts)

    def _waiting_now(self, facts: CycleFacts) -> None:
        """Only a cycle that went through knows how many there are."""
        self._pairs.labels(facts.link).set(facts.pairs)
        known = self._reasons.setdefault(facts.link, set())
        known |= set(facts.held)
        for reason in known:
            self._held.labels(facts.link, reason).set(facts.held.get(reason, 0))

    def forget(self, link: str) -> None:
        """The link is another process's: what is known of it now is told there."""
        for each in (self._pairs, self._held):
            each.remove_by_labels({"link": link})
        self._reasons.pop(link, None)

    def delivery_taken(self, sender: str) -> None:
        """A delivery was authentic and is stored."""
        self._deliveries.labels(sender).inc()

    def delivery_refused(self, reason: str) -> None:
        """A delivery was refused."""
        self._refused.labels(reason).inc()

    def refusals_from_zero(self, reasons: Iterable[str]) -> None:
        """Show each reason with a zero: an alert looks at its growth, and would miss the first."""
        for reason in reasons:
            self._refused.labels(reason)

    def announced(self, link: str, side: str, delay: float | None) -> None:
        """A change was announced, so many seconds after the vendor's stamp where it has one."""
        self._announced.labels(link, side).inc()
        if delay is not None:
            self._received_after.labels(side).observe(max(0.0, delay))

    def announcement_written(self, side: str, seconds: float) -> None:
        """What a side announced was written to the other one so long after its receipt."""
        self._written_after.labels(side).observe(max(0.0, seconds))

    def fleet_seen(self, processes: int, unheld: int) -> None:
        """How many processes share the store, and how many links none of them holds."""
        self._processes.set(processes)
        self._unheld.set(unheld)

    def journal_seen(self, age: float | None) -> None:
        """How long ago the journal was read; None where another process reads it."""
        self._journal_age.set(age or 0.0)

    def store_failed(self, link: str) -> None:
        """Our own store could not be used."""
        self._store_errors.labels(link).inc()

    def lease_lost(self, link: str) -> None:
        """Another process has a link that was ours."""
        self._leases_lost.labels(link).inc()

    def tick_missed(self, job: str, what: str) -> None:
        """A tick of the scheduler did not go as planned."""
        self._ticks.labels(job, what).inc()

    def state_entered(self, link: str, state: State) -> None:
        """A link's state changed."""
        self._states_entered.labels(link, state.value).inc()
        # Alerts look at the growth of these: without a zero the first one would be missed.
        for side in Side:
            self._failed.labels(link, side.value)
        for each in (self._conflicts, self._store_errors):
            each.labels(link)

    def watch(self, read: Callable[[], Iterable[LinkNow]]) -> None:
        """Ask this whenever somebody scrapes."""
        self.registry.register(_Now(read))

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self.registry)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(name, what, labels, registry=self.registry)

    def _gauge(self, name: str, what: str, *labels: str) -> Gauge:
        return Gauge(name, what, labels, registry=self.registry)


class _Now(Collector):
    """What is worked out at each scrape."""

    def __init__(self, read: Callable[[], Iterable[LinkNow]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """One family after another."""
        links = list(self._read())
        yield from _states(links)
        yield from _trust(links)
        yield from _wires(links)
        yield _deaf(links)

    def describe(self) -> Iterator[Metric]:
        """The names alone, so that registering asks no link."""
        yield from _states([])
        yield from _trust([])
        yield from _wires([])
        yield _deaf([])


def _states(links: list[LinkNow]) -> Iterator[Metric]:
    since = GaugeMetricFamily(
        "syncd_seconds_since_good_cycle",
        "Seconds since the last good cycle began, or since the start where there was none.",
        labels=["link"],
    )
    state = GaugeMetricFamily(
        "syncd_link_state", "1 for the state that the link is in.", labels=["link", "state"]
    )
    poll = GaugeMetricFamily(
        "syncd_poll_interval_seconds", "The interval that is kept.", labels=["link"]
    )
    for each in links:
        if each.good_seconds is not None:
            since.add_metric([each.link], each.good_seconds)
        for word in State:
            state.add_metric([each.link, word.value], float(word is each.state))
        poll.add_metric([each.link], each.poll_seconds)
    yield from (since, state, poll)


def _trust(links: list[LinkNow]) -> Iterator[Metric]:
    gauges: dict[str, tuple[str, Callable[[LinkNow], float | None]]] = {
        "syncd_verified_pairs": (
            "Pairs that were verified in the last 24 hours.",
            lambda link: link.verified,
        ),
        "syncd_oldest_verification_seconds": (
            "Seconds since the oldest of these verifications.",
            lambda link: link.oldest_seconds,
        ),
        "syncd_unexplained_pairs": (
            "Pairs whose differences the last audit could not explain.",
            lambda link: link.unexplained,
        ),
    }
    for name, (what, read) in gauges.items():
        gauge = GaugeMetricFamily(name, what, labels=["link"])
        for each in links:
            if (found := read(each)) is not None:
                gauge.add_metric([each.link], found)
        yield gauge


def _deaf(links: list[LinkNow]) -> Metric:
    found = GaugeMetricFamily(
        "syncd_deaf",
        "1 where a side does not announce what polls find, 0 where it does.",
        labels=["link", "side"],
    )
    for each in links:
        for side, word in each.hearing.items():
            if word in {"heard", "deaf"}:
                found.add_metric([each.link, side], float(word == "deaf"))
    return found


def _wires(links: list[LinkNow]) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "syncd_requests",
        "Requests sent, by the status of the answer.",
        labels=["link", "provider", "status"],
    )
    throttled = CounterMetricFamily(
        "syncd_throttled_seconds",
        "Seconds that requests to the account waited for their turn.",
        labels=["link", "provider"],
    )
    left = GaugeMetricFamily(
        "syncd_rate_budget_left",
        "Requests that may be sent to the account at once.",
        labels=["link", "provider"],
    )
    daily = GaugeMetricFamily(
        "syncd_daily_budget_left",
        "Requests left of the account's day, where the vendor tells.",
        labels=["link", "provider"],
    )
    share = GaugeMetricFamily(
        "syncd_daily_budget_share",
        "The part of the account's day that is left, 0 to 1, where the vendor tells.",
        labels=["link", "provider"],
    )
    for each in links:
        for side, wire in each.traffic.items():
            for status, count in wire.answers.items():
                requests.add_metric([each.link, side, status], count)
            throttled.add_metric([each.link, side], wire.budget.throttled_seconds)
            left.add_metric([each.link, side], wire.budget.left)
            if wire.budget.daily_left is not None:
                daily.add_metric([each.link, side], wire.budget.daily_left)
                if wire.budget.daily:
                    share.add_metric([each.link, side], wire.budget.daily_left / wire.budget.daily)
    yield from (requests, throttled, left, daily, share)
