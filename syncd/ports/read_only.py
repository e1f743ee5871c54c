"""A side that is read and never written: what an audit and a recording work on.

Every reading goes to the provider behind it; subclasses keep or replace what
comes back. A write is a bug, and is refused before anything is sent.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from syncd.core.model import Account, Contact, Missing, Scan, Side, Snapshot
from syncd.errors import ProviderError
from syncd.ports.provider import (
    NO_CHECKS,
    Edit,
    NextPoll,
    Provider,
    Reading,
    Receipt,
    ScanRequest,
    WriteChecks,
    WriteCommand,
)


class ReadOnly(Provider):
    """The readings of another provider."""

    def __init__(self, inner: Provider) -> None:
        self.inner = inner

    @property
    def side(self) -> Side:
        """See `Provider.side`."""
        return self.inner.side

    @property
    def requests(self) -> int:
        """See `Provider.requests`."""
        return self.inner.requests

    @property
    def skew_seconds(self) -> float | None:
        """See `Provider.skew_seconds`."""
        return self.inner.skew_seconds

    def prepare(self, *, cached: bool = False) -> Account:
        """See `Provider.prepare`."""
        return self.inner.prepare(cached=cached)

    def scan(self, request: ScanRequest) -> Scan:
        """See `Provider.scan`."""
        return self.inner.scan(request)

    def fetch(self, ids: Collection[str]) -> Mapping[str, Snapshot | Missing]:
        """See `Provider.fetch`."""
        return self.inner.fetch(ids)

    def reread(self, ids: Collection[str]) -> Reading:
        """See `Provider.reread`."""
        return self.inner.reread(ids)

    def find_by_external_id(self, ghl_ids: Collection[str]) -> Mapping[str, Snapshot | Missing]:
        """See `Provider.find_by_external_id`."""
        return self.inner.find_by_external_id(ghl_ids)

    def contacts(self, ids: Collection[str]) -> Mapping[str, Contact | ProviderError]:
        """See `Provider.contacts`."""
        return self.inner.contacts(ids)

    def find_contacts(
        self, emails: Collection[str], phones: Collection[str]
    ) -> Mapping[str, tuple[Contact, ...] | ProviderError]:
        """See `Provider.find_contacts`."""
        return self.inner.find_contacts(emails, phones)

    def create_contacts(self, contacts: Sequence[Contact]) -> Sequence[Contact | ProviderError]:
        """Refused: nothing is written."""
        raise AssertionError(f"{len(contacts)} contacts would be created by a reading")

    def reserve(self, poll: NextPoll | None, *, spare: int = 0) -> None:
        """Nothing is written, so nothing has to be kept for a poll."""

    def write(
        self,
        commands: Iterable[WriteCommand],
        checks: WriteChecks = NO_CHECKS,  # noqa: ARG002 - the port
    ) -> Iterator[Receipt]:
        """Refused: nothing is written."""
        for command in commands:
            raise AssertionError(f"{command.kind} would be sent by a reading")
        yield from ()

    def write_notes(self, notes: Mapping[str, str]) -> Mapping[str, Receipt]:  # noqa: ARG002
        """Nothing is written."""
        return {}

    def edits(self, ids: Collection[str]) -> Mapping[str, tuple[Edit, ...]]:
        """See `Provider.edits`."""
        return self.inner.edits(ids)

    def bookings_of(self, contact: str, starts: Collection[datetime] = ()) -> tuple[Snapshot, ...]:
        """See `Provider.bookings_of`."""
        return self.inner.bookings_of(contact, starts)

    def linked_to(
        self, contacts: Collection[str]
    ) -> tuple[Mapping[str, Collection[str]], Mapping[str, ProviderError]]:
        """See `Provider.linked_to`."""
        return self.inner.linked_to(contacts)

    def close(self) -> None:
        """The provider behind it is closed by its owner."""
