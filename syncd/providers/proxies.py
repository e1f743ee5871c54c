"""Checks the proxies of the environment before a client is opened with them.

httpx uses them by itself ($HTTP_PROXY, $HTTPS_PROXY, $ALL_PROXY, $NO_PROXY),
but an invalid one would only fail during a request.
"""

from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpx

from syncd.errors import ConfigError

_USED = ("http", "https", "all")
_SCHEMES = ("http", "https", "socks5", "socks5h")

T = TypeVar("T")


def opened(make: Callable[[], T]) -> T:
    """The result of `make`, with the proxies of the environment.

    Raises:
        ConfigError: one of them is invalid. The message has no address, which may hold a password.
    """
    problems = [
        f"${scheme.upper()}_PROXY is no address of a proxy: write http://host:port, or unset it"
        for scheme, address in getproxies().items()
        if scheme in _USED and not _is_proxy(address)
    ]
    if problems:
        raise ConfigError(problems)
    try:
        return make()
    except ImportError as error:
        raise ConfigError(
            ["a SOCKS proxy in the environment needs a further package: pip install 'httpx[socks]'"]
        ) from error
    except (ValueError, httpx.InvalidURL) as error:
        raise ConfigError(
            ["$NO_PROXY, or a proxy in the environment, cannot be read: correct or unset it"]
        ) from error


def _is_proxy(address: str) -> bool:
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        (parts.hostname or "").encode("idna")
        return parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an invalid port or host
        return False
