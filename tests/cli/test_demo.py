"""`syncd demo`: what it prints must be understood in one look."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import program
import pytest
from forkserver import ForkServer

Syncd = Callable[..., Any]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, forkserver: ForkServer) -> str:
    """The demo's output, from a process of its own with a hostile environment."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "config.toml").write_text("this is no configuration")
    hostile = {
        "SYNCD_STORE__URL": "nonsense",
        "SYNCD_CONFIG": "/nowhere",
        "SYNCD_LINKS__CLINIC__GHL__LOCATION_ID": "elsewhere",
        "GHL_TOKEN": "not-this-one",
    }
    done = forkserver.run("demo", cwd=folder, env=program.environment(**hostile))
    assert done.stderr == ""
    assert done.returncode == 0
    assert [file.name for file in folder.iterdir()] == ["config.toml"]
    return done.stdout


def block(told: str, title: str) -> list[str]:
    """What is told of one appointment, line by line, without the indentation."""
    lines = told.partition("People edit both sides")[2].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"  {title}"))
    found = [lines[start].strip()]
    for line in lines[start + 1 :]:
        if not line.startswith("    "):
            break
        found.append(" ".join(line.split()))
    return found


def test_each_edit_is_told_with_what_syncd_did_about_it(told: str) -> None:
    moment = block(told, "Check-up, Dario Lutz")[0].removeprefix("Check-up, Dario Lutz, ")
    assert block(told, "Check-up, Dario Lutz")[1:] == [
        "people HighLevel: moved to 10:30",
        f"syncd HubSpot: start: {moment} → 10:30 (changed in HighLevel)",
    ]
    assert block(told, "First consultation, Elin Sand")[2] == (
        "syncd HubSpot: status: SCHEDULED → CANCELLED (changed in HighLevel)"
    )
    assert (
        block(told, "Check-up, Finn Abara")[2] == "syncd HubSpot: archived (deleted in HighLevel)"
    )
    assert block(told, "Phone call")[2] == "syncd HighLevel: cancelled (archived in HubSpot)"


def test_edits_of_different_fields_on_both_sides_both_survive(told: str) -> None:
    answers = [line for line in block(told, "Follow-up, Ada Winter") if line.startswith("syncd")]
    # Both sides are written at once: either may be told first.
    ghl, hubspot = sorted(answers)
    assert ghl.startswith("syncd HighLevel: title:")
    assert hubspot.startswith("syncd HubSpot: address:")


def test_of_two_edits_of_one_field_the_later_wins_and_the_other_is_kept(told: str) -> None:
    answers = block(told, "Review, Ben Torres")[3:]
    assert "title: Yearly review → Review of the treatment" in answers[0]
    assert "changed on both sides" in answers[0]
    assert "'Yearly review', is kept in `syncd history`" in answers[1]


def test_what_cannot_be_decided_waits_and_says_what_lets_it_go(told: str) -> None:
    answers = block(told, "Call back")[2:]
    assert answers[0].startswith("syncd waits for a person (no_contact)")
    assert answers[1].startswith("syncd to resolve it: give it a contact")


def test_the_third_sync_writes_nothing(told: str) -> None:
    third = told.partition("Third sync")[2].splitlines()
    assert third[1].startswith("clinic: done, nothing to write")


def test_it_ends_with_where_to_go_next(told: str) -> None:
    assert "Where to go next" in told
    assert "syncd sandbox" in told.partition("Where to go next")[2]


def test_for_a_script_there_is_one_document_with_each_report(syncd: Syncd) -> None:
    done = syncd("demo", "--json")
    told = json.loads(done.out)
    assert (done.code, told["version"], told["exit_code"]) == (0, 1, 0)
    assert [each["outcome"] for each in told["cycles"]] == ["ok"] * 3
    assert told["cycles"][2]["ghl"]["updated"] + told["cycles"][2]["hubspot"]["updated"] == 0
    assert all(each["people"] and each["syncd"] for each in told["edits"])


def test_keep_leaves_a_configuration_and_a_store_to_look_at(
    syncd: Syncd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = syncd("demo", "--keep")
    assert result.code == 0
    found = re.search(r"syncd --config (\S+) history", result.out)
    assert found
    assert Path(found[1]).parent.parent == tmp_path
    history = syncd("--config", found[1], "history", "--limit", "0")
    assert "overwritten" in history.out
    assert "no_contact" in syncd("--config", found[1], "held").out


@pytest.mark.acceptance
def test_the_live_demo_shows_edits_that_were_announced(
    tmp_path: Path, forkserver: ForkServer
) -> None:
    done = forkserver.run("demo", "--live", cwd=tmp_path, env=program.environment())
    assert (done.returncode, done.stderr) == (0, "")
    assert len(re.findall(r"on the other side after [\d.]+ seconds", done.stdout)) == 4
    assert list(tmp_path.iterdir()) == []
