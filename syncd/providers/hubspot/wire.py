"""What HubSpot's answers hold, read defensively into frozen values.

The other modules call this with decoded JSON. Every key may be missing, null
or of another type (for errors: error-handling guide; for the rest: reported,
read 2026-11-20). An unreadable value is `None`, `""` or left out, never an
exception. Leaves out what the values mean: `mapping` (appointments),
`contact_mapping` and `schema` (properties).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from syncd.providers.parse_cache import cached

Json = Mapping[str, object]

MERGED_IDS = "hs_merged_object_ids"
"""The property with the ids of the records that were merged into this one."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PROPERTY_KEYS = (
    *("propertyName", "invalidPropertyName", "properties"),
    "missingRequiredProperties",  # reported, read 2026-11-30
)
_DIGITS = re.compile(r"[+-]?\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One CRM object, of any type."""

    id: str
    properties: Mapping[str, str]
    archived: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None
    archived_at: datetime | None = None
    associated: tuple[str, ...] = ()
    """Ids of the associated records, where the request asked for them."""
    more_associated: bool = False
    """Whether `associated` is incomplete."""
    history: Mapping[str, tuple[Stamp, ...]] = field(default_factory=dict)
    """Earlier and present values by property, where the request asked for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """A value of a property, and when it was set."""

    value: str
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a list or of a search."""

    records: tuple[Record, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
    """(id or "?", why) of items that are no records."""
    after: str = ""
    """Where the next page starts; "" on the last one."""
    total: int = 0
    """Of a search: how many records match it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A refusal: of a whole request, or of one row of a batch."""

    message: str = ""
    category: str = ""
    sub_category: str = ""
    codes: frozenset[str] = frozenset()
    """Every code in it, those inside embedded JSON included."""
    ids: tuple[str, ...] = ()
    traces: tuple[str, ...] = ()
    """`objectWriteTraceId` of the rows that it is about."""
    scopes: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    """The properties whose values were refused, where they are named."""
    correlation_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The answer to a batch; it may hold errors under any 2xx status."""

    records: tuple[Record, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Associated:
    """The ids that one record is associated with; `after` where there are more."""

    ids: tuple[str, ...]
    after: str = ""


# --- single values


def mapping(raw: object) -> Json:
    """The value as a JSON object, or an empty one."""
    return raw if isinstance(raw, Mapping) else {}


def items(raw: object) -> list[object]:
    """The value as a JSON array, or an empty one."""
    return raw if isinstance(raw, list) else []


def string(raw: object) -> str:
    """The value as HubSpot would write it in a property; `""` where it holds no scalar.

    Ids arrive as numbers in places (`toObjectId`), so numbers become their digits.
    """
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, int):
        return str(raw)
    if isinstance(raw, float):
        return str(int(raw)) if raw.is_integer() else str(raw)
    return ""


def moment(raw: object) -> datetime | None:
    """An instant, from ISO 8601 with an offset or from milliseconds since 1970; else `None`.

    HubSpot accepts both forms and answers with either (reported, read
    2026-11-20). A time without an offset is not guessed.
    """
    return _moment(string(raw))


@cached
def _moment(raw: str) -> datetime | None:
    written = raw.strip()
    try:
        if _DIGITS.fullmatch(written):
            return _EPOCH + timedelta(milliseconds=int(written))
        parsed = datetime.fromisoformat(written)
        return None if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


# --- records


def record(raw: object) -> Record | None:
    """One record; `None` where it has no id."""
    found = mapping(raw)
    record_id = string(found.get("id")).strip()
    if not record_id:
        return None
    associated, more = _inline_associations(found.get("associations"))
    return Record(
        id=record_id,
        properties={name: string(held) for name, held in mapping(found.get("properties")).items()},
        archived=_is_archived(found),
        created_at=moment(found.get("createdAt")),
        updated_at=moment(found.get("updatedAt")),
        archived_at=moment(found.get("archivedAt")),
        associated=associated,
        more_associated=more,
        history={
            name: tuple(_stamp(each) for each in items(stamps))
            for name, stamps in mapping(found.get("propertiesWithHistory")).items()
        },
    )


def _is_archived(found: Json) -> bool:
    archived = found.get("archived")
    if archived is None:
        return moment(found.get("archivedAt")) is not None
    return string(archived).casefold() == "true"


def _stamp(raw: object) -> Stamp:
    found = mapping(raw)
    return Stamp(value=string(found.get("value")), at=moment(found.get("timestamp")))


def _inline_associations(raw: object) -> tuple[tuple[str, ...], bool]:
    """Ids under any key: the vendor uses `contacts`, or the name of an association type."""
    ids: list[str] = []
    more = False
    for held in mapping(raw).values():
        group = mapping(held)
        rows = [mapping(each) for each in items(group.get("results"))]
        # The guides show `id`, the dated specifications `toObjectId`.
        ids += (string(row.get("id")) or string(row.get("toObjectId")) for row in rows)
        more = more or bool(_after(group))
    return tuple(dict.fromkeys(each for each in ids if each)), more


def page(body: object) -> Page:
    """A page of a list or of a search."""
    found = mapping(body)
    records, unreadable = _records(found.get("results"))
    total = found.get("total")
    return Page(
        records=records,
        unreadable=unreadable,
        after=_after(found),
        total=total if isinstance(total, int) else len(records),
    )


def batch(body: object) -> Batch:
    """The answer to a batch read, create or update."""
    found = mapping(body)
    return Batch(
        records=_records(found.get("results"))[0],
        problems=tuple(problem(each) for each in items(found.get("errors"))),
    )


def _records(raw: object) -> tuple[tuple[Record, ...], tuple[tuple[str, str], ...]]:
    records: list[Record] = []
    unreadable: list[tuple[str, str]] = []
    for each in items(raw):
        found = record(each)
        if found is None:
            unreadable.append(("?", "HubSpot listed something that has no id"))
        else:
            records.append(found)
    return tuple(records), tuple(unreadable)


def _after(found: Json) -> str:
    """Only `after` is used: the link beside it may name another host (contacts guide)."""
    return string(mapping(mapping(found.get("paging")).get("next")).get("after"))


def merged_into(records: Iterable[Record]) -> dict[str, Record]:
    """Old id → the record that it was merged into, among these records."""
    return {
        old: found
        for found in records
        for old in re.findall(r"\d+", found.properties.get(MERGED_IDS, ""))
    }


# --- associations


def associations(body: object) -> dict[str, Associated]:
    """What each record of an associations batch read is associated with.

    Records without any are left out, or are among the errors.
    """
    found: dict[str, Associated] = {}
    for each in items(mapping(body).get("results")):
        row = mapping(each)
        origin = string(mapping(row.get("from")).get("id"))
        ids = (string(mapping(to).get("toObjectId")) for to in items(row.get("to")))
        found[origin] = Associated(
            ids=tuple(dict.fromkeys(each_id for each_id in ids if each_id)), after=_after(row)
        )
    return found


def unread_associations(body: object) -> frozenset[str] | None:
    """The records that an associations batch read could not read; `None` where it read all.

    A record without any association is among the errors as one that was not
    found (`NO_ASSOCIATIONS_FOUND`: reported, read 2026-11-20).
    """
    errors = [problem(each) for each in items(mapping(body).get("errors")) if mapping(each)]
    failed = [each for each in errors if each.category != "OBJECT_NOT_FOUND"]
    return frozenset(name for each in failed for name in each.ids) if failed else None


def unlabelled_type(body: object, *, usual: int = 0) -> int | None:
    """The type id of the unlabelled association that HubSpot defines, from the labels.

    Where each has a label, the `usual` id, if it is listed.
    """
    rows = [mapping(each) for each in items(mapping(body).get("results"))]
    own = [row for row in rows if string(row.get("category")).upper() == "HUBSPOT_DEFINED"]
    ids = {
        int(type_id): row.get("label")
        for row in own
        if (type_id := string(row.get("typeId"))).isdecimal()
    }
    plain = [type_id for type_id, label in ids.items() if not label]
    return next(iter(plain), usual if usual in ids else None)


# --- refusals


def problem(body: object) -> Problem:
    """A refusal, with the JSON that HubSpot embeds in messages (reported, read 2026-11-20)."""
    found = mapping(body)
    words, codes, names = _unfold(string(found.get("message")))
    details = [mapping(each) for each in items(found.get("errors"))]
    contexts = [mapping(each.get("context")) for each in (found, *details)]
    for detail in details:
        more_words, more_codes, more_names = _unfold(string(detail.get("message")))
        words += [each for each in more_words if each not in words]
        codes |= more_codes | _codes(detail)
        names += more_names
    return Problem(
        message="; ".join(words),
        category=string(found.get("category")),
        sub_category=_sub_category(found.get("subCategory")),
        codes=frozenset(codes | _codes(found)),
        ids=_gather(contexts, "ids", "id", "fromObjectId"),
        traces=_gather(contexts, "objectWriteTraceId"),
        scopes=_gather(contexts, "requiredGranularScopes", "requiredScopes", "missingScopes"),
        properties=tuple(dict.fromkeys([*names, *_gather(contexts, *_PROPERTY_KEYS)])),
        correlation_id=string(found.get("correlationId")),
    )


def _sub_category(raw: object) -> str:
    return string(raw) or string(mapping(raw).get("name"))


def _codes(found: Json) -> set[str]:
    named = (found.get(key) for key in ("category", "errorType", "error", "code"))
    return {each for each in (*map(string, named), _sub_category(found.get("subCategory"))) if each}


def _gather(contexts: Iterable[Json], *names: str) -> tuple[str, ...]:
    found: list[str] = []
    for context in contexts:
        for name in names:
            held = context.get(name)
            found += [string(each) for each in (held if isinstance(held, list) else [held])]
    return tuple(dict.fromkeys(each for each in found if each))


def _unfold(message: str) -> tuple[list[str], set[str], list[str]]:
    """Split a message with embedded JSON into sentences, codes and names of properties."""
    at = message.find("[{")
    if at < 0:
        return ([message] if message else []), set(), []
    try:
        embedded, _ = json.JSONDecoder().raw_decode(message[at:])
    except (ValueError, RecursionError):
        return [message], set(), []
    words: list[str] = []
    codes: set[str] = set()
    names: list[str] = []
    for each in _walk(embedded):
        text = string(each.get("localizedErrorMessage")) or string(each.get("message"))
        if text and text not in words:
            words.append(text)
        codes |= _codes(each)
        names += [name for name in (string(each.get("name")),) if name]
    return (words or [message]), codes, names


def _walk(raw: object) -> Iterator[Json]:
    for each in items(raw):
        found = mapping(each)
        yield found
        yield from _walk(found.get("errors"))
