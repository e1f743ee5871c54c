"""Requests, answers and outcomes of attempts as plain values. Pure.

The protocols build `Request`s and read `Response`s; `retry` decides about an
`Outcome`; only `http` knows the HTTP library. Leaves out what an answer means:
that is each vendor's own.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from syncd.errors import Rejected, quoted
from syncd.ports.refusals import Asked

LONGEST_WORDS = 256
"""Characters of a vendor's text in an error."""

LONGEST_KEY = 40
"""Characters of an id in an error."""

LONGEST_ADDRESS = 8_000
"""Characters of a path, or of a query: with more, most servers answer 414 or not at all."""

_READ = 8 * LONGEST_WORDS
"""Characters of a vendor's text that are redacted: more than an error holds."""

_SECRETS = re.compile(r"(?i)\bbearer\s+\S+|\bp[ia]t-[\w-]{8,}|\beyJ[\w.-]{16,}")
_WORD = r"[^\s@\"'<>,;:()\[\]{}]"
# From the start of a word only: otherwise a long word would take quadratic time.
_EMAIL = re.compile(rf"(?<!{_WORD}){_WORD}++@{_WORD}+\.{_WORD}+")
_PHONE = re.compile(r"\+\d[\d ().-]{5,}\d|\(\d{3}\) ?\d{3}-\d{4}")


_READING = ("/search", "/batch/read")
"""Ends of paths that read by POST."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call of a vendor's API, without the credentials.

    `path` starts with a slash, with quoted segments; query values are not
    encoded yet, and a sequence repeats its key. With `json` None there is no body.
    """

    method: str
    path: str
    query: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    json: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    asked: Asked = Asked.RECORD
    """What it is about: how far a refusal of it reaches."""
    repeatable: bool = True
    """Whether sending it twice has the effect of sending it once. Not a create without a key."""
    kind: str = ""
    """The limit that it counts against besides the account's: `search`, or none."""
    ready: Callable[[], None] | None = field(default=None, compare=False)
    """Called before each attempt, once the rate budget permits it: raises where the request must
    not be sent any more (`errors.Outdated`)."""

    @property
    def writes(self) -> bool:
        """Whether it may change something: every request that is not known to read."""
        return self.method != "GET" and not self.path.endswith(_READING)

    @property
    def too_long(self) -> bool:
        """Whether its address is longer than servers accept, because of a text in it."""
        return max(len(self.path), len(urlencode(self.query, doseq=True, errors="replace"))) > (
            LONGEST_ADDRESS
        )

    @property
    def label(self) -> str:
        """The request for a log or an error; without the query, which may name people."""
        path = self.path if len(self.path) <= LONGEST_WORDS else self.path[:LONGEST_WORDS] + "…"
        return f"{self.method} {path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer; header names are lower case, `payload` is the decoded JSON or None."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    payload: object = None
    text: str = ""
    """The start of a body that is no JSON, for errors."""

    @property
    def ok(self) -> bool:
        """Any 2xx: the vendors use 200, 201, 204 and 207 alike (HubSpot's API specifications)."""
        return 200 <= self.status < 300

    @property
    def summary(self) -> str:
        """The status and the vendor's text, for a message: quoted."""
        number = f"HTTP {self.status}"
        return number if self.message == number else f"{number} {quoted(self.message)}"

    @property
    def message(self) -> str:
        """The vendor's text: cut, and without secrets or addresses."""
        body = self.payload
        text: object = body.get("message") if isinstance(body, Mapping) else None
        if isinstance(text, list):  # HighLevel's 422 (observed 2026-09-12)
            text = "; ".join(str(item) for item in text)
        if not text and body:
            text = json.dumps(body)
        return redacted(str(text or self.text or f"HTTP {self.status}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The vendor answered, with whatever status."""

    response: Response


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent:
    """There was no connection: the vendor did not get the request."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """The request was sent and no whole answer came: it may have taken effect."""

    detail: str


Outcome = Answered | NotSent | NoAnswer
"""The outcome of one attempt."""


def redacted(text: str) -> str:
    """Text that may be logged and kept: no token, e-mail address or phone number; cut."""
    text = " ".join(text.split())
    if len(text) > _READ:
        # Half a secret may not be recognised; a single word of that length stays as it is.
        text = text[:_READ].rpartition(" ")[0] or text[:_READ]
    for pattern, replacement in ((_SECRETS, "<secret>"), (_EMAIL, "<e-mail>"), (_PHONE, "<phone>")):
        text = pattern.sub(replacement, text)
    return text if len(text) <= LONGEST_WORDS else text[: LONGEST_WORDS - 1] + "…"


def segment(key: str, side: str) -> str:
    """An id as one segment of a path.

    Raises:
        Rejected: it cannot be one; the request would go to another path.
    """
    written = quote(key, safe="", errors="surrogatepass")
    if written.strip(".") == "":
        raise Rejected(f"{quoted(key)} is no id that can be asked for", side=side)
    if len(written) > LONGEST_ADDRESS:
        raise Rejected(
            f"an id of {len(key)} characters, {quoted(redacted(key[:LONGEST_KEY]))}, is too long "
            "to be asked for",
            side=side,
        )
    return written
