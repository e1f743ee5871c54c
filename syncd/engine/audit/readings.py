"""Both sides as an audit read them: each list once, with what was read again since."""

from __future__ import annotations

from dataclasses import replace

from syncd.core.model import Account, Missing, Scan, Snapshot
from syncd.ports.provider import Provider, ScanRequest
from syncd.ports.read_only import ReadOnly


class AuditedSide(ReadOnly):
    """One side; whoever reads it whole again gets the same list, with the newer readings in it."""

    def __init__(self, inner: Provider) -> None:
        super().__init__(inner)
        self.newer: dict[str, Snapshot | Missing] = {}
        """Records that were read by id after the list, by id."""
        self._account: Account | None = None
        self._scan: Scan | None = None

    def prepare(self, *, cached: bool = False) -> Account:
        """The account, read once."""
        if self._account is None:
            self._account = self.inner.prepare(cached=cached)
        return self._account

    def scan(self, request: ScanRequest) -> Scan:
        """The whole list, read once."""
        if self._scan is None:
            self._scan = self.inner.scan(request)
        newer = self.newer
        if not newer:
            return self._scan
        listed = tuple(each for each in self._scan.snapshots if each.id not in newer)
        again = tuple(each for each in newer.values() if isinstance(each, Snapshot))
        return replace(self._scan, snapshots=(*listed, *again))
