"""The newest migration that this program knows, and where a store records its own."""

HEAD = "0009"
"""The newest migration; a test holds it against `migrations/versions`."""

READER = "0004"
"""The oldest migration whose program may go on beside this one: raised by every migration that
does more than add to what was there."""

VERSION_TABLE = "syncd_version"
"""Our own name: another program's Alembic may live in the same database."""

VERSION = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608 - a constant
"""Asks for the migration that a store is at."""

READER_OF = f"SELECT reader FROM {VERSION_TABLE}"  # noqa: S608 - a constant
"""Asks for the oldest migration whose program may go on with a store."""
