"""The status page: one HTML document, rendered on the server, that needs nothing else.

`server` calls `render` for every request. It works without its script, which
keeps it up to date in place and copies commands. The templates, the style sheet
and the script are package data. Every text they show is redacted and escaped on
its way out; values that belong to persons are masked for who may not see them.
`address` is its query, `offers` are the decisions that it offers, `view` prepares what
is held and written, `plot` the axis of a day, `observability.words` says times and amounts.
"""

from syncd.observability.page.address import Address
from syncd.observability.page.offers import NotDecided, Press
from syncd.observability.page.render import (
    MANY,
    Days,
    Look,
    NameKey,
    render,
    script_hash,
    style_hash,
    unavailable,
)
from syncd.observability.page.view import HISTORY

__all__ = [
    "HISTORY",
    "MANY",
    "Address",
    "Days",
    "Look",
    "NameKey",
    "NotDecided",
    "Press",
    "render",
    "script_hash",
    "style_hash",
    "unavailable",
]
