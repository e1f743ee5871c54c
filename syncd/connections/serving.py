"""Which row of the store serves a location, an agency or an account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from syncd.connections.refusals import refusal_of, taken_away
from syncd.connections.services import Services
from syncd.connections.vendors import Kind, Vendor
from syncd.errors import AuthFailed, ConfigError
from syncd.store.connections import StoredConnection


class Serving:
    """Finds rows.

    Every method raises ConfigError where nobody has connected it or another app did,
    AuthFailed where it is refused, StoreError where the store cannot be used.
    """

    def __init__(self, services: Services) -> None:
        self._store, self._app = services.store, services.app

    def row(self, vendor: Vendor, account: str) -> StoredConnection:
        """That of a location or account: its own before its agency's."""
        rows = self._store.of(vendor, account)
        own = next((row for row in rows if row.kind in {Kind.LOCATION, Kind.ACCOUNT}), None)
        if own is not None:
            return self.usable(own)
        agencies = self.agencies() if vendor is Vendor.HIGHLEVEL else []
        if not agencies:
            what = "location" if vendor is Vendor.HIGHLEVEL else "HubSpot account"
            problem = f"{what} {account} is not connected: run `syncd connect {vendor}`"
            raise ConfigError([problem])
        minted = next((row for row in rows if row.kind == Kind.MINTED), None)
        agency = self.usable(_agency_of(minted, agencies))
        if minted is None:
            fields = {"company": agency.account}
            minted = self._store.save(vendor, Kind.MINTED, account, fields=fields, renew=False)
        if minted.uninstalled(max(agency.connected_at, agency.installed_at or agency.connected_at)):
            raise AuthFailed(taken_away(minted), side=vendor.side)
        return minted

    def agencies(self) -> list[StoredConnection]:
        """Those of every agency, refused ones included."""
        return [row for row in self._store.all(Vendor.HIGHLEVEL) if row.kind == Kind.AGENCY]

    def agency(self, company: str) -> StoredConnection:
        """That of an agency."""
        for row in self.agencies():
            if row.account == company:
                return self.usable(row)
        raise ConfigError([f"agency {company} is not connected: run `syncd connect highlevel`"])

    def still(self, key: int) -> StoredConnection:
        """That of an id."""
        row = self._store.get(key)
        if row is None:
            raise ConfigError([f"connection {key} was forgotten"])
        return self.usable(row)

    def usable(self, row: StoredConnection) -> StoredConnection:
        """The row, where it was made with our app and is not refused."""
        vendor = Vendor(row.vendor)
        app = self._app(vendor)
        if row.client_id and app.id != replace(app, client_id=row.client_id).id:
            problem = (
                f"apps.{vendor}.client_id: connection {row.id} was made with another app; put its "
                f"client id there, or run `syncd connect {vendor}` again"
            )
            raise ConfigError([problem])
        if row.refused:
            raise AuthFailed(refusal_of(row), side=vendor.side)
        return row


def _agency_of(
    minted: StoredConnection | None, agencies: Sequence[StoredConnection]
) -> StoredConnection:
    """The agency that a location's token came from, else the first that may give one."""
    if minted is not None and minted.access:
        for agency in agencies:
            if agency.account == minted.company:
                return agency
    return next((agency for agency in agencies if not agency.refused), agencies[0])
