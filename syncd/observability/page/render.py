"""The page as a whole: what is wrong in one line, then every link, worst first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from syncd.observability.health import LinkHealth, by_trouble
from syncd.observability.page import parts, words
from syncd.observability.page.style import STYLE

REFRESH = 15
"""Seconds after which the page loads itself again."""

_NAVIGATION_FROM = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the page is drawn from, and how."""

    at: datetime
    version: str
    links: Sequence[LinkHealth] = ()
    personal: bool = False
    """Whether somebody asked to see titles and other personal data."""
    unhealthy_reason: str = ""
    """Why the daemon itself is not sound."""
    notice: str = ""
    """What people should know that is no trouble of a link."""


def render(look: Look) -> str:
    """The document."""
    links = by_trouble(look.links)
    told = summary(links)
    boxes = _box("bad", "The daemon is not sound:", look.unhealthy_reason)
    boxes += _box("warn", "Please note:", look.notice)
    sections = "".join(parts.link_section(link, personal=look.personal) for link in links)
    return _document(
        title=f"syncd: {told}",
        header=(
            f"<h1>syncd</h1><p><strong>{told}</strong></p>"
            f'<p class="soft">as of {words.moment(look.at, look.at)} UTC; '
            f"all times are UTC; loads itself again every {REFRESH} s</p>"
            f"{boxes}{_navigation(links)}"
        ),
        main=sections or "<p>No link is configured.</p>",
        footer=_footer(look),
    )


def unavailable(version: str, detail: str) -> str:
    """The page when our own store cannot be read."""
    return _document(
        title="syncd: the store cannot be read",
        header="<h1>syncd</h1>",
        main=_box("bad", "The store cannot be read:", detail),
        footer=f"<p>syncd {words.text(version)}</p>",
    )


def summary(links: Sequence[LinkHealth]) -> str:
    """All links in one line: what needs a person comes first."""
    if not links:
        return "no link is configured"
    troubled = sum(link.code != 0 for link in links)
    held = sum(len(link.held) for link in links)
    told = []
    if troubled and len(links) == 1:
        told.append("1 link, in trouble")
    elif troubled:
        told.append(f"{troubled} of {words.count(len(links), 'link')} in trouble")
    else:
        told.append(f"{words.count(len(links), 'link')}, no trouble")
    if held:
        told.append(f"{words.count(held, 'record')} held")
    return ", ".join(told)


def _box(tone: str, title: str, told: str) -> str:
    if not told:
        return ""
    return f'<p class="todo {tone}"><strong>{title}</strong> {words.text(told)}</p>'


def _navigation(links: Sequence[LinkHealth]) -> str:
    if len(links) < _NAVIGATION_FROM:
        return ""
    rows = "".join(
        f'<li><a href="#link-{words.text(link.name)}">{words.text(link.name)}</a> '
        f"{parts.badges(link)}</li>"
        for link in links
    )
    return f'<nav aria-label="Links"><ul>{rows}</ul></nav>'


def _footer(look: Look) -> str:
    ask = (
        '<a href="/">mask personal data again</a>'
        if look.personal
        else '<a href="/?personal=yes">show titles and other personal data</a>'
    )
    return (
        f'<p>syncd {words.text(look.version)} · <a href="/healthz">health as JSON</a> · '
        f'<a href="/metrics">metrics</a> · {ask}</p>'
    )


def _document(*, title: str, header: str, main: str, footer: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="robots" content="noindex">'
        f'<meta http-equiv="refresh" content="{REFRESH}">'
        f'<title>{title}</title><link rel="icon" href="data:,"><style>{STYLE}</style></head><body>'
        '<a class="skip" href="#main">Skip to the links</a>'
        f'<header>{header}</header><main id="main">{main}</main><footer>{footer}</footer>'
        "</body></html>\n"
    )
