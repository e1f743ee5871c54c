"""What connecting and renewing both begin with: the store, the app, the key, the endpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from syncd.connections.cipher import Cipher
from syncd.connections.endpoint import TokenEndpoint
from syncd.connections.vendors import App, Vendor
from syncd.ports.clock import Clock
from syncd.store.connections import SqlConnections


def _tells_nobody(secret: str, replaced: str) -> None:
    del secret, replaced


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """`app`, `cipher` and `endpoint` read the configuration as it is now, and raise ConfigError."""

    store: SqlConnections
    clock: Clock
    app: Callable[[Vendor], App]
    cipher: Callable[[], Cipher]
    endpoint: Callable[[App], TokenEndpoint]
    secret: Callable[[str, str], None] = _tells_nobody
    """Told every secret before it is used, and the one that it replaces ("" for none)."""
