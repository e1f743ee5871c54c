"""Persons, texts and ids of a recording, replaced so that every decision stays the same.

The same value gets the same replacement. Kept are: equality, emptiness, letter
case, prefixes and cuts, markup, escapes, the shapes of e-mails and phones, the
order of ids, instants and zones, and the closed words of the configuration.
Every letter is replaced by another one of its alphabet, every digit by another
digit. Which one depends on a secret that is made for each recording and
forgotten, and on the letters before it in its word; so a word that was cut
still begins like the whole one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from enum import EnumType
from functools import cache
from hashlib import blake2b
from html import unescape
from typing import Any

from syncd.core import model, outcome, policy
from syncd.core.status import GHL_STATUSES
from syncd.ports import store
from syncd.recording.taps import Line

IDS = frozenset(
    {
        *("id", "ghl_id", "hubspot_id", "contact", "contacts", "calendar", "calendars"),
        *("external_id", "location_id", "owner", "master", "primary", "team", "became"),
        *("assignee", "default_calendar", "default_assignee", "pair_with", "replaced"),
    }
)
"""The keys whose texts are ids."""

KEPT = frozenset(
    {"part", "side", "key", "property", "timezone", "country", "error", "kind", "group", "action"}
    | {
        "kept_back",
        "reason",
        "policy",
        "field",
        "outcome",
        "version",
        "code",
        "link",
        "cycle",
        "at",
    }
)
"""The keys whose texts say nothing of a person."""

_AT = r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)"
_SPAN = r"-?P(?=\d|T\d)(?:\d+[YMWD])*(?:T[\dHMS.]+)?"
_INSTANT = re.compile(rf"{_AT}|(?:{_AT}|\?) to (?:{_AT}|\?)|{_SPAN}")
_ENTITY = re.compile(r"&(?:amp;)*(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*);")
_TAG = re.compile(r"<[^<>]*>")
_PARTS = frozenset({"br", "p", "div", "li", "ul", "ol", "tr", "td", "h1", "h2", "h3"})
"""Tags that part two words; others may stand within one."""


def words() -> set[str]:
    """The closed words of the program."""
    found = {*GHL_STATUSES, "", "yes", "unread", "appointment", "contact", "record", "start", "end"}
    for module in (model, outcome, policy, store):
        for each in vars(module).values():
            if isinstance(each, EnumType):
                found |= {str(member.value) for member in each}  # type: ignore[var-annotated]
    return found | {*model.REASONS, "retry", "resolve", "undo", "apply", "kick", "approve"}


class Disguise:
    """Replaces every text of a recording; `digests` maps old digests to new ones."""

    def __init__(self, secret: bytes, lines: Iterable[Line], known: Iterable[str]) -> None:
        self._secret = secret
        self._words = words() | {*known}
        ids = set[str]()
        for line in lines:
            _collect(line, "", ids.add)
        ids -= self._words
        self._ids = {each: f"{rank:010d}" for rank, each in enumerate(sorted(ids), 10**9)}
        self._texts: dict[str, str] = {}
        self._shifts: dict[tuple[str, int], int] = {}
        self.digests: dict[str, str] = {}

    def line(self, line: Line) -> Line:
        """A line with everything replaced."""
        return {key: self._value(value, key) for key, value in line.items()}

    def _value(self, value: Any, key: str) -> Any:
        if isinstance(value, str):
            return value if key in KEPT else self.text(value)
        if isinstance(value, list):
            return [self._value(each, key) for each in value]
        if isinstance(value, Mapping):
            # An id may be a key; the names of fields are words, and stay.
            return {self.key(name): self._value(each, name) for name, each in value.items()}
        return value

    def key(self, name: str) -> str:
        """A key of a mapping."""
        if name in self._ids:
            return self._ids[name]
        return name if re.fullmatch(r"[a-z_][a-z_0-9:]*|[A-Z_]+", name) else self.text(name)

    def text(self, value: str) -> str:
        """The replacement of a text."""
        if value in self._words or _INSTANT.fullmatch(value):
            return value
        if value in self._ids:
            return self._ids[value]
        if value in self.digests:
            return self.digests[value]
        if value not in self._texts:
            self._texts[value] = self._scrambled(value)
        return self._texts[value]

    def _scrambled(self, text: str) -> str:
        """A text, unit by unit; each is replaced by what came before it in its word."""
        found: list[str] = []
        prefix, at = "", 0
        while at < len(text):
            tag = _TAG.match(text, at)
            if tag is not None:
                name = re.match(r"</?\s*([A-Za-z0-9]*)", tag[0])
                found.append(self._inside(tag[0]))
                prefix = "" if name and name[1].lower() in _PARTS else prefix
                at = tag.end()
                continue
            unit, plain = _unit(text, at)
            at += len(unit)
            if not plain:
                found.append(unit)
                prefix = ""
                continue
            found.append(_like(unit, plain, self._letter(prefix, plain)))
            prefix += plain.casefold()
        return "".join(found)

    def _inside(self, tag: str) -> str:
        return "<" + self._scrambled(tag[1:-1]) + ">"

    def _letter(self, prefix: str, letter: str) -> str:
        lower = letter.lower()
        if len(lower) == 1 and lower != letter and lower.upper() == letter:
            return self._letter(prefix, lower).upper()
        alphabet = _alphabet(letter)
        place = alphabet.find(letter)
        if place < 0 or len(alphabet) < 2:
            return letter
        key = prefix, len(alphabet)
        if key not in self._shifts:
            seed = self._secret + f"{len(alphabet)} {prefix}".encode("utf-8", "surrogatepass")
            number = int.from_bytes(blake2b(seed, digest_size=8).digest())
            self._shifts[key] = 1 + number % (len(alphabet) - 1)
        return alphabet[(place + self._shifts[key]) % len(alphabet)]


def _collect(value: Any, key: str, add: Callable[[str], object]) -> None:
    """Every id, by the key under which it stands."""
    if isinstance(value, str):
        if key in IDS and value and not _INSTANT.fullmatch(value):
            add(value)
    elif isinstance(value, list):
        for each in value:
            _collect(each, key, add)
    elif isinstance(value, Mapping):
        for name, each in value.items():
            _collect(each, name, add)


def _unit(text: str, at: int) -> tuple[str, str]:
    """The next unit, and the letter or digit that it stands for ("" for everything else)."""
    entity = _ENTITY.match(text, at)
    if entity is not None:
        plain = entity[0]
        while (shorter := unescape(plain)) != plain:
            plain = shorter
        return entity[0], plain if len(plain) == 1 and _is_letter(plain) else ""
    end = at + 1
    while end < len(text) and unicodedata.combining(text[end]):
        end += 1
    unit = text[at:end]
    composed = unicodedata.normalize("NFC", unit)
    if len(composed) == 1:
        return unit, composed if _is_letter(composed) else ""
    # Marks that no letter is made with follow on their own.
    return text[at], text[at] if _is_letter(text[at]) else ""


def _is_letter(sign: str) -> bool:
    return sign.isalpha() or sign.isdecimal()


def _like(unit: str, plain: str, new: str) -> str:
    """The new letter, written as the old one was: escaped, in parts, or plainly."""
    if unit.startswith("&") and len(unit) > 1:
        return "&" + "amp;" * unit.count("amp;") + f"#{ord(new)};"
    return unicodedata.normalize("NFD", new) if unit != plain else new


@cache
def _alphabet(letter: str) -> str:
    """The signs that may take a letter's place: of its block, its kind and its case."""
    if letter.isdecimal() and letter.isascii():
        return "0123456789"
    if letter.isascii():
        return "abcdefghijklmnopqrstuvwxyz"
    first = ord(letter) & ~0x7F
    return "".join(sign for sign in map(chr, range(first, first + 0x80)) if _alike(sign, letter))


def _alike(one: str, other: str) -> bool:
    return all(trait(one) == trait(other) for trait in _TRAITS)


_TRAITS: tuple[Callable[[str], object], ...] = (
    unicodedata.category,
    lambda sign: len(sign.casefold()) == 1 and sign.casefold() == sign,
    lambda sign: len(sign.upper()) == 1 and sign.upper().lower() == sign,
    lambda sign: len(unicodedata.normalize("NFD", sign)),
    lambda sign: unicodedata.normalize("NFC", sign) == sign,
)
