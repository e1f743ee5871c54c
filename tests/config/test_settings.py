from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from syncd.config import Settings
from syncd.config.addresses import host_and_port
from syncd.config.values import GhlStatus, duration, words_of
from syncd.core.status import GHL_STATUSES

Loaded = Callable[..., Settings]
Refused = Callable[..., tuple[str, ...]]

EVERY_DEFAULT = """
[store]
url = "sqlite:///syncd.db"
[schedule]
poll_interval = "60s"
sweep_interval = "6h"
[http]
listen = "127.0.0.1:8787"
[logging]
format = "auto"
level = "info"
[links.clinic.ghl]
base_url = "https://services.leadconnectorhq.com"
location_id = "loc-1"
token = { env = "GHL_TOKEN" }
calendars = []
default_calendar = ""
default_assignee = ""
routes = []
notify = "never"
rate_limit = { requests = 100, per = "10s" }
[links.clinic.hubspot]
base_url = "https://api.hubapi.com"
token = { env = "HUBSPOT_TOKEN" }
api_version = "2026-03"
object_type = "0-421"
filter = {}
status_property = "auto"
rate_limit = { requests = 100, per = "10s" }
search_rate_limit = { requests = 5, per = "1s" }
search_lag = "10s"
[links.clinic.sync]
direction = "both"
past = "30d"
future = "365d"
recurring = "each"
recurring_future = "60d"
first_sync = "ask"
first_meeting = "ghl"
conflict = "newest"
ghl_deleted = "archive"
hubspot_archived = "cancel"
create_contacts = "both"
double_booking = "refuse"
removal_guard = { percent = 20, at_least = 5 }
change_guard = { percent = 50, at_least = 200 }
rotation = 100
history_keep = "400d"
[links.clinic.fields]
title = "both"
time = "both"
status = "both"
description = "both"
address = "both"
owner = "both"
[links.clinic.status.to_hubspot]
new = "SCHEDULED"
confirmed = "SCHEDULED"
showed = "COMPLETED"
noshow = "NO_SHOW"
cancelled = "CANCELLED"
invalid = "CANCELLED"
[links.clinic.status.to_ghl]
SCHEDULED = "confirmed"
COMPLETED = "showed"
NO_SHOW = "noshow"
CANCELLED = "cancelled"
"""


def test_the_defaults_are_those_that_the_contract_names(loaded: Loaded) -> None:
    assert loaded(EVERY_DEFAULT) == loaded()


def test_the_statuses_are_those_of_the_core() -> None:
    assert get_args(GhlStatus) == GHL_STATUSES


def test_a_link_knows_its_name(loaded: Loaded) -> None:
    assert loaded().links["clinic"].name == "clinic"


def test_settings_cannot_be_changed(loaded: Loaded) -> None:
    settings = loaded()
    with pytest.raises(ValidationError):
        settings.logging.level = "debug"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (90, 90),
        (0.5, 0.5),
        ("90", 90),
        ("90s", 90),
        ("5m", 300),
        ("6h", 21_600),
        ("30d", 2_592_000),
    ],
)
def test_a_duration_is_a_number_of_seconds_or_has_a_unit(
    written: float | str, seconds: float
) -> None:
    assert duration(written).total_seconds() == seconds


@pytest.mark.parametrize(
    "written",
    ["soon", "", "-1s", -1, True, "1w", "5 minutes", float("nan"), float("inf"), [], None],
)
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        duration(written)


@pytest.mark.parametrize("written", ["36501d", 10**30, 1e15])
def test_a_duration_beyond_a_century_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="36500d"):
        duration(written)


@given(st.integers(min_value=0, max_value=36_500 * 86_400))
def test_a_duration_in_words_reads_back_the_same(seconds: int) -> None:
    span = timedelta(seconds=seconds)
    assert duration(words_of(span)) == span


@pytest.mark.parametrize(
    "key",
    [
        "[schedule]\npoll_interval = 0",
        "[schedule]\nsweep_interval = 0",
        "[links.clinic.sync]\nhistory_keep = 0",
        '[links.clinic.ghl]\nlocation_id = "l"\nrate_limit = { requests = 1, per = 0 }',
    ],
)
def test_a_length_of_nothing_is_refused_where_it_makes_no_sense(refused: Refused, key: str) -> None:
    assert any("longer than nothing" in line for line in refused(key))


@pytest.mark.parametrize(
    ("key", "written", "means"),
    [
        ("ghl.notify", "false", "never"),
        ("ghl.notify", "true", "always"),
        ("ghl.notify", '"live"', "live"),
        ("sync.create_contacts", "true", "both"),
        ("sync.create_contacts", "false", "none"),
        ("sync.create_contacts", '"ghl"', "ghl"),
    ],
)
def test_true_and_false_stand_for_words(loaded: Loaded, key: str, written: str, means: str) -> None:
    section, name = key.split(".")
    link = loaded(f'[links.clinic]\nghl.location_id = "loc-1"\n{section}.{name} = {written}').links[
        "clinic"
    ]
    assert getattr(getattr(link, section), name) == means


def test_one_word_for_conflicts_counts_for_every_group(loaded: Loaded) -> None:
    conflict = loaded('[defaults.sync]\nconflict = "hold"').links["clinic"].sync.conflict
    assert {conflict.time, conflict.status, conflict.text, conflict.owner} == {"hold"}


def test_conflicts_by_group_leave_the_unnamed_groups_at_newest(loaded: Loaded) -> None:
    conflict = (
        loaded('[defaults.sync]\nconflict = { time = "ghl", owner = "hubspot" }')
        .links["clinic"]
        .sync.conflict
    )
    assert (conflict.time, conflict.status, conflict.text, conflict.owner) == (
        "ghl",
        "newest",
        "newest",
        "hubspot",
    )


def test_a_status_table_that_is_given_is_known_to_be_given(loaded: Loaded) -> None:
    table = EVERY_DEFAULT.partition("[links.clinic.status.to_hubspot]")[2].partition("[links")[0]
    given_one = loaded(f"[defaults.status.to_hubspot]{table}").links["clinic"].status
    assert given_one.given
    assert not loaded().links["clinic"].status.given


def test_a_status_table_that_is_given_replaces_the_default(loaded: Loaded) -> None:
    status = loaded('[defaults.status.to_ghl]\nDONE = "showed"').links["clinic"].status
    assert status.to_ghl == {"DONE": "showed"}
    assert status.to_hubspot["noshow"] == "NO_SHOW"
    assert not status.given


def test_a_status_table_that_leaves_a_status_out_is_refused(refused: Refused) -> None:
    (line,) = refused('[defaults.status.to_hubspot]\nnew = "A"\nconfirmed = "A"\nshowed = "B"')
    assert "noshow, cancelled, invalid missing" in line


def test_a_status_that_highlevel_does_not_have_is_refused(refused: Refused) -> None:
    (line,) = refused('[defaults.status.to_ghl]\nDONE = "shown"')
    assert line.startswith('defaults.status.to_ghl.DONE = "shown": ')
    assert "showed" in line


def test_numbers_and_single_values_in_a_filter_are_texts(loaded: Loaded) -> None:
    hubspot = (
        loaded('[defaults.hubspot]\nfilter = { team = 7, vip = [true, "no"] }')
        .links["clinic"]
        .hubspot
    )
    assert hubspot.filter == {"team": ("7",), "vip": ("true", "no")}


def test_a_route_needs_a_calendar_or_an_assignee(refused: Refused) -> None:
    (line,) = refused('[defaults.ghl]\nroutes = [{ property = "p", value = "v" }]')
    assert line.startswith("defaults.ghl.routes[0] = ")


def test_routes_keep_their_order_and_numbers_become_texts(loaded: Loaded) -> None:
    routes = (
        loaded(
            '[defaults.ghl]\nroutes = [{ property = "p", value = 77, calendar = "a" },'
            ' { property = "p", value = "78", assignee = "u" }]'
        )
        .links["clinic"]
        .ghl.routes
    )
    assert [(route.value, route.calendar, route.assignee) for route in routes] == [
        ("77", "a", ""),
        ("78", "", "u"),
    ]


@pytest.mark.parametrize(
    "url",
    [
        "mysql://db.example.com/x",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///",
        "oracle://db.example.com/x",
        "syncd.db",
    ],
)
def test_a_store_that_is_not_supported_is_refused(refused: Refused, url: str) -> None:
    (line,) = refused(f'[store]\nurl = "{url}"')
    assert line.startswith("store.url = ")


def test_postgresql_is_always_reached_through_the_driver_that_is_installed(loaded: Loaded) -> None:
    settings = loaded('[store]\nurl = "postgresql://db.example.com/syncd"')
    assert settings.store.url == "postgresql+psycopg://db.example.com/syncd"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://api.hubapi.com", "TLS"),
        ("ftp://api.example.com", "not the address"),
        ("api.hubapi.com", "not the address"),
        ("https://me:word@api.example.com", "no user name"),
        ("https://api.example.com/?a=1", "not the address"),
    ],
)
def test_an_address_that_cannot_be_a_service_is_refused(
    refused: Refused, url: str, why: str
) -> None:
    (line,) = refused(f'[defaults.hubspot]\nbase_url = "{url}"')
    assert why in line


def test_an_address_loses_its_last_slash(loaded: Loaded) -> None:
    link = loaded('[defaults.hubspot]\nbase_url = "http://127.0.0.1:9/hubspot/"').links["clinic"]
    assert link.hubspot.base_url == "http://127.0.0.1:9/hubspot"


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:8787", ("127.0.0.1", 8787)),
        ("[::1]:1", ("::1", 1)),
        (":0", ("", 0)),
        ("localhost:65535", ("localhost", 65_535)),
    ],
)
def test_a_listener_is_a_host_and_a_port(listen: str, address: tuple[str, int]) -> None:
    assert host_and_port(listen) == address


@pytest.mark.parametrize("listen", ["8787", "localhost", "::1:8787", "a:65536", "a:-1", "a:٣"])
def test_what_is_no_listener_is_refused(refused: Refused, listen: str) -> None:
    (line,) = refused(f'[http]\nlisten = "{listen}"')
    assert line.startswith("http.listen = ")


def test_an_empty_listener_is_off(loaded: Loaded) -> None:
    assert loaded('[http]\nlisten = ""').http.address is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sync.removal_guard", "{ percent = 101, at_least = 5 }"),
        ("sync.removal_guard", "{ percent = -1, at_least = 5 }"),
        ("sync.change_guard", "{ percent = 50, at_least = true }"),
        ("sync.change_guard", "5"),
        ("ghl.rate_limit", "{ requests = 0, per = 1 }"),
        ("ghl.rate_limit", "100"),
        ("ghl.calendars", '["a", ""]'),
        ("ghl.calendars", '"a"'),
        ("ghl.default_calendar", '"with space"'),
        ("ghl.location_id", '""'),
        ("hubspot.api_version", '"v3"'),
        ("hubspot.object_type", '"0/421"'),
        ("hubspot.filter", "{ p = [] }"),
        ("hubspot.search_lag", '"late"'),
        ("sync.direction", '"sideways"'),
        ("sync.conflict", '"oldest"'),
        ("sync.conflict", '{ time = "oldest" }'),
        ("sync.past", "1979-05-27T07:32:00Z"),
        ("fields.title", "true"),
        ("sync", "5"),
    ],
)
def test_a_wrong_value_names_its_key_and_what_is_accepted(
    refused: Refused, key: str, value: str
) -> None:
    text = f"[links.clinic]\n{key} = {value}\n"
    if key != "ghl.location_id":
        text += 'ghl.location_id = "loc-1"\n'
    (line,) = refused(text)
    assert line.startswith(f"links.clinic.{key}")
    assert "accepted: " in line


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_whatever_stands_in_a_table_only_validation_errors_come_out(value: Any) -> None:
    for table in ("store", "schedule", "http", "logging", "links"):
        with suppress(ValidationError):
            Settings.model_validate({table: value})


def test_equal_tables_of_many_links_are_kept_once() -> None:
    links = {
        name: {"ghl": {"location_id": name, "token": {"env": name}}, "sync": {"past": "7d"}}
        for name in ("north", "south")
    }
    links["east"] = {**links["north"], "sync": {"past": "8d"}}
    loaded = Settings.model_validate({"links": links}).links
    assert loaded["north"].sync is loaded["south"].sync
    assert loaded["north"].status is loaded["east"].status
    assert loaded["east"].sync.past == timedelta(days=8)
    assert [loaded[name].ghl.location_id for name in links] == ["north", "south", "north"]
