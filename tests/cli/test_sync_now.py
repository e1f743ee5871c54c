"""`syncd --sync-now` and `plan` on two vendors: reports, exit codes, what may be made."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from vendor_accounts import VendorAccounts

Syncd = Callable[..., Any]


@pytest.fixture
def ready(syncd: Syncd, clinic: VendorAccounts) -> VendorAccounts:
    """A clinic whose HubSpot account is set up."""
    assert syncd("setup").code == 0
    clinic.world.reset_requests()
    return clinic


def report_of(result: Any) -> dict[str, Any]:
    """The one JSON object on stdout."""
    report: dict[str, Any] = json.loads(result.out)
    assert report["version"] == 1
    assert report["exit_code"] == result.code
    return report


def test_the_json_report_is_alone_on_stdout_and_counts(syncd: Syncd, ready: VendorAccounts) -> None:
    ready.book("Check-up")
    ready.make("Review", hours=3)
    link = report_of(syncd("--sync-now", "--json"))["links"]["clinic"]
    assert link["outcome"] == "ok"
    assert link["cycle"] == "full"
    assert (link["ghl"]["created"], link["hubspot"]["created"]) == (1, 1)
    assert (link["pairs"], link["held"], link["failed"]) == (2, [], [])
    assert link["ghl"]["requests"] > 0
    assert "planned" not in link


def test_a_second_cycle_writes_nothing_and_says_so(syncd: Syncd, ready: VendorAccounts) -> None:
    ready.book()
    assert syncd("--sync-now").code == 0
    ready.world.reset_requests()
    result = syncd("--sync-now")
    assert result.code == 0
    assert "clinic: done, nothing to write" in result.out
    assert ready.writes() == 0


def test_people_read_which_appointment_changed_how_and_why(
    syncd: Syncd, ready: VendorAccounts
) -> None:
    booked = ready.book("Check-up")
    syncd("--sync-now")
    ready.ghl.edit(booked, title="Control", status="cancelled")
    lines = syncd("--sync-now").out.splitlines()
    row = next(line for line in lines if "HubSpot: " in line)
    assert "changed in HighLevel" in row
    assert "title: Check-up → Control" in row
    assert "status: SCHEDULED → CANCELLED" in row
    assert lines[0] == "clinic (times in Europe/Zurich)"
    assert "HubSpot 1 updated" in lines[-2]


def test_in_a_pipe_nothing_is_cut_or_wrapped_or_coloured(
    syncd: Syncd, ready: VendorAccounts
) -> None:
    long = "Check-up " + "with many particulars " * 20
    ready.book(long.strip())
    out = syncd("--sync-now").out
    assert "\x1b" not in out
    row = next(line for line in out.splitlines() if "HubSpot: created" in line)
    assert long.strip() in row


def test_a_title_cannot_steer_the_terminal(syncd: Syncd, ready: VendorAccounts) -> None:
    ready.book("Check\x1b[2Jup\nnext")
    out = syncd("--sync-now").out
    assert "Check\\x1b[2Jup / next" in out


def test_plan_shows_every_field_with_the_reason_and_writes_nothing(
    syncd: Syncd, ready: VendorAccounts
) -> None:
    booked = ready.book("Check-up")
    result = syncd("plan")
    assert result.code == 0
    assert "+ create in HubSpot: Check-up" in result.out
    assert "why: new in HighLevel" in result.out
    assert f"record: HighLevel {booked}" in result.out
    assert "title: Check-up" in result.out
    assert "status: SCHEDULED" in result.out
    assert "HubSpot: 1 to create, 1 contact to create. Nothing was written." in result.out
    assert ready.writes() == 0


def test_plan_is_sync_now_with_dry_run(syncd: Syncd, ready: VendorAccounts) -> None:
    ready.book("Check-up")
    for args in (("plan", "--json"), ("--sync-now", "--dry-run", "--json")):
        link = report_of(syncd(*args))["links"]["clinic"]
        contact, write = link["planned"]
        assert (contact["record"], contact["action"]) == ("contact", "create")
        assert (write["side"], write["action"]) == ("hubspot", "create")
        assert write["fields"]["title"] == {"from": None, "to": "Check-up"}
        assert write["why"] == "new in HighLevel"
        assert link["hubspot"]["created"] == 1
    assert ready.writes() == 0


def test_a_plan_before_the_first_sync_makes_no_store(syncd: Syncd, clinic: VendorAccounts) -> None:
    clinic.book()
    result = syncd("plan")
    assert "HubSpot" in result.out
    assert not list(clinic.folder.glob("syncd.db*"))


@pytest.mark.parametrize("verb", ["held", "history"])
def test_a_verb_that_only_reads_makes_no_store(
    verb: str, syncd: Syncd, clinic: VendorAccounts
) -> None:
    result = syncd(verb)
    assert (result.code, result.out) == (2, "")
    assert "syncd --sync-now" in result.err
    assert not list(clinic.folder.glob("syncd.db*"))


def test_a_verb_that_only_reads_needs_no_credentials(
    syncd: Syncd, ready: VendorAccounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = ready.make("Call back", contact=False)
    syncd("--sync-now")
    monkeypatch.delenv("GHL_TOKEN")
    monkeypatch.delenv("HUBSPOT_TOKEN")
    (hold,) = json.loads(syncd("held", "--json").out)["links"]["clinic"]
    assert (hold["hubspot_id"], hold["reason"]) == (record, "no_contact")
    assert hold["title"] == "Call back"
    assert hold["since"]
    told = syncd("held").out
    assert f"Call back (HubSpot {record})" in told
    assert "give it a contact" in told


def test_what_is_held_is_no_failure_unless_it_is_asked_for(
    syncd: Syncd, ready: VendorAccounts
) -> None:
    record = ready.make("Call back", contact=False)
    result = syncd("--sync-now")
    assert result.code == 0
    assert f"HubSpot {record}" in result.out
    assert "no_contact" in result.out
    assert report_of(syncd("--sync-now", "--fail-on-held", "--json"))["exit_code"] == 3
    assert syncd("plan", "--fail-on-held").code == 3


def test_history_tells_what_was_written_and_finds_an_id_of_either_side(
    syncd: Syncd, ready: VendorAccounts
) -> None:
    booked, other = ready.book("Check-up"), ready.book("Other", hours=4)
    syncd("--sync-now")
    ready.ghl.edit(booked, title="Control")
    syncd("--sync-now")
    entries = json.loads(syncd("history", booked, "--json").out)["links"]["clinic"]
    assert entries[0]["field"] == "title"
    assert (entries[0]["before"], entries[0]["after"]) == ("Check-up", "Control")
    across = entries[0]["hubspot_id"]
    assert json.loads(syncd("history", across, "--json").out)["links"]["clinic"] == entries
    told = syncd("history", booked)
    assert "title: Check-up → Control" in told.out
    assert "changed in HighLevel" in told.out
    assert other not in told.out
    assert syncd("history", "--limit", "1").out.count("record: ") == 1


def test_the_value_that_lost_a_conflict_is_in_the_history(
    syncd: Syncd, ready: VendorAccounts
) -> None:
    ready.configure('[links.clinic.sync]\nconflict = "ghl"\n')
    booked = ready.book("Check-up")
    syncd("--sync-now")
    (record,) = ready.hubspot.records()
    ready.ghl.edit(booked, title="From HighLevel")
    ready.hubspot.edit(record.id, hs_appointment_name="From HubSpot")
    syncd("--sync-now")
    assert "title: From HubSpot → From HighLevel (overwritten)" in syncd("history").out


# --- exit codes


@pytest.mark.usefixtures("ready")
def test_a_missing_token_ends_with_2_and_names_the_variable(
    syncd: Syncd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HUBSPOT_TOKEN")
    result = syncd("--sync-now", "--json")
    report = report_of(result)
    assert report["exit_code"] == 2
    assert report["links"]["clinic"]["outcome"] == "not_prepared"
    assert "HUBSPOT_TOKEN" in report["links"]["clinic"]["detail"]
    told = syncd("setup")
    assert (told.code, told.out) == (2, "")
    assert "HUBSPOT_TOKEN" in told.err


def test_one_links_missing_token_stops_no_other(syncd: Syncd, ready: VendorAccounts) -> None:
    ready.book()
    ready.configure(
        '[links.other.ghl]\nlocation_id = "elsewhere"\ntoken = { env = "NOT_THERE" }\n'
        f'base_url = "{ready.server.ghl_url}"\n'
        '[links.other.hubspot]\ntoken = { env = "NOT_THERE" }\n'
        f'base_url = "{ready.server.hubspot_url}"\n'
        '[defaults.sync]\ndirection = "ghl_to_hubspot"\n'
    )
    links = report_of(syncd("--sync-now", "--json"))["links"]
    assert links["other"]["outcome"] == "not_prepared"
    assert links["clinic"]["outcome"] == "ok"
    assert links["clinic"]["hubspot"]["created"] == 1
    assert list(report_of(syncd("--sync-now", "--json", "--link", "clinic"))["links"]) == ["clinic"]


@pytest.mark.usefixtures("ready")
def test_refused_credentials_end_with_6(syncd: Syncd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GHL_TOKEN", "pit-99999999-0000-4000-8000-000000000009")
    report = report_of(syncd("--sync-now", "--json"))
    assert (report["exit_code"], report["links"]["clinic"]["outcome"]) == (6, "refused")


def test_an_account_without_appointments_ends_with_2(syncd: Syncd, clinic: VendorAccounts) -> None:
    clinic.hubspot.activated = False
    assert syncd("setup").code == 2
    report = report_of(syncd("--sync-now", "--json"))
    assert (report["exit_code"], report["links"]["clinic"]["outcome"]) == (2, "not_prepared")


def test_a_store_of_a_newer_syncd_ends_with_2_and_is_reported(
    syncd: Syncd, ready: VendorAccounts
) -> None:
    import sqlite3

    with sqlite3.connect(ready.folder / "syncd.db") as store:
        store.execute("UPDATE syncd_version SET version_num = '9999', reader = '9999'")
    store.close()
    result = syncd("--sync-now", "--json")
    report = report_of(result)
    assert report["links"]["clinic"]["outcome"] == "not_prepared"
    assert "newer syncd" in report["links"]["clinic"]["detail"]
    assert syncd("held").code == 2


def test_a_file_that_is_no_store_ends_with_2_and_touches_neither_side(
    syncd: Syncd, clinic: VendorAccounts
) -> None:
    (clinic.folder / "syncd.db").write_text("this is a letter, not a database" * 200)
    report = report_of(syncd("--sync-now", "--json"))
    assert (report["exit_code"], report["links"]["clinic"]["outcome"]) == (2, "not_prepared")
    assert "not an SQLite file" in report["links"]["clinic"]["detail"]
    assert clinic.writes() == 0


def test_the_removal_guard_ends_with_4_and_lets_pass_once(
    syncd: Syncd, ready: VendorAccounts
) -> None:
    booked = [ready.book(f"Visit {hour}", hours=hour) for hour in range(7)]
    syncd("--sync-now")
    for each in booked[:6]:
        ready.ghl.delete(each)
    assert syncd("plan").code == 4
    result = syncd("--sync-now")
    assert result.code == 4
    assert "--allow-removals" in result.out
    assert len(ready.hubspot.records()) == 7
    assert syncd("plan", "--allow-removals").code == 0
    assert syncd("--sync-now", "--allow-removals").code == 0
    assert len(ready.hubspot.records()) == 1


@pytest.mark.usefixtures("ready")
def test_an_unexpected_fault_of_a_link_ends_with_1_and_its_traceback_is_logged(
    syncd: Syncd, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the cause")

    monkeypatch.setattr("syncd.engine.cycle.run", broken)
    result = syncd("--sync-now", "--json")
    assert report_of(result)["links"]["clinic"]["outcome"] == "fault"
    assert "RuntimeError: the cause" in result.err
    assert "Traceback" in result.err


# --- setup, db


@pytest.mark.usefixtures("clinic")
def test_setup_can_be_repeated(syncd: Syncd) -> None:
    first, second = syncd("setup"), syncd("setup")
    assert (first.code, second.code) == (0, 0)
    assert "made in HubSpot: property ghl_appointment_id" in first.out
    assert second.out == "clinic: HubSpot has everything that is needed\n"


def test_db_upgrade_makes_a_store_and_says_where_it_stands(
    syncd: Syncd, clinic: VendorAccounts
) -> None:
    made, again = syncd("db", "upgrade"), syncd("db", "upgrade")
    assert (made.code, again.code) == (0, 0)
    assert "was made" in made.out
    assert "is up to date" in again.out
    assert (clinic.folder / "syncd.db").is_file()
    assert syncd("held").out == "clinic: nothing is held\n"
    assert syncd("history").out == "clinic: nothing was written\n"


def test_the_configuration_is_read_where_the_option_says(
    syncd: Syncd, ready: VendorAccounts, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").rename(tmp_path / "moved.toml")
    ready.book()
    assert syncd("--config", "moved.toml", "--sync-now").code == 0
    assert syncd("--sync-now", "--config", "moved.toml").code == 0
    assert syncd("--sync-now").code == 2


def test_a_one_shot_tells_people_once_of_a_break_and_of_its_end(
    syncd: Syncd, ready: VendorAccounts, webhook: Any
) -> None:
    ready.configure(f'\n[notify]\nwebhook = "{webhook.url}"\n')
    ready.world.faults.add(side="hubspot", status=401, times=1000)
    assert syncd("--sync-now", "--dry-run").code == 6
    assert webhook.events == []
    assert syncd("--sync-now").code == 6
    assert syncd("--sync-now").code == 6
    ready.world.faults.clear()
    assert syncd("--sync-now").code == 0
    assert webhook.events == ["link_broken", "link_recovered"]


def test_a_webhook_that_is_down_changes_neither_report_nor_code(
    syncd: Syncd, ready: VendorAccounts, webhook: Any
) -> None:
    ready.configure(f'\n[notify]\nwebhook = "{webhook.url}"\nheld_longer_than = 0\n')
    webhook.status = 503
    held = ready.make("Nobody's", contact=False)
    result = syncd("--sync-now", "--json")
    assert (result.code, report_of(result)["links"]["clinic"]["outcome"]) == (0, "ok")
    assert webhook.events == ["record_held"]
    assert webhook.got[0]["records"][0]["hubspot_id"] == held
    assert webhook.url not in result.err


def test_a_held_field_is_shown_with_what_each_side_has(syncd: Syncd, ready: VendorAccounts) -> None:
    ready.configure('\n[defaults.sync]\nconflict = "hold"\n')
    booked = ready.book("Check-up")
    assert syncd("--sync-now").code == 0
    (record,) = ready.hubspot.records()
    ready.ghl.edit(booked, title="Left")
    ready.hubspot.edit(record.id, hs_appointment_name="Right")
    (held,) = report_of(syncd("--sync-now", "--json"))["links"]["clinic"]["held"]
    assert (held["reason"], held["field"]) == ("conflict", "title")
    assert held["values"] == {"ghl": "Left", "hubspot": "Right"}
    for verb in ("--sync-now", "held"):
        assert "HighLevel has Left, HubSpot has Right" in syncd(verb).out


def test_a_one_shot_whose_store_cannot_be_opened_tells_people(
    syncd: Syncd, ready: VendorAccounts, webhook: Any
) -> None:
    ready.configure(f'\n[notify]\nwebhook = "{webhook.url}"\n')
    (ready.folder / "syncd.db").write_bytes(b"no database " * 400)
    assert syncd("plan").code == 2
    assert webhook.events == []
    assert syncd("--sync-now").code == 2
    (told,) = webhook.got
    assert (told["event"], told["state"]) == ("link_broken", "not_prepared")
    assert "is not an SQLite file" in told["reason"]


@pytest.mark.parametrize(("kept", "left"), [("30d", 0), ("400d", 1)])
def test_a_one_shot_keeps_before_and_after_values_as_long_as_it_is_told(
    syncd: Syncd, ready: VendorAccounts, kept: str, left: int
) -> None:
    ready.configure(f'\n[defaults.sync]\nhistory_keep = "{kept}"\n')
    booked = ready.book("Check-up")
    assert syncd("--sync-now").code == 0
    with closing(sqlite3.connect(ready.folder / "syncd.db")) as store, store:
        (written,) = store.execute("SELECT count(*) FROM history").fetchone()
        assert written
        store.execute("UPDATE history SET at = datetime(at, '-100 days')")
    ready.ghl.edit(booked, title="Control")
    assert syncd("--sync-now").code == 0
    with closing(sqlite3.connect(ready.folder / "syncd.db")) as store:
        rows = "SELECT count(*) FROM history WHERE at {} datetime('now', '-90 days')"
        (old,), (young,) = (store.execute(rows.format(way)).fetchone() for way in ("<", ">"))
    assert (old, young) == (written * left, 1)
    assert ("Control" in syncd("history").out, "Check-up" in syncd("history").out) == (True, True)


def test_what_a_guard_keeps_back_is_shown_in_one_block_with_its_own_option(
    syncd: Syncd, ready: VendorAccounts
) -> None:
    booked = [ready.book(f"Visit {hour}", hours=hour) for hour in range(7)]
    syncd("--sync-now")
    for each in booked[:6]:
        ready.ghl.delete(each)
    told = syncd("plan").out
    assert "Kept back by the removal guard, and not written: 6 records" in told
    assert told.count("- kept back: archive in HubSpot: Visit") == 6
    assert "removal_guard" not in told
    assert "syncd --sync-now --link clinic --allow-removals" in told
    assert "--allow-changes" not in told
    planned = report_of(syncd("plan", "--json"))["links"]["clinic"]["planned"]
    assert [write["kept_back"] for write in planned] == ["removal_guard"] * 6
    let = syncd("plan", "--allow-removals").out
    assert "Removals: 6 records" in let
    assert "kept back" not in let
