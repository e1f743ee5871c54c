"""The mapping store over SQLAlchemy: SQLite beside the program, or PostgreSQL.

`bootstrap` and the command line open it: `open_engine`, then `migrate.check`,
then a `Store`.
"""

from syncd.store.accounts import SqlAccounts
from syncd.store.engine import open_engine
from syncd.store.leases import Lease
from syncd.store.link_store import SqlLinkStore
from syncd.store.store import Store

__all__ = ["Lease", "SqlAccounts", "SqlLinkStore", "Store", "open_engine"]
