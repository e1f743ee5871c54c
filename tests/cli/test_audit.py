"""`syncd audit`: what it says, writes and ends with."""

import json
from collections.abc import Callable
from typing import Any

from vendor_accounts import VendorAccounts

Syncd = Callable[..., Any]


def test_the_json_is_the_contract_and_nothing_is_written(
    syncd: Syncd, clinic: VendorAccounts
) -> None:
    event = clinic.book("Check-up <b>1</b>")
    clinic.book(hours=2)
    syncd("setup")
    syncd("--sync-now")
    clinic.ghl.edit(event, title="Moved <i>on</i>")
    before = clinic.writes()
    told = syncd("audit", "--json", "--out", "audit.html")
    assert clinic.writes() == before
    found = json.loads(told.out)
    assert (told.code, found["version"], found["exit_code"]) == (0, 1, 0)
    link = found["links"]["clinic"]
    assert {key: link[key] for key in ("pairs", "verified", "explained", "unexplained")} == {
        "pairs": 2,
        "verified": 1,
        "explained": 1,
        "unexplained": 0,
    }
    (difference,) = link["differences"]
    assert difference["ghl_id"] == event
    assert difference["field"] == "title"
    assert difference["ghl"] == "Moved <i>on</i>"
    assert difference["why"].startswith("pending")
    assert link["left_out"] == {}
    assert link["at"]
    page = clinic.folder / "audit.html"
    assert page.stat().st_mode & 0o777 == 0o600
    text = page.read_text("utf-8")
    assert "1 of 2 pairs verified, 1 explained, 0 unexplained" in text
    assert "Moved &lt;i&gt;on&lt;/i&gt;" in text
    assert syncd("audit", "--out", "audit.html").code == 0  # its own page is replaced
    assert syncd("audit", "--out", "config.toml").code == 2


def test_a_side_that_refuses_is_said_and_gives_its_code(
    syncd: Syncd, clinic: VendorAccounts, monkeypatch: Any
) -> None:
    clinic.book()
    syncd("setup")
    syncd("--sync-now")
    monkeypatch.setenv("HUBSPOT_TOKEN", "pat-wrong")
    told = syncd("audit", "--json")
    link = json.loads(told.out)["links"]["clinic"]
    assert (told.code, link["pairs"], link["outcome"]) == (6, None, "refused")
