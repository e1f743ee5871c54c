"""How procrastinate reaches the database: over one connection, patiently, under our own names.

Its own connector keeps a pool, asks whether each connection lives, and listens
for notifications, which needs a session of its own. Here every statement
stands alone, so that a pooler may send each to another session, and one that
meets a database that is away is sent again until it is back: the worker's
heartbeat and its other tasks end with their first error otherwise.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from procrastinate import exceptions
from procrastinate.psycopg_connector import PsycopgConnector
from psycopg.rows import DictRow, dict_row

from syncd.fleet.tables import ours

T = TypeVar("T")

_PAUSE = 0.5
"""Seconds between attempts to reach a database that is away."""

_OPTIONS: dict[str, Any] = {
    "prepare_threshold": None,
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


class PatientConnector(PsycopgConnector):
    """One connection, made anew whenever it breaks."""

    def __init__(self, conninfo: str, interrupted: Callable[[], None]) -> None:
        """`interrupted` is told whenever a statement could not be carried out for now."""
        super().__init__()
        self._conninfo, self._interrupted = conninfo, interrupted
        self._connection: psycopg.AsyncConnection[DictRow] | None = None
        self._turn = asyncio.Lock()
        self._ended = False

    def end(self) -> None:
        """Nothing is sent any more: what procrastinate still wants to write is passed over."""
        self._ended = True

    async def open_async(self, pool: object = None) -> None:
        """Connect with the first statement."""
        del pool

    async def close_async(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def execute_query_async(self, query: str, **arguments: Any) -> None:
        """Carry a statement out."""
        await self._ask(query, arguments, answers=False)

    async def execute_query_one_async(self, query: str, **arguments: Any) -> dict[str, Any]:
        """Carry a statement out that has one row to give."""
        rows = await self._ask(query, arguments)
        if not rows:
            raise exceptions.NoResult
        return rows[0]

    async def execute_query_all_async(self, query: str, **arguments: Any) -> list[dict[str, Any]]:
        """Carry a statement out that has rows to give."""
        return await self._ask(query, arguments)

    async def _ask(
        self, query: str, arguments: dict[str, Any], *, answers: bool = True
    ) -> list[dict[str, Any]]:
        values = self._wrap_json(arguments)
        while not self._ended:
            try:
                async with self._turn:
                    return await self._sent(ours(query), values, answers=answers)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                await self.close_async()
                self._interrupted()
                await asyncio.sleep(_PAUSE)
            except psycopg.Error as error:
                raise exceptions.ConnectorException from error
        if answers:
            raise exceptions.ConnectorException("the share has ended")
        return []

    async def _sent(
        self, query: str, values: dict[str, Any], *, answers: bool
    ) -> list[dict[str, Any]]:
        if self._connection is None:
            self._connection = await psycopg.AsyncConnection.connect(
                self._conninfo, autocommit=True, row_factory=dict_row, **_OPTIONS
            )
        done = await self._connection.execute(query, values)
        return await done.fetchall() if answers else []
