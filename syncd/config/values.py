"""The kinds of values that a configuration key may hold, and how each is written.

Used by the settings models; pure functions and annotated types, no files and
no environment. Every type carries an `Accepts`, the words that an error
message and the example file use for what may stand there.
"""

from __future__ import annotations

import re
import shlex
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import AfterValidator, BeforeValidator

from syncd.core import mapped_fields

LONGEST = timedelta(days=36_500)
"""A century: far beyond any use, and still safe to add to any date of today."""

MOST = 10**9
"""A count beyond any use, and still a number for every database."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?) ?([smhd]?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepts:
    """What is accepted at a key: the end of the sentence `accepted: …`."""

    words: str


def duration(given: object) -> timedelta:
    """Read a number of seconds, or a string such as "90s", "5m", "6h", "30d".

    Raises ValueError for anything else, for what is negative and for more than
    a century.
    """
    span = given if isinstance(given, timedelta) else timedelta(seconds=_seconds(given))
    if span > LONGEST:
        raise ValueError("longer than 36500d")
    return span


def _seconds(given: object) -> float:
    match = _DURATION.fullmatch(str(given).strip())
    if match is None or not isinstance(given, int | float | str):
        raise ValueError("not a duration")
    number, unit = match.groups()
    # The bound keeps timedelta from overflowing; `duration` refuses what reaches it.
    return min(float(number) * _UNITS[unit or "s"], LONGEST.total_seconds() + 1)


def _positive(span: timedelta) -> timedelta:
    if span <= timedelta():
        raise ValueError("must be longer than zero")
    return span


def words_of(span: timedelta) -> str:
    """Write a duration in the largest unit that needs no fraction: `6h`, `90s`, `0.5s`."""
    seconds = span.total_seconds()
    for unit in ("d", "h", "m"):
        # A minute reads better as 60s, beside the 30s and 90s that people try next.
        if seconds > 60 and seconds % _UNITS[unit] == 0:
            return f"{int(seconds // _UNITS[unit])}{unit}"
    return f"{seconds:g}s" if seconds < 1e6 else f"{int(seconds)}s"


_DURATION_WORDS = 'a number of seconds, or a duration such as "90s", "5m", "6h", "30d"'

Duration = Annotated[timedelta, BeforeValidator(duration), Accepts(words=_DURATION_WORDS)]
PositiveDuration = Annotated[
    timedelta,
    BeforeValidator(duration),
    AfterValidator(_positive),
    Accepts(words=f"{_DURATION_WORDS}, longer than nothing"),
]


def _no_truth(given: object) -> object:
    """Keep `true` from passing for the number 1."""
    if isinstance(given, bool):
        raise ValueError("not a number")  # noqa: TRY004 - pydantic collects ValueErrors
    return given


def _at_least(least: int, most: int | None = None) -> Callable[[int], int]:
    def check(number: int) -> int:
        if number < least or (most is not None and number > most):
            raise ValueError("out of range")
        return number

    return check


Count = Annotated[
    int,
    BeforeValidator(_no_truth),
    AfterValidator(_at_least(1, MOST)),
    Accepts(words="a whole number, 1 or more"),
]
Floor = Annotated[
    int,
    BeforeValidator(_no_truth),
    AfterValidator(_at_least(0, MOST)),
    Accepts(words="a whole number, 0 or more"),
]
HubId = Annotated[
    int,
    BeforeValidator(_no_truth),
    AfterValidator(_at_least(0, 10**15)),
    Accepts(words="the number of a HubSpot account, such as 14800123, or 0"),
]
Percent = Annotated[
    int,
    BeforeValidator(_no_truth),
    AfterValidator(_at_least(0, 100)),
    Accepts(words="a whole number from 0 to 100"),
]


def _link_name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9_]+", text):
        raise ValueError("not a link name")
    return text


LinkName = Annotated[
    str, AfterValidator(_link_name), Accepts(words="a name made of a-z, 0-9 and _")
]


def _one_word(text: str) -> str:
    if not text or any(mark.isspace() or not mark.isprintable() for mark in text):
        raise ValueError("empty, or has white space")
    return text


def _one_word_or_none(text: str) -> str:
    return _one_word(text) if text else text


Id = Annotated[str, AfterValidator(_one_word), Accepts(words="an id, without white space")]
OptionalId = Annotated[
    str, AfterValidator(_one_word_or_none), Accepts(words='an id, without white space, or ""')
]
Ids = Annotated[tuple[Id, ...], Accepts(words='a list of ids: ["…", "…"]')]
PropertyName = Annotated[
    str,
    AfterValidator(_one_word),
    Accepts(words="the internal name of a HubSpot property"),
]


_ED25519 = bytes.fromhex("302a300506032b6570032100")
"""What comes before the 32 bytes of a public key (RFC 8410, 4)."""


def _ed25519_key(text: str) -> str:
    try:
        key = b64decode(text, validate=True)
    except ValueError:
        key = b""
    if not key.startswith(_ED25519) or len(key) != len(_ED25519) + 32:
        raise ValueError("not an Ed25519 key")
    return text


Ed25519Key = Annotated[
    str,
    AfterValidator(_ed25519_key),
    Accepts(words='a public Ed25519 key in base64, "MCow…", or a list of them'),
]


def _text(given: object) -> object:
    """HubSpot's values are texts, but people write `77` and `true` for them."""
    if isinstance(given, bool):
        return "true" if given else "false"
    return str(given) if isinstance(given, int) else given


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("empty")
    return text


PropertyValue = Annotated[
    str,
    BeforeValidator(_text),
    AfterValidator(_filled),
    Accepts(words="the internal value of a HubSpot property"),
]


def _listed(given: object) -> object:
    """One value may stand without its brackets."""
    return given if isinstance(given, list | tuple) else [given]


_T = TypeVar("_T")
OneOrMore = Annotated[tuple[_T, ...], BeforeValidator(_listed)]
"""A list; a single one may stand without its brackets."""


def _any_values(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("an empty list matches no record")
    return values


PropertyFilter = Annotated[
    Mapping[
        PropertyName,
        Annotated[
            tuple[PropertyValue, ...],
            BeforeValidator(_listed),
            AfterValidator(_any_values),
            Accepts(words='a list of values: ["value", "value"]'),
        ],
    ],
    Accepts(words='a table of lists: { property = ["value", "value"] }'),
]


def command_line(given: object) -> object:
    """A command may stand as one text, split as a shell would; "" is none."""
    return shlex.split(given) if isinstance(given, str) else given


def _names_a_program(words: tuple[str, ...]) -> tuple[str, ...]:
    if words and not words[0]:
        raise ValueError("the first word is the program")
    return words


CommandLine = Annotated[
    tuple[str, ...],
    BeforeValidator(command_line),
    AfterValidator(_names_a_program),
    Accepts(words='a program and its arguments: ["/usr/local/bin/page", "--urgent"]'),
]


def _api_version(version: str) -> str:
    if not re.fullmatch(r"\d{4}-\d{2}", version):
        raise ValueError("not a dated version")
    return version


ApiVersion = Annotated[
    str, AfterValidator(_api_version), Accepts(words='a dated version such as "2026-03"')
]


def _object_type(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ValueError("not an object type")
    return name


ObjectType = Annotated[
    str,
    AfterValidator(_object_type),
    Accepts(words='the id or name of a HubSpot object type, such as "0-421"'),
]


def _switch(*, on: str, off: str) -> BeforeValidator:
    """Let `true` and `false` mean two of the words, also as environment text."""
    words = {"true": on, "false": off}

    def read(given: object) -> object:
        return words.get(str(given).lower(), given) if isinstance(given, bool | str) else given

    return BeforeValidator(read)


Notify = Annotated[
    Literal["never", "live", "always"],
    _switch(on="always", off="never"),
    Accepts(words="never | live | always (false and true mean never and always)"),
]
CreateContacts = Annotated[
    Literal["both", "hubspot", "ghl", "none"],
    _switch(on="both", off="none"),
    Accepts(words="both | hubspot | ghl | none (true and false mean both and none)"),
]

Way = Literal["both", "ghl_to_hubspot", "hubspot_to_ghl"]
FieldWay = Literal["both", "ghl_to_hubspot", "hubspot_to_ghl", "off"]
Winner = Literal["newest", "ghl", "hubspot", "hold"]
GhlStatus = Literal["new", "confirmed", "showed", "noshow", "cancelled", "invalid"]


def _ghl_status(name: str) -> str:
    if name not in get_args(GhlStatus):
        raise ValueError("not a HighLevel status")
    return name


# A key is a plain text to those who read the table: the keys of a Mapping are invariant.
GhlStatusKey = Annotated[
    str, AfterValidator(_ghl_status), Accepts(words=" | ".join(get_args(GhlStatus)))
]


def _ghl_field(name: str) -> str:
    if name not in mapped_fields.FIELDS:
        known = {each.casefold(): each for each in mapped_fields.FIELDS}
        near = get_close_matches(name.casefold(), known, n=1, cutoff=0.6)
        raise ValueError(
            "this is no field of a HighLevel appointment that can be mapped"
            + (f"; did you mean {known[near[0]]}?" if near else "")
        )
    return name


GhlField = Annotated[
    str, AfterValidator(_ghl_field), Accepts(words=", ".join(sorted(mapped_fields.FIELDS)))
]


def _map_name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9_]+", text):
        raise ValueError("not the name of a mapped field")
    if text in RESERVED:
        raise ValueError("the name of a standard field")
    return text


RESERVED = ("title", "time", "start", "end", "status", "description", "address", "owner", "contact")
"""What reports call the fields of their own: no map may be called so."""

# As with the statuses, a plain text to those who read the table.
MapName = Annotated[
    str,
    AfterValidator(_map_name),
    Accepts(words=f"a name made of a-z, 0-9 and _, other than {', '.join(RESERVED)}"),
]


def _link_template(text: str) -> str:
    if text and not text.startswith(("https://", "http://")):
        raise ValueError("not an address")
    strange = set(re.findall(r"\{([^{}]*)\}", text)) - set(mapped_fields.PLACES)
    if strange:
        raise ValueError(f"an address cannot name {', '.join(sorted(strange))}")
    return text


LinkTemplate = Annotated[
    str,
    AfterValidator(_link_template),
    Accepts(
        words="an address with any of "
        + ", ".join(f"{{{place}}}" for place in mapped_fields.PLACES)
        + ' in it, or ""'
    ),
]
