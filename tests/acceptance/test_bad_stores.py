"""A store that cannot be used ends the real program with what to do, before any vendor is asked."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import program
import pytest
from process_harness import OpenStage, ProcessHarness, be_quiet
from sqlalchemy import text
from stores import POSTGRES, opened

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

on_sqlite = pytest.mark.parametrize("open_stage", ["sqlite"], indirect=True)
on_postgres = pytest.mark.parametrize("open_stage", [POSTGRES], indirect=True)


@pytest.fixture
def used(open_stage: OpenStage) -> ProcessHarness:
    """A clinic whose store has been worked with; something waits to be mirrored."""
    processes = open_stage()
    assert processes.run("setup").returncode == 0
    for number in range(40):
        processes.accounts.book(f"Visit {number}", hours=2 * number)
    assert processes.run("--sync-now").returncode == 0
    processes.accounts.book("Waiting", hours=200)
    processes.accounts.world.reset_requests()
    return processes


def garbage(file: Path) -> None:
    file.write_bytes(b"This is no database. " * 400)


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: 3 * 4096 + 100])


def overwritten(file: Path, page: int) -> None:
    whole = bytearray(file.read_bytes())
    whole[page * 4096 : page * 4096 + 2048] = b"\xa5" * 2048
    file.write_bytes(whole)


def page_of(file: Path, table: str) -> int:
    """The number, from 0, of the page that a table begins at."""
    with sqlite3.connect(file) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        return int(connection.execute(query, (table,)).fetchone()[0]) - 1


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def a_newer_programs(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE syncd_version SET version_num = '9999', reader = '9999'")


def somebody_elses(file: Path) -> None:
    file.unlink()
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")


SPOILS: Sequence[tuple[str, Callable[[Path], None], int, str]] = (
    ("garbage", garbage, 2, "is not an SQLite file"),
    ("cut short", cut_short, 2, "is corrupt"),
    ("no header", lambda file: overwritten(file, 0), 2, "is not an SQLite file"),
    ("history", lambda file: overwritten(file, page_of(file, "history")), 2, "is corrupt"),
    ("pairs", lambda file: overwritten(file, page_of(file, "pair")), 2, "is corrupt"),
    ("a newer program's", a_newer_programs, 2, "was written by a newer syncd"),
    ("somebody else's", somebody_elses, 2, "another program's tables"),
    ("a folder", a_folder, 2, "is not a regular file"),
)


@on_sqlite
@pytest.mark.parametrize("verb", ["--sync-now", "run"])
def test_a_spoilt_file_is_told_and_no_vendor_is_asked(used: ProcessHarness, verb: str) -> None:
    file = used.accounts.folder / "syncd.db"
    good = file.read_bytes()
    for name, spoil, code, words in SPOILS:
        file.write_bytes(good)
        spoil(file)
        done = used.run(verb)
        assert (done.returncode, used.accounts.world.requests) == (code, []), name
        said = done.stdout + done.stderr
        assert words in said, name
        assert "Traceback" not in said, name


@on_sqlite
def test_a_disk_that_is_full_is_told_and_nothing_is_sent_twice(used: ProcessHarness) -> None:
    """The file may not grow: what SQLite meets is what a full disk would be."""
    largest = (used.accounts.folder / "syncd.db").stat().st_size
    done = subprocess.run(
        [*program.COMMAND, "--sync-now"],
        cwd=used.accounts.folder,
        env=used.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, largest)),
    )
    assert done.returncode == 2
    assert "free some space" in done.stdout or "check the disk" in done.stdout
    assert used.accounts.writes() == 0
    assert used.run("--sync-now").returncode == 0
    assert len(used.accounts.hubspot.records()) == 41
    be_quiet(used)


@on_postgres
def test_a_newer_database_is_told_and_no_vendor_is_asked(used: ProcessHarness) -> None:
    with opened(used.env["SYNCD_STORE__URL"]) as engine, engine.begin() as connection:
        connection.execute(text("UPDATE syncd_version SET version_num = '9999', reader = '9999'"))
    done = used.run("--sync-now")
    assert (done.returncode, used.accounts.world.requests) == (2, [])
    assert "was written by a newer syncd" in done.stdout
