"""Who may ask the listener, and whether a form comes from its own page.

`server` asks for every request. A token comes as a bearer or as the password
of HTTP Basic. What changes something needs more: the page's own origin, and a
proof that only the page has, drawn from the token, so that every process and
the next start accept it.
"""

from __future__ import annotations

import hmac
import unicodedata
from base64 import b64decode
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers

LONGEST_NAME = 100
"""Characters of a user name that are kept."""

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the listener asks for."""

    token: str | None = None
    """Decides, and sees everything."""
    read_token: str | None = None
    """Admits, sees no names of people, and decides nothing."""
    public_url: str = ""
    """The address at which a proxy serves the page."""

    @property
    def is_open(self) -> bool:
        """Whether every user of this machine may ask."""
        return self.token is None and self.read_token is None

    def proof(self) -> str:
        """The proof of the page's forms; "" without a token that decides."""
        return self.sign("proof") if self.token is not None else ""

    def sign(self, text: str) -> str:
        """What only a process with the same token can have written under a text."""
        key = f"syncd page {self.token}".encode()
        return hmac.new(key, text.encode("utf-8", "surrogatepass"), sha256).hexdigest()

    def proves(self, proof: str) -> bool:
        """Whether a form has the proof."""
        return self.token is not None and _same(proof, self.proof())

    def is_own_origin(self, headers: Headers) -> bool:
        """Whether a request comes from the page itself, under the name that it is asked by."""
        origins, hosts = headers.getlist("origin"), headers.getlist("host")
        if len(origins) != 1 or len(hosts) != 1:
            return False
        if self.public_url and _place(origins[0]) == _place(self.public_url) is not None:
            return True
        scheme = origins[0].partition("://")[0].lower()
        return _place(origins[0]) == _place(f"{scheme}://{hosts[0]}") is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks."""

    reads: bool = False
    decides: bool = False
    name: str = ""
    """The user name that was given with the token."""


def caller(headers: Headers, access: Access) -> Caller:
    """Who asks, by the token that is shown."""
    name, shown = _shown(headers.get("Authorization", ""))
    decides = access.token is not None and _same(shown, access.token)
    reads = access.read_token is not None and _same(shown, access.read_token)
    return Caller(
        reads=decides or reads or access.is_open,
        decides=decides,
        name=name if decides else "",
    )


def names_this_machine(host: str) -> bool:
    """Whether a Host header stands for loopback."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _shown(header: str) -> tuple[str, str]:
    """The user name, and the token."""
    kind, _, held = header.partition(" ")
    if kind.lower() == "bearer":
        return "", held.strip()
    if kind.lower() == "basic":
        with suppress(ValueError):
            name, _, token = b64decode(held.strip(), validate=True).decode().partition(":")
            return _readable(name), token
    return "", ""


def _readable(name: str) -> str:
    """A user name on one line, without marks that no one sees."""
    plain = unicodedata.normalize("NFC", name)
    shown = "".join(" " if mark.isspace() else mark for mark in plain)
    return "".join(mark for mark in shown if mark.isprintable()).strip()[:LONGEST_NAME]


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(
        one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass")
    )


def _place(address: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an origin; None where it is none."""
    try:
        parts: SplitResult = urlsplit(address)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    has_more = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    if has_more or not parts.hostname or parts.scheme not in _PORTS:
        return None
    return parts.scheme, parts.hostname, port
