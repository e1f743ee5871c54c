"""Which part of the page is asked for: the query of its address, read and written.

Addresses are made from what was understood, never from what came: a press leads
back to the part of the page that it was pressed on, and to nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

FILTERS = {
    "bad": "in trouble",
    "warn": "needs a look",
    "held": "with held records",
    "paused": "paused",
    "good": "in step",
}
"""What the table of links can be narrowed to, and how it is called."""

LONGEST = 100
"""Characters of a name or a search that are looked at."""

_LAST_PAGE = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A part of the page."""

    link: str = ""
    """The only link; "" for all of them."""
    find: str = ""
    """A part of the names of the links in the table."""
    state: str = ""
    """A key of `FILTERS`, or "" for every state."""
    page: int = 1
    """Of the table, from 1."""
    hides: bool = False
    """Whether personal data is hidden from who might see it."""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Address:
        """What a query asks for; what it does not understand is left out."""
        state, page = query.get("state", ""), query.get("page", "")
        return cls(
            link=query.get("link", "")[:LONGEST],
            find=query.get("q", "").strip()[:LONGEST],
            state=state if state in FILTERS else "",
            page=min(int(page), _LAST_PAGE) if page.isdecimal() and page.isascii() else 1,
            hides=query.get("personal") == "no",
        )

    def fields(self) -> dict[str, str]:
        """The query that asks for it."""
        found = {"link": self.link, "q": self.find, "state": self.state}
        found |= {"page": str(self.page) if self.page > 1 else ""}
        found |= {"personal": "no" if self.hides else ""}
        return {name: value for name, value in found.items() if value}

    @property
    def url(self) -> str:
        """Its path and query."""
        query = urlencode(self.fields(), errors="replace")
        return f"/?{query}" if query else "/"

    def of_link(self, name: str) -> str:
        """The address of a link's own page."""
        return Address(link=name, hides=self.hides).url

    def of_page(self, page: int) -> str:
        """The address of another page of the table."""
        return replace(self, page=page).url

    def whole(self) -> str:
        """The address of the page of all links."""
        return Address(hides=self.hides).url

    def shows(self, *, personal: bool) -> str:
        """The same part with personal data, or without it."""
        return replace(self, hides=not personal).url
