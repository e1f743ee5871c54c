"""The API session of one location: sends one request, or many at once.

`account`, `reading`, `contacts`, `free_slots`, `reopening`, `scopes` and
`writing` send through this; it owns the threads. Retries and the rate budget
are the client's.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from syncd.core.model import Side
from syncd.errors import (
    AuthFailed,
    DailyBudgetSpent,
    ProviderError,
    Rejected,
    Transient,
    Unreadable,
)
from syncd.ports.clock import Clock
from syncd.ports.refusals import Asked, Stops, stops
from syncd.providers.ghl import protocol
from syncd.providers.http import Client
from syncd.providers.message import Response
from syncd.providers.retry import OPTIONAL_ATTEMPTS

FATAL = (AuthFailed, DailyBudgetSpent)
"""Errors that every other request of the account would meet too."""

TRUSTED = 5.0
"""Seconds for which a success proves that the location answers and the token is valid."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Session:
    """One location's API, shared by all threads that work on it."""

    def __init__(self, client: Client, *, clock: Clock, location: str, concurrency: int) -> None:
        self.client = client
        self.clock = clock
        self.location = location
        self._answered_at = -TRUSTED
        self.pool = ThreadPoolExecutor(concurrency, thread_name_prefix="ghl")
        self.ahead = 2 * concurrency - 1
        """Writes that the pool has at once: no thread is idle while receipts are recorded,
        and an urgent write waits for few others."""

    def ask(self, call: protocol.Call) -> object:
        """The payload of the answer.

        Raises:
            AuthFailed, DailyBudgetSpent: no other request can succeed either.
            ProviderError: the request was refused or not answered.
        """
        few = OPTIONAL_ATTEMPTS if call.asked is Asked.BESIDE else None
        response = self.client.send(call.request, few)
        if response.ok:
            return response.payload
        raise self.refusal(call, response)

    def refusal(self, call: protocol.Call, response: Response) -> ProviderError:
        """The error of an answer that is no success, no wider than its scope."""
        error = protocol.refusal(call, response, location=self.location)
        if not isinstance(error, AuthFailed):
            return error
        reach = stops(call.asked, error)
        if reach in (Stops.SIDE, Stops.NOTHING) or (reach is Stops.DOUBT and not self.answers()):
            return error
        return Rejected(
            f"{call.request.label}: HighLevel does not allow it ({response.summary})",
            side=Side.GHL,
            status=response.status,
        )

    def answers(self) -> bool:
        """Whether the location itself answers; checked at most every few seconds."""
        now = self.clock.monotonic()
        if now - self._answered_at < TRUSTED:
            return True
        try:
            there = self.client.send(protocol.get_location(self.location).request, attempts=1).ok
        except ProviderError:
            there = False
        if there:
            self._answered_at = now
        return there

    def each(
        self, work: Callable[[Item], Result], items: Iterable[Item]
    ) -> list[tuple[Item, Result | ProviderError]]:
        """Do `work` for every item, several at once; an error of one item is its result.

        Raises:
            AuthFailed, DailyBudgetSpent: no item can succeed.
            Transient: no item could be reached, and neither can the location.
        """
        futures = [(item, self.pool.submit(work, item)) for item in items]
        results: list[tuple[Item, Result | ProviderError]] = []
        try:
            for item, future in futures:
                try:
                    results.append((item, future.result()))
                except FATAL:
                    raise
                except ProviderError as error:
                    results.append((item, error))
        finally:
            for _, future in futures:
                future.cancel()
        failures = [found for _, found in results if isinstance(found, Transient)]
        if failures and len(failures) == len(results) and not self.answers():
            raise failures[0]
        return results

    def close(self) -> None:
        """End the threads and the connections, without waiting for requests in flight."""
        self.client.abandon()
        self.pool.shutdown(wait=True, cancel_futures=True)
        self.client.close()


def unreadable(call: protocol.Call) -> Unreadable:
    """The error of a success that does not contain what was requested."""
    return Unreadable(
        f"the answer to {call.request.label} cannot be understood; "
        "check base_url, and try again in the next cycle",
        side=Side.GHL,
    )


def check_own(call: protocol.Call, location: str, named: str) -> None:
    """Refuse an answer that names another location than the one that was asked.

    A token may answer with its own location's data, whatever is asked for (reported, read
    2026-11-29): nothing of it may be used.

    Raises:
        Unreadable: it does.
    """
    if named not in {"", location}:
        raise Unreadable(
            f"the answer to {call.request.label} is of another location, {named}, and is not used; "
            f"check that the token belongs to location {location}",
            side=Side.GHL,
        )
