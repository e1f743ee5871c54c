"""A request and an answer as plain values, and what can become of one attempt.

The protocols build `Request`s and read `Response`s without touching a
network; `retry` judges an `Outcome`; only `http` knows the library that
carries them. Leaves out what an answer means: that is each vendor's own.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from syncd.errors import Rejected, quoted
from syncd.ports.refusals import Asked

LONGEST_WORDS = 256
"""Characters of a vendor's body that an error may carry."""

LONGEST_KEY = 40
"""Characters of an id that an error shows."""

LONGEST_ADDRESS = 8_000
"""Characters of a path, or of a query: most servers answer 414 beyond that, or nothing."""

_READ = 8 * LONGEST_WORDS
"""Characters of a vendor's words that are looked at: more than can be left of them."""

_SECRETS = re.compile(r"(?i)\bbearer\s+\S+|\bp[ia]t-[\w-]{8,}|\beyJ[\w.-]{16,}")
_WORD = r"[^\s@\"'<>,;:()\[\]{}]"
# From the start of a word only: tried at each of its letters, a long one would take square time.
_EMAIL = re.compile(rf"(?<!{_WORD}){_WORD}++@{_WORD}+\.{_WORD}+")
_PHONE = re.compile(r"\+\d[\d ().-]{5,}\d|\(\d{3}\) ?\d{3}-\d{4}")


_READING = ("/search", "/batch/read")
"""Ends of paths that are read by POST."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call of a vendor's API, complete but for the credentials.

    `path` starts with a slash and has its segments quoted already; query
    values are not encoded yet, and a sequence repeats its key. `json` None
    sends no body.
    """

    method: str
    path: str
    query: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    json: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    asked: Asked = Asked.RECORD
    """What it is about: how far a refusal of it reaches."""
    repeatable: bool = True
    """Whether sending it twice ends like sending it once. A create without a key is not."""
    kind: str = ""
    """Which further limit it counts against, besides the account's: `search`, or none."""
    ready: Callable[[], None] | None = field(default=None, compare=False)
    """Asked before each attempt, with its place in the rate budget in hand: raises where the
    request must not go out any more (`errors.Outdated`)."""

    @property
    def writes(self) -> bool:
        """Whether it may change something: whatever is not known to read only."""
        return self.method != "GET" and not self.path.endswith(_READING)

    @property
    def too_long(self) -> bool:
        """Whether its address is longer than servers take: a text of somebody's went into it."""
        return max(len(self.path), len(urlencode(self.query, doseq=True, errors="replace"))) > (
            LONGEST_ADDRESS
        )

    @property
    def label(self) -> str:
        """The request for a log or an error; the query stays out, for it may name people."""
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
        """Any 2xx: the vendors mix 200, 201, 204 and 207 for the same thing."""
        return 200 <= self.status < 300

    @property
    def said(self) -> str:
        """The status and the vendor's words, for a message: marked as the words of others."""
        number = f"HTTP {self.status}"
        return number if self.words == number else f"{number} {quoted(self.words)}"

    @property
    def words(self) -> str:
        """What the vendor says, to be judged by: cut, and without secrets or addresses."""
        body = self.payload
        said: object = body.get("message") if isinstance(body, Mapping) else None
        if isinstance(said, list):  # HighLevel's 422 (observed)
            said = "; ".join(str(item) for item in said)
        if not said and body:
            said = json.dumps(body)
        return redacted(str(said or self.text or f"HTTP {self.status}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The vendor answered, with whatever status."""

    response: Response


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent:
    """The connection did not come about: the vendor has not seen the request."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """The request went out and no whole answer came: it may have taken effect."""

    detail: str


Outcome = Answered | NotSent | NoAnswer
"""What became of one attempt."""


def redacted(text: str) -> str:
    """Text that may be logged and kept: no token, e-mail address or phone number; cut."""
    text = " ".join(text.split())
    if len(text) > _READ:
        # What is cut in two may not look like what it is; a single word that long stays as it is.
        text = text[:_READ].rpartition(" ")[0] or text[:_READ]
    for pattern, stand_in in ((_SECRETS, "<secret>"), (_EMAIL, "<e-mail>"), (_PHONE, "<phone>")):
        text = pattern.sub(stand_in, text)
    return text if len(text) <= LONGEST_WORDS else text[: LONGEST_WORDS - 1] + "…"


def segment(key: str, side: str) -> str:
    """An id as one segment of a path.

    Raises:
        Rejected: it cannot be one: another path, or none at all, would be asked for.
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
