"""Removes secrets and personal data from everything that leaves the process.

Used by `logging` for every line, and by the verbs and the status page for
texts that hold a vendor's words. Secrets are masked always: those that were
registered, and whatever looks like a token. The data of persons are masked
where the caller asks for it: e-mail addresses and phone numbers by their
look; names, which cannot be told from other words, with the fields that hold
them, and with the words of others that `errors.quoted` marked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from threading import Lock
from typing import Any
from urllib.parse import quote

from syncd.errors import QUOTED, UNSAID

MASK = "***"

SHORTEST_SECRET = 4
"""A shorter secret is none, and masking it would tear every line apart."""

PERSONAL_KEYS = frozenset(
    {
        "address",
        "contact_name",
        "description",
        "email",
        "emails",
        "first_name",
        "firstname",
        "full_name",
        "last_name",
        "lastname",
        "name",
        "notes",
        "phone",
        "phones",
        "title",
    }
)
"""Fields whose values belong to a person: a title is often "Check-up Ana Example"."""

_TOKENS = re.compile(
    r"""
      (?<![A-Za-z0-9])(?:pit|pat)-[A-Za-z0-9-]{6,}       # private integration, private app
    | (?<![A-Za-z0-9])eyJ[\w-]{8,512}\.[\w-]+(?:\.[\w-]*)?  # a JSON web token, of OAuth
    """,
    re.VERBOSE,
)
_ADDRESS = re.compile(r"://[^\s\"']+")
_HEADERS = re.compile(r"(?i)\b(bearer|basic)(\s+)(?!\*)[A-Za-z0-9._~+/=-]{6,}")
_FIELDS = re.compile(
    r"(?i)((?:access_?token|refresh_?token|client_?secret|password|api_?key|hapikey)"
    r"[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,}]+"
)
_WORD = r"[^\s@\"'<>(),;:\[\]{}=&?/\\]"
# From the start of a word only: tried at each of its letters, a long one would take square time.
_EMAIL = re.compile(rf"(?<!{_WORD}){_WORD}+(?:@|%40)[\w.-]+\.\w{{2,}}")
_PHONE = re.compile(
    r"""
      (?<![\w+])(?:\+|%2B|00(?=[1-9]))\d(?:[\s().-]{0,2}\d){6,14}(?!\d)       # international
    | (?<![\w.-])\(?\d{3}\)?[\s.-]{1,2}\d{3}[\s.-]\d{4}(?![\w-])    # national, in its usual groups
    """,
    re.VERBOSE,
)
_OF_CODE = re.compile(r"\s*[|+]?(?: {4}|\s*File \"|Traceback|syncd\.)")
"""A line of a traceback that is code or its place, or an error of `syncd.errors`."""

_BETWEEN_QUOTES = re.compile(r"(?<!\w)(['\"]).*\1")
"""From the first quote of a line to its last: what is quoted may hold quotes."""

_registered: set[str] = set()
_secrets: dict[str, Mapping[str, int]] = {}
"""The secrets' forms by their last letters, since tokens of a vendor begin alike: a line is
compared with few of many thousands. With each, how many secrets take it: two may share one.
"""
_registering = Lock()


def register_secret(value: str, replaced: str = "") -> None:
    """Mask this secret in everything that is redacted from now on, and no more one it replaced.

    Process-wide on purpose: whoever writes a line need not know which secrets
    there are. The forms that it takes in an address and in JSON count as well.
    """
    with _registering:
        if replaced in _registered and replaced != value:
            _registered.remove(replaced)
            for form in _forms(replaced):
                _count(form, -1)
        if len(value) >= SHORTEST_SECRET and value not in _registered:
            _registered.add(value)
            for form in _forms(value):
                _count(form, 1)


def _forms(value: str) -> set[str]:
    forms = {value, quote(value, safe=""), repr(value)[1:-1]}
    return forms | {json.dumps(form)[1:-1] for form in forms}


def _count(form: str, more: int) -> None:
    """One secret more or less takes this form; the table of an ending is replaced whole."""
    end = _end(form)
    known = dict(_secrets.get(end, {}))
    known[form] = known.get(form, 0) + more
    _secrets[end] = {each: count for each, count in known.items() if count > 0}
    if not _secrets[end]:
        del _secrets[end]


def _end(form: str) -> str:
    return form[-SHORTEST_SECRET:]


def forget_secrets() -> None:
    """Empty the registry (for tests)."""
    with _registering:
        _registered.clear()
        _secrets.clear()


def redact(text: str, *, personal: bool = True) -> str:
    """Mask secrets; with `personal` e-mail addresses, phone numbers and quoted words too."""
    ends = {text[at : at + SHORTEST_SECRET] for at in range(len(text))}
    possible = [form for end in ends & _secrets.keys() for form in _secrets.get(end, ())]
    # The longest first: one secret may be the beginning of another.
    for secret in sorted(possible, key=lambda form: (-len(form), form)):
        text = text.replace(secret, MASK)
    text = _ADDRESS.sub(_without_login, text)
    text = _TOKENS.sub(MASK, text)
    text = _HEADERS.sub(rf"\1\2{MASK}", text)
    text = _FIELDS.sub(rf"\1{MASK}", text)
    if personal:
        text = _PHONE.sub(MASK, _EMAIL.sub(MASK, QUOTED.sub(UNSAID, text)))
    return text


def _without_login(address: re.Match[str]) -> str:
    """An address without its user and password, which may hold a stray @ or / themselves."""
    login, mark, rest = address[0].rpartition("@")
    return f"://{MASK}@{rest}" if mark and login != "://" else address[0]


def redact_traceback(text: str) -> str:
    """Mask what stands between quotes in the messages of errors that are not ours.

    `KeyError: 'Ana'` tells of a person; the places and lines of code do not.
    """
    return "\n".join(
        line if _OF_CODE.match(line) else _BETWEEN_QUOTES.sub(rf"\1{MASK}\1", line)
        for line in redact(text).split("\n")
    )


def redact_value(value: object, *, personal: bool = True) -> object:
    """The same for a value that may hold texts at any depth; other objects become texts."""
    match value:
        case str():
            return redact(value, personal=personal)
        case Mapping():
            return redact_fields(value, personal=personal)
        case list() | tuple() | set() | frozenset():
            return [redact_value(item, personal=personal) for item in value]
        case None | bool() | int() | float():
            return value
        case _:
            # An object is written by its text, which may hold anything.
            return redact(str(value), personal=personal)


def redact_fields(fields: Mapping[Any, object], *, personal: bool = True) -> dict[Any, object]:
    """The same for named values: a name of `PERSONAL_KEYS` masks whatever it holds."""
    return {
        key: MASK
        if personal and value and str(key).lower() in PERSONAL_KEYS
        else redact_value(value, personal=personal)
        for key, value in fields.items()
    }
