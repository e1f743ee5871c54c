"""What a cycle reads, kept on its way: from both providers and from the store.

`record` runs a dry cycle on these. Nothing is kept of how a vendor was asked:
the values that the engine got are the recording.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from syncd.core.model import Account, Contact, Missing, Scan, Side, Snapshot
from syncd.errors import SyncdError
from syncd.ports.clock import Clock
from syncd.ports.provider import Edit, Provider, ScanRequest
from syncd.ports.read_only import ReadOnly
from syncd.ports.store import HistoryEntry, LinkStore
from syncd.recording.values import dump, dump_error, dump_seen

Line = dict[str, Any]
"""One line of a recording: `part` says what it is."""


class FrozenClock:
    """A clock whose wall time stands still: everything in a cycle happens at one instant."""

    def __init__(self, now: datetime, inner: Clock | None = None) -> None:
        self._now, self._inner = now, inner

    def now(self) -> datetime:
        """The instant."""
        return self._now

    def monotonic(self) -> float:
        """Real seconds, where there is a real clock."""
        return self._inner.monotonic() if self._inner else 0.0

    def sleep(self, seconds: float) -> None:
        """A real pause, where there is a real clock."""
        if self._inner:
            self._inner.sleep(seconds)


class RecordedSide(ReadOnly):
    """One side; every answer becomes a line."""

    def __init__(self, inner: Provider, lines: list[Line]) -> None:
        super().__init__(inner)
        self._lines = lines

    def _keep(self, part: str, **more: Any) -> None:
        self._lines.append({"part": part, "side": self.side.value, **more})

    @contextmanager
    def _errors(self, part: str, key: str = "") -> Iterator[None]:
        try:
            yield
        except SyncdError as error:
            self._keep(part, key=key, value=dump_error(error))
            raise

    def prepare(self, *, cached: bool = False) -> Account:
        """See `Provider.prepare`."""
        with self._errors("account"):
            account = self.inner.prepare(cached=cached)
        self._keep("account", value=dump(Account, account))
        return account

    def scan(self, request: ScanRequest) -> Scan:
        """See `Provider.scan`."""
        with self._errors("scan"):
            scan = self.inner.scan(request)
        frame = dump(Scan, scan)
        frame.pop("snapshots", None)
        self._keep("scan", value=frame)
        for each in scan.snapshots:
            self._keep("listed", value=dump(Snapshot, each))
        return scan

    def fetch(self, ids: Collection[str]) -> Mapping[str, Snapshot | Missing]:
        """See `Provider.fetch`."""
        with self._errors("failed", "fetch"):
            found = self.inner.fetch(ids)
        for record_id, seen in found.items():
            self._keep("fetched", id=record_id, value=dump_seen(seen))
        return found

    def find_by_external_id(self, ghl_ids: Collection[str]) -> Mapping[str, Snapshot | Missing]:
        """See `Provider.find_by_external_id`."""
        with self._errors("failed", "carriers"):
            found = self.inner.find_by_external_id(ghl_ids)
        for ghl_id, seen in found.items():
            self._keep("carrier", ghl_id=ghl_id, value=dump_seen(seen))
        return found

    def contacts(self, ids: Collection[str]) -> Mapping[str, Contact | Any]:
        """See `Provider.contacts`."""
        with self._errors("failed", "contacts"):
            found = self.inner.contacts(ids)
        for contact_id, seen in found.items():
            self._keep("contact", id=contact_id, value=_contact(seen))
        return found

    def find_contacts(
        self, emails: Collection[str], phones: Collection[str]
    ) -> Mapping[str, tuple[Contact, ...] | Any]:
        """See `Provider.find_contacts`."""
        with self._errors("failed", "addresses"):
            found = self.inner.find_contacts(emails, phones)
        for address, people in found.items():
            value = (
                dump_error(people)
                if isinstance(people, SyncdError)
                else [_contact(each) for each in people]
            )
            self._keep("address", address=address, value=value)
        return found

    def edits(self, ids: Collection[str]) -> Mapping[str, tuple[Edit, ...]]:
        """See `Provider.edits`."""
        with self._errors("failed", "edits"):
            found = self.inner.edits(ids)
        for record_id, edits in found.items():
            self._keep("edits", id=record_id, value=[dump(Edit, each) for each in edits])
        return found

    def bookings_of(self, contact: str, starts: Collection[datetime] = ()) -> tuple[Snapshot, ...]:
        """See `Provider.bookings_of`."""
        try:
            found = self.inner.bookings_of(contact, starts)
        except SyncdError as error:
            self._keep("bookings", contact=contact, value=dump_error(error))
            raise
        value = [dump(Snapshot, each) for each in found]
        self._keep("bookings", contact=contact, value=value)
        return found

    def linked_to(
        self, contacts: Collection[str]
    ) -> tuple[Mapping[str, Collection[str]], Mapping[str, Any]]:
        """See `Provider.linked_to`."""
        with self._errors("failed", "linked"):
            found, failed = self.inner.linked_to(contacts)
        for contact, ids in found.items():
            self._keep("linked", contact=contact, value=sorted(ids))
        for contact, error in failed.items():
            self._keep("linked", contact=contact, value=dump_error(error))
        return found, failed


def _contact(seen: Contact | SyncdError) -> Any:
    return dump_error(seen) if isinstance(seen, SyncdError) else dump(Contact, seen)


class RecordedStore:
    """The store of a link; what is asked beside its pairs becomes a line."""

    def __init__(self, inner: LinkStore, lines: list[Line]) -> None:
        self._inner, self._lines = inner, lines
        self._asked: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get_state(self, name: str) -> str:
        """A state; kept once."""
        value = self._inner.get_state(name)
        if name not in self._asked:
            self._asked.add(name)
            held = json.loads(value) if value[:1] in {"[", "{"} else value
            self._lines.append({"part": "state", "key": name, "state": held})
        return value

    def contact_pairs(self, side: Side, ids: Collection[str]) -> Mapping[str, str]:
        """Known contacts."""
        found = self._inner.contact_pairs(side, ids)
        ordered = ((a, b) if side is Side.GHL else (b, a) for a, b in found.items())
        for ghl_id, hubspot_id in ordered:
            self._lines.append({"part": "person", "ghl_id": ghl_id, "hubspot_id": hubspot_id})
        return found

    def removals_since(self, at: datetime) -> int:
        """Removals of the last day."""
        count = self._inner.removals_since(at)
        self._lines.append({"part": "removals", "count": count})
        return count

    def writes_since(self, at: datetime, pair_keys: Collection[int]) -> Sequence[HistoryEntry]:
        """Field writes of the last hour."""
        found = self._inner.writes_since(at, pair_keys)
        self._lines += [{"part": "write", "value": dump(HistoryEntry, each)} for each in found]
        return found

    def history(
        self, record_id: str = "", *, cycle: str = "", limit: int = 0
    ) -> list[HistoryEntry]:
        """What is to be undone."""
        found = self._inner.history(record_id, cycle=cycle, limit=limit)
        self._lines += [{"part": "past", "value": dump(HistoryEntry, each)} for each in found]
        return found
