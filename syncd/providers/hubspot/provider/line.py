"""The wire to one HubSpot account: sends requests and turns refusals into errors.

The other modules of this package ask through it and never see a status code
that they have not asked for.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncd.core.model import Side
from syncd.errors import Unreadable
from syncd.providers.http import Client
from syncd.providers.hubspot import wire
from syncd.providers.hubspot.protocol import Api
from syncd.providers.hubspot.refusals import refusal
from syncd.providers.hubspot.wire import Json
from syncd.providers.message import Request, Response


class Line:
    """One account, over the shared client."""

    def __init__(self, client: Client, api: Api) -> None:
        self.client = client
        self.api = api

    def send(self, request: Request) -> Response:
        """The answer, whatever its status below 500.

        Raises:
            Transient: as the client says.
        """
        return self.client.send(request)

    def ask(self, request: Request) -> Json:
        """The body of an answer that must be a success; a 207 is one.

        Raises:
            SyncdError: what the refusal stands for.
            Unreadable: a success whose body is no JSON object; it is never taken for "nothing".
        """
        return self.body(request, self.send(request))

    def rows(self, request: Request) -> Json:
        """The body of an answer that must hold `results`.

        Raises:
            SyncdError: as `ask`.
        """
        body = self.ask(request)
        if not isinstance(body.get("results"), list):
            raise _unreadable(request)
        return body

    def batch(self, request: Request) -> wire.Batch:
        """What a batch read found; the rows that it did not find are its problems.

        Raises:
            SyncdError: as `ask`.
        """
        response = self.send(request)
        found = wire.problem(response.payload)
        if response.status == 404 and found.ids:
            # None of the rows exists: said by some versions with a 207, by some with a 404.
            return wire.Batch(problems=(found,))
        body = self.body(request, response)
        if not isinstance(body.get("results"), list):
            raise _unreadable(request)
        return wire.batch(body)

    def tell(self, request: Request) -> None:
        """Send a request whose answer says nothing but that it worked.

        Raises:
            SyncdError: as `ask`.
        """
        response = self.send(request)
        if not response.ok:
            raise refusal(request, response)

    def body(self, request: Request, response: Response) -> Json:
        """The JSON object of a success.

        Raises:
            SyncdError: as `ask`.
        """
        if not response.ok:
            raise refusal(request, response)
        if not isinstance(response.payload, Mapping):
            raise _unreadable(request)
        return response.payload


def _unreadable(request: Request) -> Unreadable:
    return Unreadable(
        f"HubSpot's answer to {request.label} is not what its documentation says; "
        "the next cycle asks again",
        side=Side.HUBSPOT,
    )
