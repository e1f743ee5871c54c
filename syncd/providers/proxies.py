"""The proxies that the environment names: looked at before a client is opened with them.

httpx takes them by itself ($HTTP_PROXY, $HTTPS_PROXY, $ALL_PROXY, $NO_PROXY),
but what is wrong with one would come to light in the middle of a request.
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
    """What `make` makes with the proxies of the environment.

    Raises:
        ConfigError: one of them is no proxy. Its address is not repeated: it may hold a password.
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
    except ValueError:  # a port or a host that is none
        return False
