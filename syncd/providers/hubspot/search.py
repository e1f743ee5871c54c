"""HubSpot's search requests: changed appointments, and contacts by e-mail or phone. Pure.

`polling` and `contacts` call this. The limits are the vendor's (search guide,
2026-03): 200 records a page, 10,000 a query, 5 groups of filters, 18 filters,
3,000 characters, one sort. The index lags behind the records, so a search
never proves that a record does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from syncd.ports.refusals import Asked
from syncd.providers.hubspot.mapping import CREATED, GHL_ID, MODIFIED, OBJECT_ID
from syncd.providers.hubspot.wire import Json, Page
from syncd.providers.message import Request
from syncd.providers.phones import national

PAGE: Final = 200
MOST: Final = 10_000
"""Results of one query; more is a 400."""
EMAILS_PER_SEARCH: Final = 5
"""One group of filters each."""
PHONES_PER_SEARCH: Final = 15
"""Their spellings in four filters have fewer than 3,000 characters."""
KIND: Final = "search"
"""The rate limit of searches, beside the common one."""
_T = TypeVar("_T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


SORTS: Final[tuple[object, ...]] = (
    OBJECT_ID,
    {"propertyName": OBJECT_ID, "direction": "ASCENDING"},
)
"""Sorting by id: the form of the specification, and that of the search guide."""


def _search(
    path: str,
    groups: Sequence[Json],
    properties: Sequence[str],
    *,
    after: str = "0",
    sort: object = None,
    asked: Asked = Asked.RECORDS,
) -> Request:
    """A search; the specification requires every key."""
    body: Json = {
        "filterGroups": [*groups],
        "properties": [*properties],
        "sorts": [] if sort is None else [sort],
        "limit": PAGE,
        "after": after,
    }
    return Request(method="POST", path=f"{path}/search", json=body, kind=KIND, asked=asked)


def _filter(name: str, operator: str, value: str) -> Json:
    return {"propertyName": name, "operator": operator, "value": value}


# --- appointments that changed


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeWindow:
    """The closed span of modification stamps that one poll reads.

    It begins before the cursor because the index shows changes late and out
    of order, and ends after now because the two clocks may differ.
    With `created_before`, records with an external id count only if they were created earlier.
    """

    since: datetime
    until: datetime
    created_before: datetime | None = None

    def page(
        self, path: str, properties: Sequence[str], last_id: str, sort: object = SORTS[0]
    ) -> Request:
        """The next page after that id.

        Each page is a new query that starts after the last id. So the limit of
        10,000 results is never reached, many records with the same stamp do not
        block it, and a record that is archived meanwhile does not shift others.
        """
        filters = self._span()
        if last_id:
            filters.append(_filter(OBJECT_ID, "GT", last_id))
        groups = [filters]
        if self.created_before is not None:
            created_earlier = _filter(CREATED, "LT", stamp(self.created_before))
            without_external_id: Json = {"propertyName": GHL_ID, "operator": "NOT_HAS_PROPERTY"}
            groups = [[*filters, created_earlier], [*filters, without_external_id]]
        return _search(
            path, [{"filters": group} for group in groups], properties, sort=sort, asked=Asked.SIDE
        )

    def latest(self, path: str, properties: Sequence[str]) -> Request:
        """One page of the newest changes, the newest first."""
        sort = {"propertyName": MODIFIED, "direction": "DESCENDING"}
        groups: list[Json] = [{"filters": self._span()}]
        return _search(path, groups, properties, sort=sort, asked=Asked.SIDE)

    def holds(self, modified: datetime) -> bool:
        """Whether a record with that modification stamp is found."""
        return int(stamp(self.since)) <= int(stamp(modified)) <= int(stamp(self.until))

    def _span(self) -> list[Json]:
        return [
            _filter(MODIFIED, "GTE", stamp(self.since)),
            _filter(MODIFIED, "LTE", stamp(self.until)),
        ]


def stamp(at: datetime) -> str:
    """An instant as searches take it: milliseconds since 1970, as text."""
    return str((at - _EPOCH) // timedelta(milliseconds=1))


def instant(written: str) -> datetime:
    """The instant that a stamp stands for.

    Raises:
        ValueError: it is no stamp.
    """
    try:
        return _EPOCH + timedelta(milliseconds=int(written))
    except OverflowError as error:
        raise ValueError(written) from error


# --- contacts


def by_additional_email(path: str, emails: Sequence[str], properties: Sequence[str]) -> Request:
    """Contacts with one of these as an additional address (at most `EMAILS_PER_SEARCH`)."""
    groups = [
        {"filters": [_filter("hs_additional_emails", "CONTAINS_TOKEN", each)]} for each in emails
    ]
    return _search(path, groups, properties)


def with_additional_emails(path: str, properties: Sequence[str], after: str = "0") -> Request:
    """Every contact that has an additional address."""
    held = {"propertyName": "hs_additional_emails", "operator": "HAS_PROPERTY"}
    return _search(path, [{"filters": [held]}], properties, after=after)


def by_phone(
    path: str,
    phones: Sequence[str],
    properties: Sequence[str],
    after: str = "0",
    *,
    calculated: bool = True,
) -> Request:
    """Contacts that may have one of these E.164 numbers (at most `PHONES_PER_SEARCH`).

    HubSpot stores phone numbers as people typed them, and their digits without
    the country code in calculated properties (reported, read 2026-11-20), which
    `calculated` searches too. The caller compares the candidates in E.164.
    """
    typed = list(dict.fromkeys(each for phone in phones for each in _spellings(phone)))
    digits = list(dict.fromkeys(national(phone) for phone in phones))
    filters = {"phone": typed, "mobilephone": typed}
    if calculated:
        filters["hs_searchable_calculated_phone_number"] = digits
        filters["hs_searchable_calculated_mobile_number"] = digits
    groups = [
        {"filters": [{"propertyName": name, "operator": "IN", "values": values}]}
        for name, values in filters.items()
    ]
    return _search(path, groups, properties, after=after)


def next_page(page: Page, after: str) -> str:
    """Where the next page of a query starts; "" after the last, or at the vendor's limit."""
    if not page.after.isdecimal() or int(page.after) <= int(after):
        return ""
    return page.after if int(page.after) + PAGE <= MOST else ""


def _spellings(phone: str) -> tuple[str, ...]:
    """How people type a number: with +, without, with 00, or in the national form."""
    digits = phone.lstrip("+")
    return (phone, digits, f"00{digits}", f"0{national(phone)}")


def chunks(values: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Pieces of at most so many."""
    held: list[_T] = []
    for each in values:
        held.append(each)
        if len(held) == size:
            yield held
            held = []
    if held:
        yield held
