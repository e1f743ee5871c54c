"""One POST over a socket, for deliveries."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT = 5.0
"""Seconds that HubSpot waits for an answer; HighLevel publishes no number."""


def post(address: str, headers: Mapping[str, str], body: bytes) -> int | str:
    """The status of the answer, or in words why there is none."""
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=_TIMEOUT)
    try:
        connection.request("POST", parts.path, body=body, headers=dict(headers))
        return connection.getresponse().status
    except (OSError, HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()
