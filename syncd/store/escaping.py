"""Text that SQLite and PostgreSQL both take, lossless.

PostgreSQL refuses U+0000 in text, and neither database takes the lone
surrogates that a vendor's JSON may hold: these characters are stored as escapes.
"""

import re

MARK = "\ue000"
"""Opens an escape: this private character and four hexadecimal digits."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff\ue000]")
_ESCAPED = re.compile(MARK + "([0-9a-f]{4})")


def storable(text: str) -> str:
    """The text with every character escaped that one of the databases would refuse."""
    # Of plain ASCII only U+0000 is refused; the expression looks at every character in turn.
    if text.isascii() and "\x00" not in text:
        return text
    if _UNSTORABLE.search(text) is None:
        return text
    return _UNSTORABLE.sub(lambda found: f"{MARK}{ord(found[0]):04x}", text)


def readable(text: str) -> str:
    """The text that `storable` was given."""
    if MARK not in text:
        return text
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
