"""`syncd live hubspot-project`: a project app that can be uploaded, and nothing is lost by it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Syncd = Callable[..., Any]

CONFIG = """
[live]
public_url = "https://sync.example.test"

[links.clinic.ghl]
location_id = "C2QujeCh8ZnC7al2InWR"

[links.clinic.hubspot]
filter = { clinic_name = "North" }

[links.clinic.map.price]
hubspot = "price"
ghl = "notes"
"""
APP = "src/app/app-hsmeta.json"
WEBHOOKS = "src/app/webhooks/webhooks-hsmeta.json"


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def _read(folder: Path, path: str) -> Any:
    return json.loads((folder / "app" / path).read_text(encoding="utf-8"))


@pytest.mark.parametrize("auth", ["static", "oauth"])
def test_the_project_delivers_every_property_that_is_synced(
    auth: str, configured: Path, syncd: Syncd
) -> None:
    result = syncd("live", "hubspot-project", "app", "--auth", auth)
    assert result.code == 0, result.err
    assert _read(configured, "hsproject.json")["srcDir"] == "src"
    how = _read(configured, APP)["config"]["auth"]
    assert how["type"] == auth
    assert ("oauth" in how["requiredScopes"]) == (auth == "oauth")
    assert "crm.objects.appointments.write" in how["requiredScopes"]
    redirects = ["https://sync.example.test/oauth/callback"] if auth == "oauth" else None
    assert how.get("redirectUrls") == redirects
    config = _read(configured, WEBHOOKS)["config"]
    assert config["settings"]["targetUrl"] == "https://sync.example.test/hooks/crm"
    subscribed = config["subscriptions"]["crmObjects"]
    named = [each["propertyName"] for each in subscribed if "propertyName" in each]
    assert len(named) == len(set(named))
    assert set(named) == {
        "hs_appointment_name",
        "hs_appointment_start",
        "hs_appointment_end",
        "hs_appointment_status",
        "ghl_appointment_status",
        "hubspot_owner_id",
        "ghl_description",
        "ghl_address",
        "price",
        "clinic_name",
    }
    words = {(each["objectType"], each["subscriptionType"]) for each in subscribed}
    assert ("appointment", "object.associationChange") in words
    assert ("contact", "object.deletion") in words


def test_it_is_safe_to_repeat_and_replaces_nothing_unasked(configured: Path, syncd: Syncd) -> None:
    first = syncd("live", "hubspot-project", "app", "--json")
    assert set(json.loads(first.out)["files"].values()) == {"written"}
    again = syncd("live", "hubspot-project", "app", "--json")
    assert set(json.loads(again.out)["files"].values()) == {"unchanged"}
    mine = configured / "app" / APP
    mine.write_text("{}", encoding="utf-8")
    refused = syncd("live", "hubspot-project", "app", "--auth", "oauth")
    assert (refused.code, mine.read_text(encoding="utf-8")) == (2, "{}")
    assert "--overwrite" in refused.err
    replaced = syncd("live", "hubspot-project", "app", "--auth", "oauth", "--overwrite")
    assert replaced.code == 0
    assert f"replaced  app/{APP}" in replaced.out


def test_without_a_public_address_it_says_what_is_missing(configured: Path, syncd: Syncd) -> None:
    text = CONFIG.replace('public_url = "https://sync.example.test"', "")
    (configured / "config.toml").write_text(text, encoding="utf-8")
    result = syncd("live", "hubspot-project", "app")
    assert result.code == 2
    assert "live.public_url" in result.err
    assert not (configured / "app").exists()


def test_a_folder_that_cannot_be_written_is_told(configured: Path, syncd: Syncd) -> None:
    (configured / "app").mkdir()
    (configured / "app" / "src").write_text("", encoding="utf-8")
    result = syncd("live", "hubspot-project", "app")
    assert result.code == 2
    assert "cannot be" in result.err
