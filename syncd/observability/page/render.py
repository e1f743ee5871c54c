"""The page as a whole: one sentence, then every link, worst first; many links are a table."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from syncd.core.model import Side
from syncd.observability import words
from syncd.observability.health import LinkHealth, by_trouble
from syncd.observability.page import plot, view
from syncd.observability.page.address import FILTERS, Address
from syncd.observability.page.offers import Form, Offers
from syncd.observability.remedies import remedy_of
from syncd.observability.state import State
from syncd.ports.store import Event

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

REFRESH = 60
"""Seconds after which the page loads itself again where there is no script."""

MANY = 50
"""So many links are a table, each with a page of its own."""

PER_PAGE = 200
"""Links on one page of the table: some 100 kB."""

NameKey = tuple[str, str, Side, str]
"""Link, kind (contact, owner or calendar), side and id."""

_WHOLE = Address()
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """What happened to a link lately."""

    events: Sequence[Event] = ()
    """Of the last 8 days, newest first."""
    trouble: Sequence[tuple[datetime, str]] = ()
    """Cycles of the last day that did not end well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The data of the page, and its options."""

    at: datetime
    version: str
    links: Sequence[LinkHealth] = ()
    link: str = ""
    """The only link that was asked for."""
    known: int = 0
    """How many links there are; 0 for those that are given."""
    personal: bool = False
    """Whether titles and other personal data are shown."""
    unhealthy_reason: str = ""
    """Why the daemon itself is not sound."""
    notice: str = ""
    """Notices that do not concern a link."""
    offers: Mapping[str, Offers] = field(default_factory=dict)
    """What may be decided, by link; nothing where nobody may decide."""
    days: Mapping[str, Days] = field(default_factory=dict)
    names: Mapping[NameKey, str] = field(default_factory=dict)
    """Of people and calendars, for who may see them; an id without a name stands for itself."""

    places: Mapping[str, str] = field(default_factory=dict)
    """By link, the address below which HubSpot shows its appointments, where that is known."""

    def name(self, link: str, kind: str, side: Side, key: str) -> str:
        """A contact, owner or calendar by name, with the id where it is to be told from others."""
        found = self.names.get((link, kind, side, key), "") if self.personal else ""
        return f"{found} ({key})" if found else key

    @property
    def is_table(self) -> bool:
        """Whether the links are a table."""
        return len(self.links) >= MANY


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The links of one page of the table."""

    rows: Sequence[LinkHealth]
    found: int
    """How many links fit what was asked for."""
    page: int
    pages: int
    """How many pages they are, at least 1."""

    @classmethod
    def of(cls, links: Sequence[LinkHealth], address: Address) -> Table:
        """A page of these links, which are in their order; one too far is the last."""
        found = [link for link in links if _fits(link, address)]
        pages = max(1, -(-len(found) // PER_PAGE))
        page = min(max(address.page, 1), pages)
        rows = found[(page - 1) * PER_PAGE : page * PER_PAGE]
        return cls(rows=rows, found=len(found), page=page, pages=pages)


def _fits(link: LinkHealth, address: Address) -> bool:
    if address.find.lower() not in link.name:
        return False
    match address.state:
        case "":
            return True
        case "held":
            return bool(view.waiting(link))
        case "paused":
            return link.paused
        case tone:
            return view.TONES[link.state][0] == tone


def render(look: Look, address: Address = _WHOLE, *, proof: str = "", refusal: str = "") -> str:
    """The document; with a `proof`, decisions can be sent. `refusal` says what was not done."""
    links = by_trouble(look.links)
    template = _templates().get_template("page.html.jinja")
    return template.render(
        look=look,
        here=address,
        links=links,
        table=Table.of(links, address) if look.is_table else None,
        headline=f"There is no link {look.link}."
        if look.link and not links
        else headline(links, look.at),
        tone=_worst_tone(links, look),
        proof=proof,
        refusal=refusal,
        everything=_all_links(links, look.at),
        zones=sorted({str(words.zone_of(link.timezone)) for link in links}) or ["UTC"],
    )


def unavailable(version: str, detail: str) -> str:
    """The page when our own store cannot be read."""
    template = _templates().get_template("unavailable.html.jinja")
    return template.render(version=version, detail=detail, tone="bad")


def headline(links: Sequence[LinkHealth], now: datetime) -> str:
    """All links in a few short sentences: what needs a person comes first."""
    if not links:
        return "No link is configured."
    told = []
    asked = sum(link.state in view.ASKS for link in links)
    broken = sum(view.TONES[link.state][0] == "bad" for link in links)
    if broken:
        told.append(f"{_links(broken)} in trouble.")
    if asked:
        told.append(f"{words.count(asked, 'link needs', 'links need')} your approval.")
    failed = sum(link.state is State.FAILED_WRITES for link in links)
    if failed:
        told.append(f"Some writes failed in {words.count(failed, 'link')}, and are tried again.")
    paused = sum(link.paused for link in links)
    if paused:
        told.append(f"{_links(paused)} paused.")
    told += _in_sync(links, now)
    changed = [at for link in links if (at := view.last_change(link)) is not None]
    if changed:
        told.append(f"Last change {words.long_ago(max(changed), now)}.")
    unexplained = sum(link.unexplained for link in links)
    if unexplained:
        told.append(f"{words.count(unexplained, 'difference')} of the last audit unexplained.")
    held = sum(len(view.waiting(link)) for link in links)
    if held:
        told.append(f"{words.count(held, 'waits', 'wait')} for you.")
    return " ".join(told)


def _in_sync(links: Sequence[LinkHealth], now: datetime) -> list[str]:
    """How much is in sync; of links whose last cycle was not good, how much was, and when."""
    going: list[LinkHealth] = []
    still: list[LinkHealth] = []
    for link in links:
        (going if link.state in view.SYNCS else still).append(link)
    told, number = [], sum(view.in_sync(link) for link in going)
    if number:
        over = f" over {len(going)} links" if len(going) > 1 else ""
        told.append(f"{words.count(number, 'appointment')} in sync{over}.")
    good = [link.good_at for link in still if link.good_at is not None]
    number = sum(view.in_sync(link) for link in still if link.good_at is not None)
    if number:
        were = words.count(number, "appointment was", "appointments were")
        told.append(f"{were} in sync {words.long_ago(min(good), now)}.")
    number = sum(view.in_sync(link) for link in still if link.good_at is None)
    if number:
        paired = words.count(number, "appointment is", "appointments are")
        told.append(f"{paired} paired, and not in sync yet.")
    return told or ["Nothing is in sync yet."]


def _links(number: int) -> str:
    return f"{words.count(number, 'link')} {'is' if number == 1 else 'are'}"


def _worst_tone(links: Sequence[LinkHealth], look: Look) -> str:
    tones = [view.TONES[link.state][0] for link in links]
    if look.unhealthy_reason or "bad" in tones:
        return "bad"
    held = any(view.waiting(link) for link in links)
    return "warn" if held or not links or "warn" in tones else "good"


def _all_links(links: Sequence[LinkHealth], at: datetime) -> Form:
    """Pause or resume everything."""
    decisions = []
    if any(not link.paused for link in links):
        decisions.append("pause")
    if any(link.paused for link in links):
        decisions.append("resume")
    return Form(decisions=tuple(decisions), link="", seen=at.isoformat())


def style_hash() -> str:
    """How the content security policy names the style sheet, so that no other gets in."""
    return _named(_style())


def script_hash() -> str:
    """The same for the script."""
    return _named(_script())


def _named(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


@cache
def _style() -> str:
    return (_FOLDER / "style.css").read_text("utf-8")


@cache
def _script() -> str:
    return (_FOLDER / "script.js").read_text("utf-8")


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

    def personal(held: str, look: Look, link: LinkHealth | None = None) -> Markup:
        zone = words.zone_of(link.timezone if link else "")
        return Markup.escape(words.value(held, personal=look.personal, zone=zone))

    made.filters["personal"] = personal
    made.filters["thousands"] = "{:,}".format
    # What a form sends back is sent as it is: an id may look like a number to be masked.
    made.filters["exact"] = Markup.escape
    made.globals.update(
        plot=plot,
        view=view,
        words=words,
        remedy_of=remedy_of,
        refresh=REFRESH,
        filters=FILTERS,
        style=_style(),
        script=_script(),
        State=State,
    )
    return made
