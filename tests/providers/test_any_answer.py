"""Answers as the vendors give them, with anything in place of any of their values.

The sandbox answers in the vendors' own shapes. Each answer of a few cycles is
kept, some of its values are replaced, taken away or doubled, and every reader
of that vendor has to read what is left. What a cycle makes of such answers is
shown in `engine/test_bad_data.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from harness import HarnessClock, Shelf, build
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tampering import Tampering

from syncd.core.model import Side
from syncd.providers.ghl import mapping as ghl
from syncd.providers.ghl import wire as ghl_wire
from syncd.providers.hubspot import contact_mapping, schema, schema_check
from syncd.providers.hubspot import mapping as hubspot
from syncd.providers.hubspot import wire as hubspot_wire

PLACE = ghl.LocationContext(
    location="loc", zone=ZoneInfo("Europe/Zurich"), timezone="Europe/Zurich"
)
COLUMNS = hubspot.PropertyMap(
    status="hs_appointment_status", mapped_fields=(), filter_properties=()
)

NOTHING = object()
"""In place of a value: the key is not there."""

JUNK = st.one_of(
    st.sampled_from(
        [
            *(NOTHING, None, "", " ", 0, -1, 10**40, 1e308, True, False, [], {}, [None]),
            *([[]], {"id": None}, {"value": {}}, "null", "\x00", "\ud83e", "\u202e", "x" * 70_000),
            *("2026-13-45T99:99:99Z", "0000-00-00 00:00:00", "9999-12-31T23:59:59Z", "-1", "1e999"),
            *("1970-01-01T00:00:00Z", "2026-03-29T02:30:00", "2026-03-04T09:00:00+99:99"),
        ]
    ),
    st.text(max_size=8),
    st.floats(),
    st.integers(),
)


@pytest.fixture(scope="module")
def answers(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[Side, list[Any]]:
    """One answer of each shape that two cycles got."""
    found: dict[str, Any] = {}
    path = tmp_path_factory.mktemp("answers") / "syncd.db"
    path.write_bytes(sqlite_template.read_bytes())
    clock = HarnessClock()
    with closing(Shelf(f"sqlite:///{path}", clock)) as shelf:
        harness = build(shelf, clock)

        def keep(asked: str, body: Any) -> Any:
            parts = ["#" if any(map(str.isdigit, part)) else part for part in asked.split("/")]
            shape = "/".join(parts)
            if len(str(body)) > len(str(found.get(shape, ""))):
                found[shape] = short(body)
            return body

        harness.transport = Tampering(harness, keep)
        person = ("Ann Lee", "ann@example.com", "+15550101")
        here, there = harness.ghl.add_contact(*person), harness.hubspot.add_contact(*person)
        harness.ghl.book(
            harness.calendars["Team"], here, harness.at(48), title="Visit", description="Bring"
        )
        harness.hubspot.create({"hs_appointment_start": harness.at(96)}, contacts=[there])
        bea = harness.ghl.add_contact("Bea Moss", "bea@example.com", "+15550102")
        harness.ghl.book(harness.calendars["Event"], bea, harness.at(72))
        harness.sync()
        harness.sync(full=False)
    sides: dict[Side, list[Any]] = {side: [] for side in Side}
    for shape, body in sorted(found.items()):
        sides[Side.GHL if shape.startswith("/ghl") else Side.HUBSPOT].append(body)
    assert all(len(bodies) >= 5 for bodies in sides.values()), found.keys()
    return sides


def short(body: Any) -> Any:
    """A copy with the first two of each list: the others are of the same shape."""
    if isinstance(body, list):
        return [short(each) for each in body[:2]]
    return {key: short(held) for key, held in body.items()} if isinstance(body, dict) else body


def places(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in an answer, the whole of it first."""
    yield path
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(body, dict):
        inner = body.items()
    elif isinstance(body, list):
        inner = enumerate(body)
    for key, held in inner:
        yield from places(held, (*path, key))


def put(body: Any, path: tuple[Any, ...], junk: Any) -> Any:
    """The answer with that in that place."""
    if not path:
        return None if junk is NOTHING else junk
    *way, last = path
    inner = body
    for step in way:
        inner = inner[step]
    if junk is NOTHING:
        del inner[last]
    else:
        inner[last] = junk
    return body


def read_ghl(body: Any) -> None:
    wire = ghl_wire
    for event in (wire.event(body), wire.enveloped(body), *(wire.events(body) or ())):
        if event is not None:
            ghl.snapshot(event, PLACE)
            ghl.omits_mapped_field(event, PLACE)
    for row in wire.calendars(body) or ():
        ghl.calendar(row)
    for user in wire.users(body) or []:
        ghl.person(user)
    for read in (wire.location, wire.contact, wire.contacts, wire.duplicate_of, wire.slots):
        read(body)


def read_hubspot(body: Any) -> None:
    wire = hubspot_wire
    for record in (*wire.page(body).records, *wire.batch(body).records):
        hubspot.snapshot(record, COLUMNS)
        hubspot.edits(record, COLUMNS)
        contact_mapping.contact(record, "CH")
    wire.merged_into(wire.page(body).records)
    for found in wire.batch(body).problems:
        contact_mapping.existing_id(found)
    wire.associations(body)
    wire.unlabelled_type(body, usual=906)
    known = schema.definitions(body)
    schema_check.status_property(known, schema.AUTO)
    for read in (wire.problem, schema.definition, schema.stages, schema.first_stage):
        read(body)
    schema.people(body, active=True)


READERS = {Side.GHL: read_ghl, Side.HUBSPOT: read_hubspot}


@settings(suppress_health_check=list(HealthCheck), max_examples=300)
@given(
    side=st.sampled_from(Side),
    which=st.integers(0, 99),
    changes=st.lists(st.tuples(st.integers(0, 2_000), JUNK), min_size=1, max_size=4),
)
def test_an_answer_with_anything_in_it_is_read(
    answers: dict[Side, list[Any]], side: Side, which: int, changes: list[tuple[int, Any]]
) -> None:
    bodies = answers[side]
    body = deepcopy(bodies[which % len(bodies)])
    for place, junk in changes:
        found = list(places(body))
        body = put(body, found[place % len(found)], deepcopy(junk) if junk is not NOTHING else junk)
    READERS[side](body)


@pytest.mark.parametrize("side", list(Side))
def test_every_value_of_every_answer_may_be_missing_or_of_another_type(
    answers: dict[Side, list[Any]], side: Side
) -> None:
    for body in answers[side]:
        for path in places(body):
            for junk in (NOTHING, None, 7, "x", [{}]):
                READERS[side](put(deepcopy(body), path, junk))
