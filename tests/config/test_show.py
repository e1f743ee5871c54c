import tomllib
from collections.abc import Callable
from pathlib import Path

from syncd.config import Settings, load, show
from syncd.config.key_tree import known_keys

Loaded = Callable[..., Settings]

FULL = """
[store]
url = "postgresql+psycopg://me:hush@db.example.com/syncd?password=hush"
[defaults.status.to_ghl]
"my value" = "showed"
[links.clinic.ghl]
location_id = "loc-1"
token = { file = "/run/token" }
calendars = ["a", "b"]
routes = [{ property = "p", value = 7, calendar = "c" }]
[links.clinic.hubspot]
filter = { team = ["x", "y"] }
[links.clinic.sync]
past = 90
conflict = { time = "hold" }
"""


def test_what_is_shown_loads_again_to_the_same_settings(loaded: Loaded, tmp_path: Path) -> None:
    settings = loaded(FULL.replace("me:hush@", "").replace("?password=hush", ""))
    again = tmp_path / "config.toml"
    again.write_text(show(settings))
    assert load(again, {}, tmp_path) == settings
    assert load(again, {}, tmp_path).links["clinic"].status.given is False


def test_every_key_is_shown(loaded: Loaded) -> None:
    settings = loaded()
    shown = tomllib.loads(show(settings).replace("# to_", "to_"))
    for path in known_keys(["clinic"]):
        if path[0] not in {"defaults", "include"}:
            value = shown
            for key in path:
                assert key in value, path
                value = value[key]


def test_user_and_password_of_an_address_are_masked(loaded: Loaded) -> None:
    shown = show(loaded(FULL))
    assert "hush" not in shown
    assert "postgresql+psycopg://***@db.example.com/syncd?password=***" in shown


def test_a_token_is_shown_as_the_place_where_it_is_kept(loaded: Loaded) -> None:
    shown = show(loaded(FULL))
    assert 'token = { file = "/run/token" }' in shown
    assert 'token = { env = "HUBSPOT_TOKEN" }' in shown


def test_the_password_of_the_store_does_not_show_in_a_representation(loaded: Loaded) -> None:
    assert "hush" not in repr(loaded(FULL))
