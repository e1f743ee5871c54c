"""What the notices ask of the store: what was told already, and what still has to be sent.

`syncd.notifications` calls this; `syncd.store` implements it over SQLAlchemy. Every
method is one short transaction and may raise `errors.StoreError`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One message on its way through one channel."""

    id: int = 0
    channel: str
    """webhook, command, or the place of an address of Apprise."""
    body: Mapping[str, object]
    """What is sent: JSON values only."""
    made_at: datetime
    attempts: int = 0
    due_at: datetime
    """Not to be sent before this instant (UTC)."""


class Outbox(Protocol):
    """The memory of the notices: of what was told, and what waits to be sent."""

    def told(self, link: str) -> frozenset[str]:
        """The events of a link that go on and were told, by their keys."""
        ...

    def write(
        self,
        link: str,
        notifications: Sequence[Notification],
        *,
        told: Collection[str],
        over: Collection[str],
    ) -> None:
        """Queue letters, and remember what they tell and what is over, all at once."""
        ...

    def notifications(self, link: str) -> list[Notification]:
        """What waits to be sent, in the order in which it was queued."""
        ...

    def put_off(self, notification: Notification) -> None:
        """Keep how often it was tried, and when it is due again."""
        ...

    def drop(self, notification: Notification) -> None:
        """It was sent, or never will be."""
        ...


__all__ = ["Notification", "Outbox"]
