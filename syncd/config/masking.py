"""Keeps secrets out of messages about the configuration.

Used for error messages and `config show`. A token never stands in the
configuration, but people put it there by mistake, and a database address may
hold a password.
"""

import re

MASK = "***"

_EXAMPLE = "://user@host/dbname"
"""What messages propose as the address of a database: nobody's login."""

# HighLevel's private integrations and HubSpot's private apps mark their tokens so.
_TOKEN = re.compile(r"\b(?:pit|pat)-[A-Za-z0-9-]{6,}")
_BEARER = re.compile(r"(?i)(bearer\s+)\S+")
_ADDRESS = re.compile(r"://[^\s\"]*")
_PASSWORD = re.compile(r"(?i)(password=)[^&\s\"]+")


def without_login(address: str) -> str:
    """An address, whole and by itself, without its user and password.

    To the last @ on purpose: a password with a stray @ or / in it must not show its tail.
    """
    head, mark, rest = address.partition("://")
    _, at, tail = rest.rpartition("@")
    return f"{head}{mark}{MASK}@{tail}" if at else address


def masked(text: str) -> str:
    """Cover tokens, and the user and password of an address."""
    text = _TOKEN.sub(MASK, text)
    text = _BEARER.sub(rf"\1{MASK}", text)
    text = _ADDRESS.sub(lambda at: at[0] if at[0] == _EXAMPLE else without_login(at[0]), text)
    return _PASSWORD.sub(rf"\1{MASK}", text)
