"""The API session of one HubSpot account: sends requests and turns refusals into errors.

The other modules of this package send through it, so that they see errors
instead of status codes. Retries and the rate budget are the client's.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncd.core.model import Side
from syncd.errors import (
    AuthFailed,
    NotPrepared,
    ProviderError,
    Rejected,
    SyncdError,
    Transient,
    Unreadable,
)
from syncd.ports.refusals import Asked, Stops, stops
from syncd.providers.http import Client
from syncd.providers.hubspot import refusals, wire
from syncd.providers.hubspot.protocol import Api
from syncd.providers.hubspot.wire import Json
from syncd.providers.message import Request, Response
from syncd.providers.retry import OPTIONAL_ATTEMPTS

_UNCHANGED = (Stops.SIDE, Stops.NOTHING)


class Session:
    """One account, over the shared client."""

    def __init__(self, client: Client, api: Api) -> None:
        self.client = client
        self.api = api

    def send(self, request: Request, attempts: int | None = None) -> Response:
        """The answer, whatever its status below 500.

        Raises:
            Transient: as the client says.
        """
        if attempts is None and request.asked is Asked.BESIDE:
            attempts = OPTIONAL_ATTEMPTS
        return self.client.send(request, attempts)

    def answers(self) -> bool:
        """Whether the account itself answers."""
        try:
            return self.client.send(self.api.first_of(), attempts=1).ok
        except ProviderError:
            return False

    def refusal(self, request: Request, response: Response) -> SyncdError:
        """The error of an answer that is no success, no wider than its scope."""
        error = refusals.refusal(request, response)
        reach = stops(request.asked, error)
        if not isinstance(error, AuthFailed | NotPrepared) or reach in _UNCHANGED:
            return error
        if reach is Stops.DOUBT and not self.answers():
            return error
        return Rejected(
            f"HubSpot does not allow it ({request.label}: {response.summary})",
            side=Side.HUBSPOT,
            status=response.status,
        )

    def check(self, asked: Asked, error: ProviderError) -> None:
        """Raise an error that is not only about what was requested.

        Raises:
            ProviderError: it concerns the whole side.
        """
        if stops(asked, error) is Stops.SIDE:
            raise error
        if isinstance(error, Transient) and not self.answers():
            raise error

    def ask(self, request: Request, attempts: int | None = None) -> Json:
        """The body of an answer that must be a success; a 207 is one.

        Raises:
            SyncdError: the error of the refusal.
            Unreadable: a success whose body is no JSON object; it does not mean "nothing".
        """
        return self.body(request, self.send(request, attempts))

    def rows(self, request: Request, attempts: int | None = None) -> Json:
        """The body of an answer that must hold `results`.

        Raises:
            SyncdError: as `ask`.
        """
        body = self.ask(request, attempts)
        if not isinstance(body.get("results"), list):
            raise _unreadable(request)
        return body

    def batch(self, request: Request, attempts: int | None = None) -> wire.Batch:
        """The records of a batch read; rows that were not found are its problems.

        Raises:
            SyncdError: as `ask`.
        """
        response = self.send(request, attempts)
        found = wire.problem(response.payload)
        if response.status == 404 and found.ids:
            # None of the rows exists: a 207 in some versions, a 404 in others (batch read schemas).
            return wire.Batch(problems=(found,))
        body = self.body(request, response)
        if not isinstance(body.get("results"), list):
            raise _unreadable(request)
        return wire.batch(body)

    def execute(self, request: Request, attempts: int | None = None) -> None:
        """Send a request whose answer holds nothing but its success.

        Raises:
            SyncdError: as `ask`.
        """
        response = self.send(request, attempts)
        if not response.ok:
            raise self.refusal(request, response)

    def body(self, request: Request, response: Response) -> Json:
        """The JSON object of a success.

        Raises:
            SyncdError: as `ask`.
        """
        if not response.ok:
            raise self.refusal(request, response)
        if not isinstance(response.payload, Mapping):
            raise _unreadable(request)
        return response.payload


def _unreadable(request: Request) -> Unreadable:
    return Unreadable(
        f"HubSpot's answer to {request.label} is not what its documentation says; "
        "the next cycle asks again",
        side=Side.HUBSPOT,
    )
