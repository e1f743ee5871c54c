"""`syncd record` and `syncd replay`: a cycle in a file, and the same plan anywhere."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from vendor_accounts import VendorAccounts

Syncd = Callable[..., Any]


@pytest.fixture
def recorded(syncd: Syncd, clinic: VendorAccounts) -> Path:
    """A recording of a cycle that has something to write."""
    event = clinic.book("Check-up for Annabel")
    syncd("setup")
    syncd("--sync-now")
    clinic.ghl.edit(event, title="Control for Annabel")
    clinic.make("Visit of Zoella", hours=5, contact=False)
    before = clinic.writes()
    told = syncd("record", "cycle.jsonl")
    assert clinic.writes() == before
    assert told.code == 0
    assert "1 planned writes" in told.out
    return clinic.folder / "cycle.jsonl"


def test_a_recording_replays_without_anything(
    syncd: Syncd, clinic: VendorAccounts, recorded: Path, monkeypatch: Any
) -> None:
    planned = json.loads(syncd("plan", "--json").out)
    for name in ("config.toml", "syncd.db"):
        (clinic.folder / name).unlink()
    for name in ("GHL_TOKEN", "HUBSPOT_TOKEN", "PATH", "HOME"):
        monkeypatch.delenv(name, raising=False)
    told = syncd("replay", str(recorded), "--json")
    found = json.loads(told.out)
    assert (told.code, found["exit_code"], found["same"]) == (0, 0, True)
    (mine,), (theirs,) = found["links"].values(), planned["links"].values()
    shape = ("side", "record", "action", "why", "kept_back")
    assert [[each[key] for key in shape] for each in mine["planned"]] == [
        [each[key] for key in shape] for each in theirs["planned"]
    ]
    assert [each["reason"] for each in mine["held"]] == ["no_contact"]
    assert "update" in syncd("replay", str(recorded)).out


def test_a_link_that_cannot_begin_stops_no_other(syncd: Syncd, clinic: VendorAccounts) -> None:
    clinic.book()
    syncd("setup")
    clinic.configure(
        '[links.other.ghl]\nlocation_id = "elsewhere"\ntoken = { env = "NOT_THERE" }\n'
        '[links.other.hubspot]\ntoken = { env = "NOT_THERE" }\n'
        '[defaults.sync]\ndirection = "ghl_to_hubspot"\n'
    )
    told = syncd("record", "two.jsonl", "--json")
    found = json.loads(told.out)
    assert (told.code, found["exit_code"]) == (2, 2)
    assert found["links"]["clinic"]["planned"] >= 1
    assert "NOT_THERE" in found["links"]["other"]["detail"]
    assert "other: not recorded: " in syncd("record", "two.jsonl").out
    assert syncd("replay", "two.jsonl").code == 0


def test_it_names_nobody_and_only_its_owner_reads_it(recorded: Path) -> None:
    assert recorded.stat().st_mode & 0o777 == 0o600
    text = recorded.read_text("utf-8").casefold()
    for word in ("annabel", "zoella", "person1", "human1", "check-up", "control"):
        assert word not in text, word
    assert text.count("clinic") == text.count('"link":"clinic"'), (
        "the name of the link, and nothing else"
    )


SAID = "Annabel Quill <annabel@quill.example>, +41 79 555 01 02, of token {token}, is refused"


@pytest.mark.parametrize(
    ("side", "path"),
    [
        ("ghl", "/calendars/events"),
        ("ghl", "/contacts|/users"),
        ("hubspot", "/contacts|/crm/owners"),
        ("hubspot", "/crm/properties"),
    ],
)
def test_no_vendors_words_name_anybody_in_a_recording(
    syncd: Syncd, clinic: VendorAccounts, recorded: Path, side: str, path: str
) -> None:
    settings = clinic.world.settings
    tokens = (settings.ghl_token, settings.hubspot_token)
    said = SAID.format(token=" ".join(tokens))
    body = {"message": said, "error": said, "errors": [{"message": said, "context": {"x": [said]}}]}
    clinic.make("Visit of Annabel", hours=9)
    clinic.world.faults.add(side=side, path=path, status=400, times=None, body=body)
    recorded.unlink()
    syncd("record", str(recorded))
    text = recorded.read_text("utf-8")
    for word in ("annabel", "quill", "555 01 02", "5550102", *tokens):
        assert word.casefold() not in text.casefold(), word
    assert syncd("replay", str(recorded)).code in {0, 3, 7}


def cut(text: str) -> str:
    return text[: len(text) // 2]


def without_end(text: str) -> str:
    return "".join(text.splitlines(keepends=True)[:-1])


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (cut, "cut off"),
        (without_end, "cut off"),
        (lambda text: text.replace('"format":1', '"format":99', 1), "format 99"),
        (lambda text: text.replace('"outcome":"ok"', '"outcome":"guard"'), ""),
        (lambda text: text.replace('"value":{', '"value":7,"x":{', 1), "cannot be understood"),
        (lambda _: "", "no recording"),
        (lambda _: "{}\n", "no recording"),
        (lambda text: text.split("\n")[0] + '\n{"part":"end","lines":0}\n', "cut off"),
        (lambda _: "\x00\xff", "no recording"),
    ],
)
def test_what_is_no_whole_recording_ends_with_2(
    syncd: Syncd, recorded: Path, broken: Callable[[str], str], told: str
) -> None:
    recorded.write_text(broken(recorded.read_text("utf-8")), "utf-8")
    found = syncd("replay", str(recorded))
    if not told:
        assert "decides otherwise" in found.err
        return
    assert found.code == 2
    assert told in found.err
    assert syncd("replay", "nowhere.jsonl").code == 2


def test_nothing_else_is_overwritten(syncd: Syncd, recorded: Path) -> None:
    assert syncd("record", "config.toml").code == 2
    assert syncd("record", "syncd.db").code == 2
    assert syncd("record", str(recorded)).code == 0
