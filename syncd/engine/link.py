"""One link as the engine works on it: two sides, a store, rules and a clock.

`bootstrap` wires it; every stage of a cycle takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from syncd.core.model import Side, Window
from syncd.core.policy import Override, Policy
from syncd.core.status import StatusTable
from syncd.engine.workers import RunLanes, side_by_side
from syncd.ports.clock import Clock
from syncd.ports.provider import Provider
from syncd.ports.store import LinkStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the configuration says of a link, before a moment is put to it."""

    template: Policy
    """Everything but the moment: `at` fills in window, now and rulings."""
    past: timedelta
    future: timedelta
    recurring_future: timedelta
    statuses: StatusTable
    statuses_given: bool = False
    """Whether the status tables are the user's own: then a missing value is an error."""
    calendars: frozenset[str] = frozenset()
    """HighLevel calendars to sync; empty for every active one."""
    show_held: bool = False
    """Whether held HubSpot records say why, in a property of their own."""
    rotation: int = 100
    """Known HubSpot records that an incremental cycle re-reads, in turn."""
    look_again: timedelta | None = None
    """How often a cycle that has much to write looks what people did meanwhile; None for never."""

    def at(self, now: datetime, *, first: bool, overrides: Mapping[str, Override]) -> Policy:
        """The rules at one moment."""
        return replace(
            self.template,
            now=now,
            window=Window(since=now - self.past, until=now + self.future),
            series_until=now + self.recurring_future,
            first_sync=first,
            overrides=overrides,
        )


def _always() -> None:
    """The link is ours, as far as anybody knows."""


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Everything that a cycle of one link needs."""

    name: str
    ghl: Provider
    hubspot: Provider
    store: LinkStore
    clock: Clock
    rules: Rules
    check_held: Callable[[], None] = field(default=_always)
    """Raises `errors.LinkLocked` once another syncd holds the link; asked before every write."""
    stopping: Callable[[], bool] = field(default=_never)
    """Whether the process was asked to stop; asked between writes."""
    lanes: RunLanes = field(default=side_by_side)
    """How the two sides are written at the same time."""
    settings_fingerprint: str = ""
    """A digest of the link's configuration: what was refused under another is tried anew."""

    def side(self, side: Side) -> Provider:
        """The provider of that side."""
        return self.ghl if side is Side.GHL else self.hubspot
