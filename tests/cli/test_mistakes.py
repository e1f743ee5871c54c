"""Mistakes that people make: each answered by what was given, what is accepted, what to do next."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from vendor_accounts import VendorAccounts

Syncd = Callable[..., Any]

TYPED = {
    "status clinic": ("(clinic)", "`--link NAME`"),
    "apply a.json b.json": ("(b.json)", "accepted: FILE"),
    "apply .": ("'.'", "accepted: a file"),
    "status --config .": ("'.'", "accepted: a file"),
    "status --config gone.toml": ("gone.toml", "`syncd config init`"),
    "history --since yesterday": ("'yesterday'", "accepted: a duration such as 2d, or a date"),
    "history --limit ten": ("'ten'", "accepted: a whole number"),
    "why 123456": ("123456", "check the id"),
    "undo --yes 4711": ("4711", "`syncd history`"),
    "undo --yes --cycle deadbeef0000": ("deadbeef0000", "`syncd cycles`"),
    "db copy foo": ("URL foo", "postgresql+psycopg://user@host/dbname"),
}


@pytest.mark.parametrize("line", TYPED)
def test_what_is_typed_wrong_is_answered_with_what_is_right(
    line: str, syncd: Syncd, clinic: VendorAccounts
) -> None:
    assert syncd("setup").code == 0
    before = clinic.writes()
    done = syncd(*line.split())
    assert (done.code, done.out) == (2, "")
    assert [word for word in TYPED[line] if word not in done.err] == []
    if not line.startswith("db"):
        problems = json.loads(syncd(*line.split(), "--json").out)["problems"]
        assert [word for word in TYPED[line] if word not in " ".join(problems)] == []
    assert clinic.writes() == before


WRITTEN = {
    '{ env = "pit-1234-abcd" }': ("token.env", "the name of an environment variable"),
    '{ file = "gone" }': ("token", "put the token there, or correct the path"),
    '{ file = "folder" }': ("token", "it is a folder; name the file in it"),
}


@pytest.mark.parametrize("written", WRITTEN)
def test_a_token_in_the_wrong_place_is_told_with_the_right_one(
    written: str, syncd: Syncd, clinic: VendorAccounts
) -> None:
    (clinic.folder / "folder").mkdir()
    config = clinic.folder / "config.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace('{ env = "GHL_TOKEN" }', written), encoding="utf-8")
    done = syncd("plan")
    assert done.code == 2
    assert [word for word in WRITTEN[written] if word not in done.out + done.err] == []
    assert "pit-1234" not in done.out + done.err


def test_an_id_that_is_pasted_with_blanks_is_that_id(syncd: Syncd, clinic: VendorAccounts) -> None:
    record = clinic.make("Check-up")
    assert syncd("setup").code == 0
    assert syncd("--sync-now").code == 0
    assert record in syncd("why", f" {record}\n").out
    assert "Check-up" in syncd("history", f"{record} ").out


def test_a_short_variable_of_another_program_stops_nothing(
    syncd: Syncd, clinic: VendorAccounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prefix alone is no resemblance."""
    monkeypatch.setenv("SYNCD_FOO", "x")
    assert syncd("config", "show").code == 0
    monkeypatch.setenv("SYNCD_LINKS__CLINIC__GHL__LOCATIONID", "x")
    assert "SYNCD_LINKS__CLINIC__GHL__LOCATION_ID" in syncd("config", "show").err
    assert clinic.writes() == 0
