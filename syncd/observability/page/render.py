"""The page as a whole: what is wrong in one line, then every link, worst first."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from syncd.observability import words
from syncd.observability.health import LinkHealth, by_trouble
from syncd.observability.page import plot, view
from syncd.observability.remedies import remedy_of

if TYPE_CHECKING:
    from jinja2 import Environment

REFRESH = 15
"""Seconds after which the page loads itself again."""

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The data of the page, and its options."""

    at: datetime
    version: str
    links: Sequence[LinkHealth] = ()
    personal: bool = False
    """Whether somebody asked to see titles and other personal data."""
    unhealthy_reason: str = ""
    """Why the daemon itself is not sound."""
    notice: str = ""
    """Notices that do not concern a link."""


def render(look: Look) -> str:
    """The document."""
    links = by_trouble(look.links)
    template = _templates().get_template("page.html.jinja")
    return template.render(look=look, links=links, summary=summary(links))


def unavailable(version: str, detail: str) -> str:
    """The page when our own store cannot be read."""
    template = _templates().get_template("unavailable.html.jinja")
    return template.render(version=version, detail=detail)


def summary(links: Sequence[LinkHealth]) -> str:
    """All links in one line: what needs a person comes first."""
    if not links:
        return "no link is configured"
    troubled = sum(link.code != 0 for link in links)
    held = sum(len(link.held) for link in links)
    found = []
    if troubled and len(links) == 1:
        found.append("1 link, in trouble")
    elif troubled:
        found.append(f"{troubled} of {words.count(len(links), 'link')} in trouble")
    else:
        found.append(f"{words.count(len(links), 'link')}, no trouble")
    if held:
        found.append(f"{words.count(held, 'record')} held")
    return ", ".join(found)


def style_hash() -> str:
    """How the content security policy names the style sheet, so that no other gets in."""
    return f"sha256-{b64encode(sha256(_style().encode()).digest()).decode()}"


@cache
def _style() -> str:
    return (_FOLDER / "style.css").read_text("utf-8")


@cache
def _templates() -> Environment:
    """Made once, for the first page: only a process that shows pages imports Jinja2."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    made = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        # All text is redacted before it is escaped; markup holds nothing that was not.
        finalize=lambda held: held if isinstance(held, Markup | int | float) else words.text(held),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["personal"] = lambda held, look: Markup.escape(
        words.value(held, personal=look.personal)
    )
    made.filters["thousands"] = "{:,}".format
    made.globals.update(
        plot=plot,
        view=view,
        words=words,
        remedy_of=remedy_of,
        refresh=REFRESH,
        style=_style(),
    )
    return made
