"""The doctor on two vendors: what is broken is found, named, and nothing is changed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from syncd.bootstrap import open_app
from syncd.config import load
from syncd.doctor import code_of
from syncd.sandbox.faults import Fault
from syncd.store import migrate

if TYPE_CHECKING:
    from collections.abc import Callable

TOKENS = {"GHL_TOKEN": "x", "HUBSPOT_TOKEN": "x"}


def test_accounts_that_are_prepared_are_well(practice: Any) -> None:
    found = practice.findings()
    assert [each.what for each in found if each.mark != "ok"] == []
    areas = {each.area for each in found}
    assert areas >= {
        *("configuration", "store", "HighLevel", "HubSpot", "properties"),
        *("status", "calendars", "owners", "clock"),
    }
    assert {each.link for each in found} == {"", "clinic"}


def test_nothing_is_changed_and_no_lock_is_needed(practice: Any) -> None:
    practice.clinic.book()
    practice.clinic.make("Intro")
    before = _state(practice)
    with open_app(practice.settings(), env=TOKENS) as app, app.store.acquire("clinic", "run"):
        assert code_of(practice.findings()) == 0
    assert _state(practice) == before


def test_accounts_that_nobody_prepared_need_setup(raw: Any) -> None:
    found = raw.findings()
    missing = [each for each in found if each.mark == "error"]
    assert [each.remedy for each in missing] == ["run `syncd setup`"] * 4
    assert code_of(found) == 2
    assert not (raw.folder / "syncd.db").exists()


def test_setup_s_own_scope_is_asked_for_where_something_is_to_be_made(raw: Any) -> None:
    every, lacking = raw.world.settings.hubspot_scopes, {"crm.schemas.appointments.write"}
    raw.become(hubspot_scopes=every - lacking)
    assert code_of(raw.findings()) == 6
    raw.become(hubspot_scopes=every)
    raw.setup()
    raw.become(hubspot_scopes=every - lacking)
    assert code_of(raw.findings()) == 0


def test_a_property_that_cannot_be_written_is_found(practice: Any) -> None:
    practice.world.portal.appointments.definitions["hs_appointment_name"].read_only = True
    found = practice.findings()
    (told,) = (each for each in found if each.mark == "error")
    assert "hs_appointment_name" in told.what
    assert "read-only" in told.what
    assert "hubspot_to_ghl" in told.remedy
    assert code_of(found) == 2


# --- credentials


@pytest.mark.parametrize(
    ("side", "name"), [("HighLevel", "GHL_TOKEN"), ("HubSpot", "HUBSPOT_TOKEN")]
)
def test_a_token_that_is_refused_is_told_apart_from_a_scope(
    practice: Any, side: str, name: str
) -> None:
    settings = practice.world.settings
    env = {"GHL_TOKEN": settings.ghl_token, "HUBSPOT_TOKEN": settings.hubspot_token}
    found = practice.findings(env=env | {name: "wrong"})
    (refused,) = [each for each in found if each.mark == "error"]
    assert (refused.area, refused.code) == (side, 6)
    assert "refuses the token" in refused.what
    assert "scope" not in refused.what
    other = "HubSpot" if side == "HighLevel" else "HighLevel"
    assert any(each.area == other and "accepted" in each.what for each in found)


@pytest.mark.parametrize("name", ["GHL_TOKEN", "HUBSPOT_TOKEN"])
def test_a_token_that_is_missing_is_a_matter_of_configuration(practice: Any, name: str) -> None:
    settings = practice.world.settings
    env = {"GHL_TOKEN": settings.ghl_token, "HUBSPOT_TOKEN": settings.hubspot_token}
    del env[name]
    (missing,) = practice.bad(env=env)
    assert (missing.mark, missing.code) == ("error", 2)
    assert f"the environment variable {name} is not set" in missing.what


@pytest.mark.parametrize(
    "scope",
    [
        *("locations.readonly", "calendars.readonly", "users.readonly", "contacts.readonly"),
        *("contacts.write", "calendars/events.readonly", "calendars/events.write"),
    ],
)
def test_a_scope_of_highlevel_is_named(practice: Any, scope: str) -> None:
    practice.become(ghl_scopes=practice.world.settings.ghl_scopes - {scope})
    errors = [each for each in practice.findings() if each.mark == "error"]
    assert [(each.what, each.code) for each in errors] == [
        (f"the token lacks the scope {scope}", 6)
    ]
    assert "private integration" in errors[0].remedy


@pytest.mark.parametrize(
    "scope",
    [
        *("crm.objects.appointments.read", "crm.objects.appointments.write"),
        *("crm.objects.contacts.read", "crm.objects.contacts.write", "crm.objects.owners.read"),
    ],
)
def test_a_scope_of_hubspot_is_named(practice: Any, scope: str) -> None:
    practice.become(hubspot_scopes=practice.world.settings.hubspot_scopes - {scope})
    errors = [each for each in practice.findings() if each.mark == "error"]
    assert [(each.what, each.code) for each in errors] == [
        (f"the token lacks the scope {scope}", 6)
    ]


def test_a_scope_that_the_link_does_not_need_is_not_missed(practice: Any) -> None:
    practice.become(
        ghl_scopes=practice.world.settings.ghl_scopes
        - {"contacts.write", "calendars/events.write", "users.readonly"},
        hubspot_scopes=practice.world.settings.hubspot_scopes
        - {"crm.objects.contacts.write", "crm.objects.owners.read"},
    )
    more = (
        '[links.clinic.sync]\ndirection = "ghl_to_hubspot"\ncreate_contacts = "none"\n'
        '[links.clinic.fields]\nowner = "off"\n'
    )
    assert code_of(practice.findings(more)) == 0


# --- accounts


@pytest.mark.parametrize("status", [403, 404])
def test_an_object_that_is_not_activated_is_told_apart_from_a_scope(
    practice: Any, status: int
) -> None:
    practice.become(not_activated_status=status)
    practice.hubspot.activated = False
    found = practice.findings()
    errors = [each for each in found if each.mark == "error"]
    assert [(each.area, each.code) for each in errors] == [("HubSpot", 2)]
    assert "not activated" in errors[0].what
    assert "activate appointments in HubSpot" in errors[0].remedy


def test_what_the_accounts_own_rules_demand_is_told_before_a_record_is_refused(
    practice: Any,
) -> None:
    later = '\n[defaults.hubspot]\napi_version = "2026-09"\n'
    practice.hubspot.required |= {"reason", "hs_appointment_start", "room"}
    practice.hubspot.required_of_contacts |= {"email", "source"}
    assert practice.bad() == []
    more = f'{later}[defaults.map.room]\nghl = "address"\nhubspot = "room"\n'
    practice.hubspot.add_property("room")
    found = practice.bad(more)
    assert [each.mark for each in found] == ["warning", "warning"]
    assert "reason of every new appointment" in found[0].what
    assert "source of every new contact" in found[1].what
    none = f'{more}[defaults.sync]\ncreate_contacts = "ghl"\n'
    assert len(practice.bad(none)) == 1
    practice.world.faults.add(
        side="hubspot", path="crm-object-schemas", status=404, body={}, times=None
    )
    assert practice.bad(more) == []


def test_a_property_that_is_not_unique_is_an_error(raw: Any) -> None:
    raw.hubspot.add_property("ghl_appointment_id")
    found = [each for each in raw.bad() if "ghl_appointment_id" in each.what]
    assert "does not demand unique values" in found[0].what
    assert "delete it for good" in found[0].remedy


def test_a_portal_without_the_native_status_wants_our_own(raw: Any) -> None:
    raw.hubspot.appointments.definitions.pop("hs_appointment_status")
    said = [each.what for each in raw.bad()]
    assert any("HubSpot status property" in each for each in said)
    raw.setup()
    found = raw.findings()
    assert any("ghl_appointment_status has every value" in each.what for each in found)
    assert code_of(found) == 0


def test_pipeline_stages_are_checked_like_values(practice: Any) -> None:
    found = practice.bad('status_property = "hs_pipeline_stage"\n')
    assert {each.area for each in found} == {"status"}
    assert any("hs_pipeline_stage has no value 'SCHEDULED'" in each.what for each in found)


def test_a_mapped_property_that_is_missing_or_does_not_fit_is_an_error(practice: Any) -> None:
    practice.hubspot.add_property("flag", type="bool")
    more = (
        '[links.clinic.map.one]\nghl = "calendarName"\nhubspot = "nowhere"\n'
        '[links.clinic.map.two]\nghl = "dateAdded"\nhubspot = "flag"\n'
    )
    found = practice.bad(more)
    assert "HubSpot property nowhere (map.one) does not exist in this account" in found[0].what
    assert "is of type 'bool', which does not hold a moment" in found[1].what
    assert "datetime" in found[1].remedy
    assert code_of(found) == 2


def test_a_wrong_location_is_said_with_what_to_correct(practice: Any) -> None:
    other = practice.world.add_location(name="Elsewhere")
    more = f'[links.other.ghl]\nbase_url = "{practice.clinic.server.ghl_url}"\n'
    more += f'location_id = "{other.id}"\n[links.other.hubspot]\nfilter = {{ region = "x" }}\n'
    more += f'base_url = "{practice.clinic.server.hubspot_url}"\n'
    more += '[links.other.sync]\ndirection = "ghl_to_hubspot"\n'
    text = 'filter = { region = "y" }\n' + more
    practice.hubspot.add_property("region")
    found = practice.findings(text, names=("other",))
    errors = [each for each in found if each.mark == "error" and each.area == "HighLevel"]
    assert "location_id" in errors[0].what + errors[0].remedy


def test_a_calendar_that_is_gone_stops_no_other_finding(practice: Any) -> None:
    gone = practice.clinic.calendar
    practice.ghl.delete_calendar(gone)
    found = practice.findings()
    errors = [each.what for each in found if each.mark == "error"]
    assert errors == [f"ghl.default_calendar: the location has no calendar {gone}"]
    assert any(each.area == "owners" for each in found)


def test_a_zone_that_nobody_knows_is_a_warning(practice: Any) -> None:
    practice.ghl.timezone = "Europe/Atlantis"
    found = practice.bad()
    assert [each.mark for each in found] == ["warning"]
    assert "Europe/Atlantis" in found[0].what


def test_a_clock_that_is_ahead_is_noticed(practice: Any) -> None:
    practice.become(ghl_skew=timedelta(minutes=20), hubspot_skew=timedelta(minutes=20))
    (found,) = practice.bad()
    assert (found.area, found.mark) == ("clock", "warning")
    assert "NTP" in found.remedy


def test_a_vendor_that_is_away_is_said_and_the_other_is_still_looked_at(practice: Any) -> None:
    practice.world.faults.add(Fault(side="ghl", status=503, times=None))
    found = practice.findings()
    assert code_of(found) == 7
    assert any(each.area == "HubSpot" and each.mark == "ok" for each in found)


def test_two_links_with_two_tokens_of_one_account_are_found_out(practice: Any) -> None:
    other = practice.world.add_location(name="Second")
    practice.world.portal.add_property("region")
    server = practice.clinic.server
    more = (
        f'[links.other.ghl]\nbase_url = "{server.ghl_url}"\nlocation_id = "{other.id}"\n'
        'token = { env = "OTHER_GHL" }\n'
        f'[links.other.hubspot]\nbase_url = "{server.hubspot_url}"\n'
        'token = { env = "OTHER_HUBSPOT" }\n'
    )
    settings = practice.world.settings
    env = {
        "GHL_TOKEN": settings.ghl_token,
        "HUBSPOT_TOKEN": settings.hubspot_token,
        "OTHER_GHL": other.token,
        "OTHER_HUBSPOT": settings.hubspot_token,
    }
    found = practice.findings(more, env=env, names=("clinic", "other"))
    errors = [each for each in found if each.mark == "error"]
    assert [each.area for each in errors] == ["sharing"]
    assert "links.clinic and links.other" in errors[0].what


# --- files


@pytest.mark.parametrize(
    ("more", "warnings"),
    [
        ('[http]\nlisten = "127.0.0.1:8787"', 0),
        ('[http]\nlisten = "0.0.0.0:8787"\ntoken = { env = "PAGE" }', 1),
        ('[live]\nlisten = ":8788"\npublic_url = "http://sync.example.com"', 1),
        ('[live]\nlisten = ":8788"\npublic_url = "https://sync.example.com"', 0),
    ],
)
def test_a_listener_that_others_reach_needs_tls(practice: Any, more: str, warnings: int) -> None:
    from syncd.doctor import files

    settings = practice.settings(more)
    settings.path.chmod(0o600)
    found = [each for each in files.configuration(settings) if "TLS" in each.what]
    assert len(found) == warnings
    assert all("public_url" in each.remedy for each in found)


def test_a_configuration_without_secrets_may_be_read_by_others(practice: Any) -> None:
    """The service's user is not the owner of the file: deploy/README.md leaves it readable."""
    settings = practice.settings()
    settings.path.chmod(0o644)
    (practice.folder / "syncd.db").chmod(0o640)
    from syncd.doctor import files

    (found,) = files.configuration(settings)
    assert found.mark == "ok"
    (found,), usable = files.store(settings.store.url)
    assert (found.mark, usable) == ("warning", True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[notify]\nwebhook = "https://hooks.example.com/s3cr3t"\n', "webhook = { file"),
        ('[notify]\nurls = ["slack://T/B/s3cr3t"]\n', "urls = [{ file"),
        ('[links.clinic.notify]\nwebhook = "https://hooks.example.com/s3cr3t"\n', "webhook"),
    ],
)
def test_a_secret_in_a_file_that_others_can_read_is_a_warning(
    practice: Any, text: str, says: str
) -> None:
    more = practice.folder / "more.toml"
    more.write_text(text)
    main = practice.clinic.configure()
    main.write_text('include = ["more.toml"]\n' + main.read_text())
    main.chmod(0o600)
    from syncd.doctor import files

    for mode, marks in ((0o600, ["ok"]), (0o604, ["ok", "warning"])):
        more.chmod(mode)
        found = list(files.configuration(load(main, TOKENS, practice.folder)))
        assert [each.mark for each in found] == marks
    assert says in found[-1].remedy
    assert "s3cr3t" not in found[-1].what + found[-1].remedy


def test_a_password_in_a_file_that_others_can_read_is_a_warning(practice: Any) -> None:
    path = practice.clinic.configure()
    path.write_text(path.read_text().replace("sqlite:///syncd.db", "postgresql://me:word@h/db"))
    path.chmod(0o644)
    from syncd.doctor import files

    fine, found = files.configuration(load(path, TOKENS, practice.folder))
    assert (fine.mark, found.mark, "pgpass" in found.remedy) == ("ok", "warning", True)


def test_a_configuration_that_others_can_change_is_a_warning(practice: Any) -> None:
    settings = practice.settings()
    settings.path.chmod(0o666)
    from syncd.doctor import files

    fine, found = files.configuration(settings)
    assert (fine.mark, found.remedy) == ("ok", f"chmod go-w {settings.path}")


@pytest.mark.parametrize(("version", "mark"), [("9999", "error"), ("0000", "warning")])
def test_a_store_of_another_version_is_told_and_left_alone(
    practice: Any, version: str, mark: str, set_version: Callable[[Path, str], None]
) -> None:
    path = practice.folder / "syncd.db"
    set_version(path, version)
    found = [each for each in practice.findings() if each.area == "store"]
    assert [(each.mark.value, version in each.what) for each in found] == [(mark, True)]
    from syncd.store import open_engine

    assert migrate.current(open_engine(f"sqlite:///{path}")) == version


@pytest.fixture
def set_version() -> Callable[[Path, str], None]:
    """Write another migration's number into a store."""
    import sqlite3
    from contextlib import closing

    def act(path: Path, version: str) -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE syncd_version SET version_num = ?", (version,))
            connection.commit()

    return act


def _state(practice: Any) -> Any:
    return (
        practice.ghl.events(),
        [repr(each) for each in practice.ghl.contacts],
        practice.hubspot.records(),
        practice.hubspot.contact_records(),
        sorted(practice.hubspot.appointments.definitions),
    )
