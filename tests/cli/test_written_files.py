"""What a command may write over: nothing but what it wrote itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from vendor_accounts import VendorAccounts

Syncd = Callable[..., Any]


def a_link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def a_plan(path: Path) -> None:
    path.write_text('{"version": 1, "links": {"clinic": {"writes": []}}}')
    path.chmod(0o644)


TAKEN: dict[str, Callable[[Path], Any]] = {
    "the store": lambda path: (path.parent / "syncd.db").rename(path),
    "the configuration": lambda path: path.write_bytes((path.parent / "config.toml").read_bytes()),
    "a letter": lambda path: path.write_text("Dear Ada"),
    "nothing at all": lambda path: path.touch(),
    "another program's JSON": lambda path: path.write_text('{"version": 1, "links": {"a": {}}}'),
    "a list": lambda path: path.write_text("[1]"),
    "deep": lambda path: path.write_text("[" * 100_000),
    "a link to the store": a_link_to("syncd.db"),
    "a link to a plan": a_link_to("good.json"),
    "a link to nothing": a_link_to("nowhere"),
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
}


@pytest.fixture
def ready(syncd: Syncd, clinic: VendorAccounts) -> VendorAccounts:
    assert syncd("setup").code == 0
    clinic.book("Check-up")
    a_plan(clinic.folder / "good.json")
    return clinic


@pytest.mark.parametrize("what", TAKEN)
def test_a_plan_replaces_nothing_but_a_plan(syncd: Syncd, ready: VendorAccounts, what: str) -> None:
    out = ready.folder / "out.json"
    TAKEN[what](out)
    before = {path.name: path.lstat() for path in ready.folder.iterdir()}
    asked = len(ready.world.requests)
    done = syncd("plan", "--out", "out.json")
    assert done.code == 2
    assert "out.json" in done.err
    assert "Traceback" not in done.err
    after = {path.name: path.lstat() for path in ready.folder.iterdir()}
    assert {name: (s.st_ino, s.st_mode, s.st_mtime_ns) for name, s in after.items()} == {
        name: (s.st_ino, s.st_mode, s.st_mtime_ns) for name, s in before.items()
    }
    assert len(ready.world.requests) == asked


@pytest.mark.parametrize(
    "name", ["new.db", "new.db-wal", "new.db-shm", "new.db-journal", "new.db.locks"]
)
def test_a_plan_takes_no_name_of_a_store_that_is_yet_to_be_made(
    syncd: Syncd, ready: VendorAccounts, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("SYNCD_STORE__URL", f"sqlite:///{ready.folder}/new.db")
    done = syncd("plan", "--out", name)
    assert done.code == 2
    assert "the store's" in done.err
    assert not (ready.folder / name).exists()


@pytest.mark.parametrize("name", ["new.json", "good.json"])
def test_a_plan_is_kept_in_a_new_file_or_over_an_old_plan(
    syncd: Syncd, ready: VendorAccounts, name: str
) -> None:
    done = syncd("plan", "--out", name)
    assert done.code == 0
    file = ready.folder / name
    assert "Check-up" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not list(ready.folder.glob(".*json*"))


@pytest.mark.parametrize("where", ["/dev/stdout", "/dev/null", "nowhere/out.json"])
def test_a_plan_is_kept_in_no_device_and_no_folder_that_is_not_there(
    syncd: Syncd, ready: VendorAccounts, where: str
) -> None:
    asked = len(ready.world.requests)
    assert syncd("plan", "--out", where).code == 2
    assert len(ready.world.requests) == asked


@pytest.mark.parametrize("what", ["a link to the store", "a link to nothing", "a letter", "a pipe"])
def test_a_backup_replaces_nothing(syncd: Syncd, ready: VendorAccounts, what: str) -> None:
    out = ready.folder / "copy.db"
    TAKEN[what](out)
    before = out.lstat()
    assert syncd("db", "backup", "copy.db").code == 2
    assert (out.lstat().st_ino, out.lstat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not (ready.folder / "nowhere").exists()
