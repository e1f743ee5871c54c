"""Mapped fields of HighLevel and the HubSpot properties that they go to."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from syncd.config import Settings, load, show
from syncd.config.example import example

LINK = '[links.clinic.ghl]\nlocation_id = "loc-1"\n'


def mapped(name: str, ghl: str, hubspot: str = "clinic_property", **more: str) -> str:
    keys = {"ghl": ghl, "hubspot": hubspot} | more
    lines = (f'{key} = "{value}"' for key, value in keys.items())
    return "\n".join((f"[links.clinic.map.{name}]", *lines, ""))


def test_a_field_goes_one_way_unless_it_says_otherwise(loaded: Callable[..., Settings]) -> None:
    settings = loaded(LINK + mapped("calendar_name", "calendarName"))
    found = settings.links["clinic"].map["calendar_name"]
    assert (found.ghl, found.hubspot) == ("calendarName", "clinic_property")
    assert (found.direction, found.conflict, found.into_ghl) == ("ghl_to_hubspot", "newest", False)


def test_nothing_is_mapped_by_default(loaded: Callable[..., Settings]) -> None:
    assert loaded().links["clinic"].map == {}


def test_a_shared_map_can_be_turned_off_in_one_link(loaded: Callable[..., Settings]) -> None:
    shared = '[defaults.map.calendar]\nghl = "calendarName"\nhubspot = "calendar"\n'
    settings = loaded(shared + LINK + '[links.clinic.map.calendar]\ndirection = "off"\n')
    assert not settings.links["clinic"].map["calendar"].on
    assert settings.links["clinic"].map["calendar"].ghl == "calendarName"


def test_the_environment_changes_a_map(loaded: Callable[..., Settings]) -> None:
    text = LINK + mapped("calendar", "calendarName")
    settings = loaded(text, {"SYNCD_LINKS__CLINIC__MAP__CALENDAR__HUBSPOT": "other"})
    assert settings.links["clinic"].map["calendar"].hubspot == "other"


def test_an_unknown_highlevel_field_is_answered_with_the_nearest(
    refused: Callable[..., tuple[str, ...]],
) -> None:
    (problem,) = refused(LINK + mapped("calendar", "calendarname"))
    assert problem.startswith('links.clinic.map.calendar.ghl = "calendarname": ')
    assert "did you mean calendarName?" in problem


def test_what_syncd_itself_moves_cannot_be_mapped(
    refused: Callable[..., tuple[str, ...]],
) -> None:
    """Every write of ours would come back as a change."""
    assert refused(LINK + mapped("changed", "dateUpdated"))


@pytest.mark.parametrize("direction", ["both", "hubspot_to_ghl"])
def test_a_field_that_highlevel_does_not_take_flows_out_of_it_only(
    refused: Callable[..., tuple[str, ...]], direction: str
) -> None:
    (problem,) = refused(LINK + mapped("calendar", "calendarName", direction=direction))
    assert "HighLevel does not take calendarName" in problem


def test_two_maps_to_one_property_are_refused(refused: Callable[..., tuple[str, ...]]) -> None:
    (problem,) = refused(LINK + mapped("one", "calendarName") + mapped("two", "id"))
    assert problem == (
        'links.clinic.map.two.hubspot = "clinic_property": map.one writes it already; '
        "name another one"
    )


def test_a_map_that_is_off_is_in_nobodys_way(loaded: Callable[..., Settings]) -> None:
    loaded(LINK + mapped("one", "calendarName", direction="off") + mapped("two", "id"))


@pytest.mark.parametrize(
    ("property_", "writer"),
    [
        ("hs_appointment_name", "fields.title"),
        ("hs_appointment_end", "fields.time"),
        ("ghl_description", "fields.description"),
        ("hs_pipeline_stage", "fields.status"),
        ("ghl_appointment_id", "syncd keeps its own mark"),
    ],
)
def test_a_property_that_syncd_writes_already_is_refused(
    refused: Callable[..., tuple[str, ...]], property_: str, writer: str
) -> None:
    (problem,) = refused(LINK + mapped("one", "calendarName", property_))
    assert writer in problem


def test_the_configured_status_property_is_taken(refused: Callable[..., tuple[str, ...]]) -> None:
    text = '[links.clinic.hubspot]\nstatus_property = "state"\n'
    (problem,) = refused(LINK + text + mapped("one", "appointmentStatus", "state"))
    assert "hubspot.status_property writes it already" in problem


def test_a_synced_field_goes_elsewhere_once_it_is_off(
    loaded: Callable[..., Settings], refused: Callable[..., tuple[str, ...]]
) -> None:
    notes = mapped("notes", "description", "visit_notes", direction="both")
    (problem,) = refused(LINK + notes)
    assert problem.startswith('links.clinic.map.notes.direction = "both": fields.description')
    off = '[links.clinic.fields]\ndescription = "off"\n'
    assert loaded(LINK + off + notes).links["clinic"].map["notes"].into_ghl
    one_way = mapped("notes", "description", "visit_notes")
    assert not loaded(LINK + one_way).links["clinic"].map["notes"].into_ghl


def test_two_maps_into_one_highlevel_field_are_refused(
    refused: Callable[..., tuple[str, ...]],
) -> None:
    off = '[links.clinic.fields]\ndescription = "off"\n'
    one = mapped("one", "description", "p", direction="both")
    two = mapped("two", "description", "q", direction="hubspot_to_ghl")
    (problem,) = refused(LINK + off + one + two)
    assert problem.startswith('links.clinic.map.two.ghl = "description": map.one')


def test_the_record_s_own_page_has_one_place(refused: Callable[..., tuple[str, ...]]) -> None:
    one, two = mapped("one", "hubspotLink", "p"), mapped("two", "hubspotLink", "q")
    (problem,) = refused(LINK + one + two)
    assert problem.startswith('links.clinic.map.two.ghl = "hubspotLink": map.one')


def test_a_map_is_not_called_like_a_field_that_every_link_has(
    refused: Callable[..., tuple[str, ...]],
) -> None:
    (problem,) = refused(LINK + mapped("status", "appointmentStatus"))
    assert problem.startswith("links.clinic.map.status: wrong key; ")


def test_a_link_s_address_names_known_places_only(
    loaded: Callable[..., Settings], refused: Callable[..., tuple[str, ...]]
) -> None:
    def text(template: str) -> str:
        return LINK + mapped("link", "highlevelLink", template=template)

    (problem,) = refused(text("https://app.example.com/{contat}"))
    assert "cannot name contat" in problem
    (problem,) = refused(text("app.example.com"))
    assert "not an address" in problem
    assert loaded(text("https://app.example.com/{contact}")).links["clinic"].map["link"].template


def test_a_template_goes_with_the_link_to_highlevel(
    refused: Callable[..., tuple[str, ...]],
) -> None:
    (problem,) = refused(LINK + mapped("one", "id", template="https://example.com"))
    assert "template goes with ghl = 'highlevelLink'" in problem


def test_what_is_shown_loads_again(loaded: Callable[..., Settings]) -> None:
    settings = loaded(LINK + mapped("calendar", "calendarName"))
    assert loaded(show(settings)).links == settings.links


def test_the_maps_of_the_example_load(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^#   (?=[\[a-z])", "", example())
    text += '[defaults.fields]\ndescription = "off"\n'
    (tmp_path / "config.toml").write_text(text)
    maps = load(tmp_path / "config.toml", {}, tmp_path).links["clinic"].map
    assert set(maps) == {"ghl_status", "calendar_name", "ghl_link", "record_link", "notes"}
