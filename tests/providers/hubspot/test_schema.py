"""What an account's properties must look like, and how the lack of it is said."""

from collections.abc import Mapping

import pytest

from syncd.core.model import Group
from syncd.providers.hubspot import schema, schema_check, setup
from syncd.providers.hubspot.schema import Definition, MappedProperty, PropertySpec

NATIVE = ("hs_appointment_name", "hs_appointment_start", "hs_appointment_end", "hubspot_owner_id")


def _account(**changes: Definition | None) -> Mapping[str, Definition]:
    known: dict[str, Definition] = {name: Definition(name=name) for name in NATIVE}
    for blueprint in schema.OURS:
        known[blueprint.name] = Definition(name=blueprint.name, unique=blueprint.unique)
    known["hs_appointment_status"] = Definition(
        name="hs_appointment_status", type="enumeration", options=("SCHEDULED", "CANCELED")
    )
    for name, changed in changes.items():
        if changed is None:
            del known[name]
        else:
            known[name] = changed
    return known


def _problems(known: Mapping[str, Definition], wish: PropertySpec | None = None) -> list[str]:
    found = schema_check.findings(known, wish or PropertySpec(), "0-421")
    return [str(each) for each in found if not each.ok]


def test_a_complete_account_has_no_problem() -> None:
    assert _problems(_account()) == []


def test_a_missing_external_id_property_names_setup() -> None:
    assert _problems(_account(ghl_appointment_id=None)) == [
        "HubSpot property ghl_appointment_id: is missing; run `syncd setup`"
    ]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Definition(name="ghl_appointment_id", type="number", unique=True), "type 'number'"),
        (Definition(name="ghl_appointment_id"), "does not demand unique values"),
    ],
)
def test_an_external_id_property_of_the_wrong_kind_is_refused(wrong: Definition, said: str) -> None:
    (problem,) = _problems(_account(ghl_appointment_id=wrong))
    assert said in problem
    assert "run `syncd setup`" in problem


def test_a_description_property_is_only_asked_for_where_the_field_is_on() -> None:
    bare = _account(ghl_description=None, ghl_address=None)
    assert len(_problems(bare)) == 2
    assert _problems(bare, PropertySpec(needs=frozenset({Group.TITLE}))) == []


def test_a_typing_slip_in_a_mapped_property_is_found_because_reading_it_would_not_fail() -> None:
    wish = PropertySpec(
        mapped_fields=(MappedProperty(name="room", property="clinik_room"),),
        filter_properties=("regoin",),
    )
    said = _problems(_account(), wish)
    assert ["clinik_room" in said[0], "regoin" in said[1]] == [True, True]


def test_auto_takes_the_native_status_where_the_account_has_it() -> None:
    assert schema_check.status_property(_account(), "auto") == "hs_appointment_status"


def test_auto_falls_back_to_our_own_status_and_never_to_stages() -> None:
    known = _account(
        hs_appointment_status=None,
        hs_pipeline_stage=Definition(name="hs_pipeline_stage"),
        ghl_appointment_status=Definition(name="ghl_appointment_status"),
    )
    assert schema_check.status_property(known, "auto") == "ghl_appointment_status"
    assert schema_check.status_property(known, "hs_pipeline_stage") == "hs_pipeline_stage"


def test_a_native_status_that_cannot_be_written_does_not_count() -> None:
    locked = Definition(name="hs_appointment_status", type="enumeration", read_only=True)
    assert schema_check.status_property(_account(hs_appointment_status=locked), "auto") == ""


def test_an_account_without_any_status_names_setup() -> None:
    (problem,) = _problems(_account(hs_appointment_status=None))
    assert "run `syncd setup`" in problem


def test_a_status_property_that_was_named_and_does_not_exist_is_reported() -> None:
    (problem,) = _problems(_account(), PropertySpec(status_property="my_status"))
    assert "'my_status' does not exist" in problem


def test_options_are_read_from_the_account_in_its_spelling() -> None:
    body = {
        "results": [
            {
                "name": "hs_appointment_status",
                "type": "enumeration",
                "options": [{"value": "Canceled", "label": "x"}, {"label": "no value"}],
            },
            {"name": "gone", "archived": True},
        ]
    }
    assert schema.definitions(body)["hs_appointment_status"].options == ("Canceled",)
    assert "gone" not in schema.definitions(body)


def test_adding_options_sends_the_whole_list_because_a_patch_replaces_it() -> None:
    held = ({"label": "A", "value": "A", "displayOrder": 0, "hidden": False},)
    found = Definition(name="ghl_appointment_status", options=("A",), option_bodies=held)
    patch = setup.with_options(found, ["A", "NO_SHOW"])
    assert patch is not None
    options = patch["options"]
    assert isinstance(options, list)
    assert [each["value"] for each in options] == ["A", "NO_SHOW"]
    assert options[1]["label"] == "No show"
    assert setup.with_options(found, ["A"]) is None


def test_an_owner_without_an_address_is_kept_and_matches_nobody() -> None:
    (person,) = schema.people({"results": [{"id": 77, "firstName": "Ada"}, {}]}, active=True)
    assert (person.id, person.email, person.name) == ("77", "", "Ada")


def test_stages_are_named_with_their_pipeline_where_there_are_several() -> None:
    def pipeline(name: str, place: int) -> dict[str, object]:
        stages = [{"id": f"{place}{n}", "label": f"S{n}", "displayOrder": -n} for n in (1, 2)]
        return {"id": name, "label": name, "displayOrder": place, "stages": stages}

    one = {"results": [pipeline("A", 1)]}
    assert schema.stage_labels(one) == {"12": "S2", "11": "S1"}
    two = {"results": [pipeline("B", 2), pipeline("A", 1)]}
    assert schema.stage_labels(two)["22"] == "B > S2"
    assert schema.first_stage(two) == {"hs_pipeline": "A", "hs_pipeline_stage": "12"}
    assert schema.first_stage({"results": [{"id": "A", "stages": []}]}) == {}


def test_stages_count_by_id_because_labels_can_be_renamed() -> None:
    body = {
        "results": [
            {"id": "p1", "stages": [{"id": "111", "label": "Booked"}]},
            {"id": "p2", "archived": True, "stages": [{"id": "222"}]},
        ]
    }
    assert schema.stages(body) == {"111": "p1"}


@pytest.mark.parametrize(
    "body", [{"modificationMetadata": {"readOnlyValue": True}}, {"calculated": True}]
)
def test_what_cannot_be_written_is_found_only_where_it_would_be(body: dict[str, object]) -> None:
    found = schema.definition({"name": "hs_appointment_end", "type": "datetime"} | body)
    assert found is not None
    known = _account(hs_appointment_end=found)
    (problem,) = _problems(known)
    assert "hs_appointment_end" in problem
    assert "read-only" in problem
    assert _problems(known, PropertySpec(writes=schema.ALL_GROUPS - {Group.TIME})) == []
