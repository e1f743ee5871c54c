"""Addresses as a configuration may name them: services, the store, the listener, webhooks.

Used by the settings models. An address is judged whole, ports and host names
included, so that nothing that is read later can stumble over one; and one
service has one spelling, so that two links of one account are seen as that.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from pydantic import AfterValidator, SecretStr

from syncd.config.values import Accepts

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_VENDORS = ("leadconnectorhq.com", "gohighlevel.com", "hubapi.com", "hubspot.com")
_USUAL_PORTS = {"http": 80, "https": 443}
_POSTGRES = ("postgresql", "postgresql+psycopg", "postgres")
_DRIVER = "postgresql+psycopg"
_LABEL = re.compile(r"[\w-]{1,63}")
_LONGEST_HOST = 253


def _host(name: str) -> str:
    """A host name or IP address that can be looked up, as it is compared; raises ValueError."""
    if ":" in name:
        return _ipv6(name)
    try:
        plain = name.encode("idna").decode() if not name.isascii() else name
    except UnicodeError:
        raise ValueError("not a host name") from None
    labels = plain.removesuffix(".").split(".")
    if len(plain) > _LONGEST_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("not a host name")
    return plain.removesuffix(".").lower()


def _ipv6(name: str) -> str:
    from ipaddress import IPv6Address

    address, _, zone = name.partition("%")
    found = IPv6Address(address).compressed
    return f"{found}%{zone}" if zone else found


def _port(parts: SplitResult) -> int | None:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("a port is a number from 1 to 65535")
    return port


def _split(url: str) -> SplitResult:
    """The parts of an address that holds nothing but visible ASCII or letters."""
    if not url.isprintable() or any(mark.isspace() for mark in url):
        raise ValueError("an address has no white space")
    try:
        return urlsplit(url)
    except ValueError:
        raise ValueError("not an address") from None


# --- the store


def _store_url(url: str) -> str:
    # SQLite's file may be called as it likes; only the scheme is judged before.
    scheme, mark, rest = url.partition("://")
    if mark and scheme.lower() in _POSTGRES:
        return _postgres(rest)
    if not mark or scheme not in {"sqlite", "sqlite+pysqlite"}:
        raise ValueError("not a supported database")
    file = url.split("?", 1)[0].partition(":///")[2]
    if file in {"", ":memory:"}:
        raise ValueError("the store cannot be in memory: name a file")
    if "\0" in file:
        raise ValueError("a file name has no NUL")
    return url


def _postgres(rest: str) -> str:
    login, mark, _ = rest.split("?", 1)[0].rpartition("@")
    if mark and (set(login) & set('@/?#[]"\\') or any(each.isspace() for each in login)):
        raise ValueError(
            "a user name or password holds a mark that has a meaning in an address: "
            "write @ as %40, / as %2F, a space as %20"
        )
    parts = _split(f"{_DRIVER}://{rest}")
    _port(parts)
    further = parse_qs(parts.query)
    for hosts in (parts.hostname or "", *further.get("host", ())):
        for host in unquote(hosts).split(","):  # libpq tries several in turn
            if host and not host.startswith("/"):  # a folder with a socket in it
                _host(host)
    for ports in further.get("port", ()):
        for port in ports.split(","):
            if port and not (_is_number(port) and _in_range(port) and int(port)):
                raise ValueError("a port is a number from 1 to 65535")
    if "\0" in unquote(parts.path):
        raise ValueError("the name of a database has no NUL")
    # The driver is named so that nothing depends on a library's own default.
    return f"{_DRIVER}://{rest}"


StoreUrl = Annotated[
    str,
    AfterValidator(_store_url),
    Accepts(words='"sqlite:///path/of.db" or "postgresql+psycopg://user@host/dbname"'),
]


# --- the vendors


def _service_url(url: str) -> str:
    parts = _split(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("not the address of a service")
    if parts.query or parts.fragment:
        raise ValueError("not the address of a service")
    if parts.username or parts.password:
        raise ValueError("an address has no user name or password")
    port, host = _port(parts), _host(parts.hostname)
    if parts.scheme == "http" and host.endswith(_VENDORS):
        raise ValueError("tokens are only sent over TLS: write https://")
    shown = f"[{host}]" if ":" in host else host
    if port is not None and port != _USUAL_PORTS[parts.scheme]:
        shown += f":{port}"
    return f"{parts.scheme}://{shown}{re.sub('/+', '/', parts.path)}".rstrip("/")


ServiceUrl = Annotated[
    str,
    AfterValidator(_service_url),
    Accepts(words='an address such as "https://api.example.com"'),
]


def _public_url(url: str) -> str:
    if url:
        parts = _split(url)
        if not is_web_address(url) or parts.query or parts.fragment or parts.username:
            raise ValueError("not the address of this service")
    # As it is written: vendors sign it so.
    return url.rstrip("/")


PublicUrl = Annotated[
    str,
    AfterValidator(_public_url),
    Accepts(words='an address such as "https://sync.example.com", or ""'),
]


def _page_url(url: str) -> str:
    if not url:
        return ""
    found = _service_url(url)
    if urlsplit(found).path:
        raise ValueError("the page is served at the top of a host: leave the path out")
    return found


PageUrl = Annotated[
    str,
    AfterValidator(_page_url),
    Accepts(words='an address such as "https://syncd.example.com", or ""'),
]


def server_of(url: str) -> str:
    """Which server an address leads to, as far as accounts are concerned.

    A vendor is one, under whatever name it is reached; its account's numbers
    and locations are the same everywhere. On this machine each port is a server
    of its own: a sandbox, or a test's.
    """
    parts = urlsplit(url)
    if not is_loopback(parts.hostname or ""):
        return ""
    return f"port {parts.port or _USUAL_PORTS[parts.scheme]}"


def _webhook_url(secret: SecretStr | None) -> SecretStr | None:
    url = secret.get_secret_value() if secret is not None else ""
    if url and not is_web_address(url):
        raise ValueError("not the address of a webhook")
    return secret


def is_web_address(url: str) -> bool:
    """Whether something can be posted there."""
    try:
        parts = _split(url)
        _port(parts)
        _host(parts.hostname or "")
    except ValueError:
        return False
    return parts.scheme in {"http", "https"}


WebhookUrl = Annotated[SecretStr | None, AfterValidator(_webhook_url)]


def _notify_url(secret: SecretStr | None) -> SecretStr | None:
    url = secret.get_secret_value() if secret is not None else ""
    if url and not is_apprise_address(url):
        raise ValueError("not an Apprise address")
    return secret


def is_apprise_address(url: str) -> bool:
    """Whether it looks like one; which services there are, Apprise alone knows."""
    return re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://[!-~]+", url) is not None


NotifyUrl = Annotated[SecretStr | None, AfterValidator(_notify_url)]


# --- the listener


def host_and_port(listen: str) -> tuple[str, int]:
    """Split `host:port`, `[::1]:port` or `:port` (every address); raises ValueError."""
    host, colon, port = listen.rpartition(":")
    if not colon or not _is_number(port) or not _in_range(port):
        raise ValueError("not a host and port")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if bare == host and ":" in host:
        raise ValueError("write an IPv6 address in brackets: [::1]:8787")
    if bare:
        _host(bare) if bare == host else _ipv6(bare)
    return bare, int(port)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _in_range(port: str) -> bool:
    return len(port) <= len("65535") and int(port) <= 65_535


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    return host in _LOOPBACK or host.startswith("127.")


def _listen(listen: str) -> str:
    if listen:
        host_and_port(listen)
    return listen


Listen = Annotated[
    str,
    AfterValidator(_listen),
    Accepts(words='"host:port" such as "127.0.0.1:8787", or "" for no listener'),
]
