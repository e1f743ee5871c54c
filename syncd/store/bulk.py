"""Statements that SQLite and PostgreSQL spell differently: big sets of ids, upserts, new keys.

The repositories use it. A set of ids travels as one value, an array or a JSON
list, so that the statement's text is always the same, is prepared once, and no
limit on parameters is ever met.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Insert,
    Select,
    Table,
    Text,
    TextClause,
    Update,
    bindparam,
    func,
    select,
    text,
    type_coerce,
)
from sqlalchemy import any_ as any_of
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from syncd.store.escaping import storable
from syncd.store.reads import Ask

Row = Mapping[str, Any]

VALUES = "its_values"
"""The parameter of a statement that asks `one_of`."""


def among(
    connection: Connection, column: Column[Any], values: Collection[str] | Collection[int]
) -> ColumnElement[bool]:
    """Whether a column of words or keys holds one of many values."""
    return _held(connection.dialect.name, column, bindparam(None, packed(connection, values)))


@cache
def one_of(dialect: str, column: Column[Any]) -> ColumnElement[bool]:
    """The same for a statement that is built once: the values come as `VALUES`, `packed`."""
    return _held(dialect, column, bindparam(VALUES))


def packed(connection: Connection, values: Collection[str] | Collection[int]) -> object:
    """Many values as the one parameter in which they travel."""
    plain = [storable(value) if isinstance(value, str) else value for value in values]
    return json.dumps(plain) if connection.dialect.name == "sqlite" else plain


def bare(
    connection: Connection, asked: Select[Any], values: Mapping[str, object]
) -> Iterator[tuple[Any, ...]]:
    """Rows as the driver returns them, for answers with a row per appointment.

    They are not converted: text is not `readable` yet, and instants are the
    driver's own. They cost a third of SQLAlchemy's rows.

    Raises:
        DBAPIError: the database broke off in the middle of its answer.
    """
    answer = connection.execute(asked, values)
    cursor: Any = answer.cursor
    try:
        yield from cursor
    except connection.dialect.loaded_dbapi.Error as error:
        # What SQLAlchemy would have raised, and `failures` explains.
        raise DBAPIError(None, None, error) from error
    finally:
        answer.close()


def asking(connection: Connection) -> Ask:
    """The questions of `reads`, asked over a connection."""
    return lambda statement, values: connection.execute(_text(statement), values)


@cache
def _text(statement: str) -> TextClause:
    return text(statement)


def _held(dialect: str, column: Column[Any], values: BindParameter[Any]) -> ColumnElement[bool]:
    if dialect == "sqlite":
        held = func.json_each(values).table_valued("value")
        return column.in_(select(held.c.value))
    return column == any_of(type_coerce(values, _array(column)))


def _array(column: Column[Any]) -> postgresql.ARRAY[Any]:
    return postgresql.ARRAY(BigInteger if isinstance(column.type, BigInteger) else Text)


def upsert(connection: Connection, table: Table, rows: Sequence[Row], *, by: Sequence[str]) -> None:
    """Insert rows, or replace those with the same `by`; equal rows are left untouched."""
    if not rows:
        return
    many(connection, _upsert(connection.dialect.name, table, tuple(rows[0]), tuple(by)), rows)


def many(connection: Connection, statement: Insert | Update, rows: Sequence[Row]) -> int:
    """Run one statement for each row; returns the number of changed rows.

    All rows have the same columns. They are bound here, in the order of the
    first one's: SQLAlchemy would look up each name for every row, which costs as
    much as the write.
    """
    dialect = connection.dialect
    words, binds = _compiled(dialect, statement, tuple(rows[0]))
    bound: list[Any] = [[bind(row[name]) for name, bind in binds] for row in rows]
    if dialect.positional:
        bound = [tuple(values) for values in bound]
    else:
        names = [name for name, _ in binds]
        bound = [dict(zip(names, values, strict=True)) for values in bound]
    return connection.exec_driver_sql(words, bound).rowcount


@lru_cache(maxsize=64)
def _compiled(
    dialect: Dialect, statement: Insert | Update, names: tuple[str, ...]
) -> tuple[str, list[tuple[str, Callable[[Any], Any]]]]:
    """A statement's text, and its parameters in order, each with its value processor."""
    compiled: Any = statement.compile(
        dialect=dialect, column_keys=list(names), for_executemany=True
    )
    order: Sequence[str] = compiled.positiontup if dialect.positional else list(compiled.binds)
    processors = (
        compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect) for name in order
    )
    return str(compiled), [
        (name, bind or _as_it_is) for name, bind in zip(order, processors, strict=True)
    ]


def _as_it_is(value: object) -> object:
    return value


@cache
def _upsert(dialect: str, table: Table, names: tuple[str, ...], by: tuple[str, ...]) -> Any:
    insert = sqlite.insert(table) if dialect == "sqlite" else _postgres(table)
    new = insert.excluded
    changing = {name: new[name] for name in names if name not in by}
    differs = [table.c[name].is_distinct_from(new[name]) for name in changing]
    return insert.on_conflict_do_update(index_elements=list(by), set_=changing, where=_any(differs))


def new_keys(connection: Connection, table: Table, count: int) -> list[int]:
    """Keys that no row of the table has or ever had; rows may be inserted under them.

    They are known before the rows are written, so that a transaction can be
    carried out again, under the same keys, when its connection was lost.
    """
    if connection.dialect.name == "sqlite":
        # The transaction has the write lock: nobody else takes a key meanwhile.
        last = last_key(connection, table)
        return list(range(last + 1, last + 1 + count))
    drawn = connection.execute(
        text("SELECT nextval(pg_get_serial_sequence(:name, 'id')) FROM generate_series(1, :count)"),
        {"name": table.name, "count": count},
    )
    return list(drawn.scalars())


def last_key(connection: Connection, table: Table) -> int:
    """The last key that a row of the table was ever given; 0 where none was."""
    if connection.dialect.name == "sqlite":
        statement = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
        return connection.execute(statement, {"name": table.name}).scalar() or 0
    sequence = connection.execute(
        text("SELECT pg_get_serial_sequence(:name, 'id')"), {"name": table.name}
    ).scalar_one()
    statement = text(f"SELECT last_value, is_called FROM {sequence}")  # noqa: S608 - its own name
    last, called = connection.execute(statement).one()
    return int(last) if called else 0


def go_on_after(connection: Connection, table: Table, key: int) -> None:
    """Give new rows of the table keys beyond this one."""
    if not key:
        return
    if connection.dialect.name == "sqlite":
        values = {"name": table.name, "key": key}
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), values)
        connection.execute(text("INSERT INTO sqlite_sequence VALUES (:name, :key)"), values)
        return
    connection.execute(
        text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :key)"),
        {"name": table.name, "key": key},
    )


def _postgres(table: Table) -> Any:
    return postgresql.insert(table)


def _any(conditions: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
    found = conditions[0]
    for condition in conditions[1:]:
        found |= condition
    return found
