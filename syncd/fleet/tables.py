"""The tables of procrastinate beside ours, under a prefix of their own; and its 256 job rows.

`syncd db upgrade` makes them and brings them to the installed version, with
procrastinate's own schema and migrations. Every name of its tables, types and
functions begins with "procrastinate_", which is put as "fleet_" here: another
program of the same database may use procrastinate for itself, and its workers
must not take our jobs. (A schema of their own would need a search path,
which a pooler in transaction mode does not keep.)
"""

from importlib.metadata import version
from pathlib import Path

import psycopg
from procrastinate.schema import SchemaManager

from syncd.errors import ConfigError
from syncd.fleet.shards import SHARDS

PREFIX = "fleet_"

_THEIRS = "procrastinate_"

_LOCK = 0x73796E64
"""The key of the advisory lock around a migration, for its transaction."""

QUEUE = "shards"
TASK = "hold"
RESCUE = "rescue"

_STATE = "CREATE TABLE fleet_schema (migration varchar NOT NULL, version varchar NOT NULL)"

MAKE_SHARDS = f"""
    INSERT INTO fleet_jobs (queue_name, task_name, lock, args)
    SELECT '{QUEUE}', '{TASK}', 'shard ' || number, jsonb_build_object('shard', number)
    FROM generate_series(0, {SHARDS - 1}) AS number
    WHERE NOT EXISTS (
        SELECT FROM fleet_jobs
        WHERE lock = 'shard ' || number AND status IN ('todo', 'doing')
    )
"""  # noqa: S608 - constants
"""A job row for every shard that has none that can be worked on."""


def ours(statement: str) -> str:
    """One of procrastinate's statements, under our names."""
    return statement.replace(_THEIRS, PREFIX)


def upgrade(conninfo: str) -> str:
    """Make the tables, or bring them to the installed version; gives what was done, "" if nothing.

    Raises:
        ConfigError: they are a newer version's.
        psycopg.Error: the database refuses.
    """
    with psycopg.connect(conninfo, prepare_threshold=None) as connection:
        connection.execute("SET LOCAL lock_timeout = 0")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        found, newest = _found(connection), _migrations()[-1]
        if not found:
            connection.execute(_STATE.encode())
            connection.execute(ours(SchemaManager.get_schema()).encode())
            connection.execute(
                "INSERT INTO fleet_schema VALUES (%s, %s)", [newest, version("procrastinate")]
            )
            done = "made"
        elif found < newest:
            for name in _migrations():
                if name > found:
                    script = Path(SchemaManager.get_migrations_path()) / name
                    connection.execute(ours(script.read_text(encoding="utf-8")).encode())
            connection.execute(
                "UPDATE fleet_schema SET migration = %s, version = %s",
                [newest, version("procrastinate")],
            )
            done = f"brought from {found} to {newest}"
        elif found > newest:
            raise _another(found, newest)
        else:
            done = ""
        connection.execute(MAKE_SHARDS.encode())
        return done


def is_older(conninfo: str) -> bool:
    """Whether the tables are there, and are those of an older version.

    Raises:
        psycopg.Error: the database refuses, or is away.
    """
    with psycopg.connect(conninfo, prepare_threshold=None, autocommit=True) as connection:
        return "" < _found(connection) < _migrations()[-1]


def check(conninfo: str) -> None:
    """Make sure that the tables are those of the installed version.

    Raises:
        ConfigError: they are not; the message says what to do.
        psycopg.Error: the database refuses, or is away.
    """
    with psycopg.connect(conninfo, prepare_threshold=None, autocommit=True) as connection:
        found, newest = _found(connection), _migrations()[-1]
    if not found:
        raise ConfigError(["fleet.engine: its tables are not there yet: run `syncd db upgrade`"])
    if found != newest:
        raise _another(found, newest)


def _another(found: str, newest: str) -> ConfigError:
    older = "run `syncd db upgrade`, or " if found < newest else ""
    return ConfigError(
        [
            (
                f"fleet.engine: its tables are at {found}, and procrastinate "
                f"{version('procrastinate')} speaks {newest}: {older}install the version that "
                "made them"
            )
        ]
    )


def _found(connection: psycopg.Connection) -> str:
    """The newest migration that the tables have seen; "" where there are none."""
    there = connection.execute("SELECT to_regclass('fleet_schema')").fetchone()
    if there is None or there[0] is None:
        return ""
    row = connection.execute("SELECT migration FROM fleet_schema").fetchone()
    return str(row[0]) if row else ""


def _migrations() -> list[str]:
    return sorted(each.name for each in Path(SchemaManager.get_migrations_path()).glob("*.sql"))
