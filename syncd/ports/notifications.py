"""The outbox of notifications: which events are announced, and what still has to be sent.

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
    """The message: JSON values only."""
    made_at: datetime
    attempts: int = 0
    due_at: datetime
    """Not to be sent before this instant (UTC)."""


class Outbox(Protocol):
    """Stores the announced events, and the notifications that wait to be sent."""

    def announced(self, link: str) -> frozenset[str]:
        """The keys of the link's announced events that have not ended."""
        ...

    def write(
        self,
        link: str,
        notifications: Sequence[Notification],
        *,
        announced: Collection[str],
        ended: Collection[str],
    ) -> None:
        """Queue notifications, and store announced and ended events, in one transaction."""
        ...

    def notifications(self, link: str) -> list[Notification]:
        """The notifications that wait to be sent, in the order in which they were queued."""
        ...

    def reschedule(self, notification: Notification) -> None:
        """Store the number of attempts, and when it is due again."""
        ...

    def drop(self, notification: Notification) -> None:
        """It was sent, or never will be."""
        ...


__all__ = ["Notification", "Outbox"]
