"""Which tables this program speaks: the newest migration, and where a store keeps its own."""

HEAD = "0003"
"""The newest migration; a test holds it against `migrations/versions`."""

VERSION_TABLE = "syncd_version"
"""Our own name: another program's Alembic may live in the same database."""

VERSION = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608 - a constant
"""Asks for the migration that a store is at."""
