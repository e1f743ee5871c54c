"""The mapping store over SQLAlchemy: SQLite beside the program, or PostgreSQL.

`bootstrap` and the command line open it: `open_engine`, then `migrate.check`,
then a `Store`. Verbs that only read open a `sqlite_reader` where they can, so
the names below are imported when they are used: SQLAlchemy costs 0.17 s.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncd.store.accounts import SqlAccounts
    from syncd.store.engine import open_engine
    from syncd.store.leases import Lease
    from syncd.store.link_store import SqlLinkStore
    from syncd.store.store import Store

__all__ = ["Lease", "SqlAccounts", "SqlLinkStore", "Store", "open_engine"]

_MODULES = {
    "Lease": "leases",
    "SqlAccounts": "accounts",
    "SqlLinkStore": "link_store",
    "Store": "store",
    "open_engine": "engine",
}


def __getattr__(name: str) -> object:
    """One of the names above, from its module (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(name)
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
