"""What the provider classes of both vendors share: their client's numbers, and `reread`."""

from collections.abc import Collection, Iterable
from itertools import islice

from syncd.errors import ProviderError
from syncd.ports.provider import Provider, Reading
from syncd.providers.http import Client


class ClientProvider(Provider):
    """A provider over one HTTP client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def requests(self) -> int:
        """Every attempt sent since this object was made, retries included."""
        return self._client.requests

    @property
    def skew_seconds(self) -> float | None:
        """See `Provider.skew_seconds`."""
        return self._client.skew_seconds

    def _read_at_once(self, ids: Iterable[str], most: int, requests: int) -> Reading:
        """See `Provider.reread`: at most so many ids, once so many requests are permitted."""
        asked: Collection[str] = list(islice(ids, most))
        self._client.await_room(requests)
        at = self._client.monotonic()
        try:
            return Reading(at=at, asked=asked, records=self.fetch(asked))
        except ProviderError as error:
            return Reading(at=at, asked=asked, error=error)
