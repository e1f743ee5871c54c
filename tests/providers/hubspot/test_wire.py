"""What HubSpot's answers are read as, whatever is in them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.providers.hubspot import schema, wire

KEYS = st.sampled_from(
    [
        *("id", "properties", "results", "errors", "paging", "next", "after", "total"),
        *("message", "context", "ids", "associations", "contacts", "from", "to", "toObjectId"),
        *("propertiesWithHistory", "options", "value", "stages", "archived", "name", "x"),
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(body=ANYTHING)
def test_no_answer_can_crash_a_reader(body: object) -> None:
    wire.page(body)
    wire.batch(body)
    wire.associations(body)
    wire.problem(body)
    wire.unlabelled_type(body, usual=906)
    schema.definitions(body)
    schema.stages(body)
    schema.people(body, active=True)


@given(text=st.text(max_size=30))
def test_no_text_can_crash_the_reading_of_a_time(text: str) -> None:
    found = wire.moment(text)
    assert found is None or found.tzinfo is not None


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-23T15:00:00Z",
        "2026-11-23T15:00:00.000Z",
        "2026-11-23T16:00:00+01:00",
        "1795446000000",
        1795446000000,
        " 1795446000000 ",
    ],
)
def test_iso_and_epoch_milliseconds_are_the_same_instant(written: object) -> None:
    assert wire.moment(written) == datetime(2026, 11, 23, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "soon",
        None,
        [],
        "2026-11-23T15:00:00",
        "2026-11-23",
        "9" * 30,
        "9" * 5000,
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
    ],
)
def test_what_is_no_certain_instant_is_not_guessed_at(written: object) -> None:
    assert wire.moment(written) is None


def test_an_associated_id_may_arrive_as_a_number() -> None:
    body = {
        "results": [
            {
                "from": {"id": "501"},
                "to": [{"toObjectId": 7}, {"toObjectId": "8"}, {"toObjectId": 7}],
                "paging": {"next": {"after": "9"}},
            }
        ]
    }
    assert wire.associations(body) == {"501": wire.Associated(ids=("7", "8"), after="9")}


def test_several_labels_of_one_contact_are_one_contact() -> None:
    found = wire.record(
        {
            "id": 501,
            "properties": {"a": None, "b": 3, "c": True},
            "associations": {
                "contacts": {"results": [{"id": "7", "type": "x"}, {"id": "7", "type": "y"}]}
            },
        }
    )
    assert found is not None
    assert (found.id, found.associated) == ("501", ("7",))
    assert found.properties == {"a": "", "b": "3", "c": "true"}


def test_only_the_cursor_of_a_page_is_followed_never_its_link() -> None:
    link = "https://elsewhere.example.com/crm/v3/objects?after=3"
    body = {"results": [], "paging": {"next": {"after": "3", "link": link}}}
    assert wire.page(body).after == "3"


def test_a_row_without_an_id_is_listed_as_unreadable() -> None:
    page = wire.page({"results": [{"properties": {}}, {"id": "1"}, "x"]})
    assert [each.id for each in page.records] == ["1"]
    assert len(page.unreadable) == 2


def test_json_inside_a_message_becomes_readable() -> None:
    inside = [
        {
            "isValid": False,
            "message": "LATER was not one of the allowed options",
            "error": "INVALID_OPTION",
            "name": "hs_appointment_status",
        },
        {"message": "Property x does not exist", "error": "PROPERTY_DOESNT_EXIST"},
    ]
    found = wire.problem(
        {
            "category": "VALIDATION_ERROR",
            "message": f"Property values were not valid: {json.dumps(inside)}",
            "context": {"objectWriteTraceId": ["a-1"], "ids": [501]},
        }
    )
    assert found.message == "LATER was not one of the allowed options; Property x does not exist"
    assert {"INVALID_OPTION", "PROPERTY_DOESNT_EXIST", "VALIDATION_ERROR"} <= found.codes
    assert (found.traces, found.ids) == (("a-1",), ("501",))


def test_a_message_with_broken_json_is_shown_as_it_is() -> None:
    assert wire.problem({"message": "odd [{ thing"}).message == "odd [{ thing"


def test_the_plain_association_type_is_the_one_without_a_label() -> None:
    body = {
        "results": [
            {"category": "USER_DEFINED", "typeId": 3, "label": None},
            {"category": "HUBSPOT_DEFINED", "typeId": 578, "label": "Primary"},
            {"category": "HUBSPOT_DEFINED", "typeId": 906, "label": None},
        ]
    }
    assert wire.unlabelled_type(body, usual=1) == 906


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([{"category": "HUBSPOT_DEFINED", "typeId": "906", "label": None}], 906),
        ([{"category": "hubspot_defined", "typeId": 906}], 906),
        ([{"category": "HUBSPOT_DEFINED", "typeId": 906, "label": "Contact"}], 906),
        ([{"category": "HUBSPOT_DEFINED", "typeId": 578, "label": "Primary"}], None),
        ([{"category": "USER_DEFINED", "typeId": 906, "label": None}], None),
        ([], None),
    ],
)
def test_the_association_type_is_taken_only_where_the_account_lists_it(
    rows: list[object], found: int | None
) -> None:
    assert wire.unlabelled_type({"results": rows}, usual=906) == found


@pytest.mark.parametrize(
    ("said", "archived"),
    [
        ({"archived": True}, True),
        ({"archived": "true"}, True),
        ({"archivedAt": "2026-03-02T09:00:00Z"}, True),
        ({"archived": False, "archivedAt": "2026-03-02T09:00:00Z"}, False),
        ({"archived": None, "archivedAt": None}, False),
        ({"archivedAt": ""}, False),
        ({}, False),
    ],
)
def test_archived_is_what_the_record_says_of_itself(said: dict[str, Any], archived: bool) -> None:
    found = wire.record({"id": 5, "properties": {}, **said})
    assert found is not None
    assert (found.id, found.archived) == ("5", archived)
