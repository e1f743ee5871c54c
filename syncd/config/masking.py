"""Keeps secrets out of what the configuration says about itself.

Used for error messages and `config show`. A token never stands in the
configuration, but people put it there by mistake, and a database address may
hold a password.
"""

import re

MASK = "***"

# HighLevel's private integrations and HubSpot's private apps mark their tokens so.
_TOKEN = re.compile(r"\b(?:pit|pat)-[A-Za-z0-9-]{6,}")
_BEARER = re.compile(r"(?i)(bearer\s+)\S+")
# Greedy on purpose: a password with a stray @ or / in it must not show its tail.
_USERINFO = re.compile(r"(://)[^\s\"]*@")
_PASSWORD = re.compile(r"(?i)(password=)[^&\s\"]+")


def masked(text: str) -> str:
    """Cover tokens, and the user and password of an address."""
    text = _TOKEN.sub(MASK, text)
    text = _BEARER.sub(rf"\1{MASK}", text)
    text = _USERINFO.sub(rf"\1{MASK}@", text)
    return _PASSWORD.sub(rf"\1{MASK}", text)
