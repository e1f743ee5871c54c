"""What a machine may do to a command: one sentence, the code that fits, and never a traceback.

Each row is a situation, the commands that meet it, their exit code, and words
that the message must have.
"""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from vendor_accounts import VendorAccounts

Syncd = Callable[..., Any]

READS = ("status", "held", "plan", "--sync-now")
ASKS = ("plan", "--sync-now")
DAEMON = ("run",)
SECRET = "Tr0ub4dor"
NEVER = ("Traceback", "unexpected fault", SECRET)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a situation is made."""

    clinic: VendorAccounts
    patch: pytest.MonkeyPatch

    @property
    def config(self) -> Path:
        return self.clinic.folder / "config.toml"

    @property
    def store(self) -> Path:
        return self.clinic.folder / "syncd.db"

    def write(self, data: bytes) -> None:
        self.config.write_bytes(data)

    def replace(self, old: str, new: str) -> None:
        text = self.config.read_text(encoding="utf-8")
        assert old in text
        self.config.write_text(text.replace(old, new, 1), encoding="utf-8")

    def url(self, url: str) -> None:
        self.replace("sqlite:///syncd.db", url)

    def add(self, text: str) -> None:
        self.clinic.configure(text)

    def variable(self, name: str, value: str) -> None:
        self.patch.setenv(name, value)

    def raw_variable(self, name: str, value: bytes) -> None:
        self.patch.setitem(os.environb, name.encode(), value)

    def token_file(self, data: bytes | None) -> None:
        path = self.clinic.folder / "token"
        if data is not None:
            path.touch(0o600)
            path.write_bytes(data)
        self.replace('token = { env = "HUBSPOT_TOKEN" }', 'token = { file = "token" }')

    def token_folder(self) -> None:
        (self.clinic.folder / "token").mkdir(0o700)
        self.token_file(None)


def _port_of(url: str) -> int:
    return urlsplit(url).port or 0


def _folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def _loop(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)


def _locked(place: Place) -> None:
    held = sqlite3.connect(place.store, isolation_level=None, check_same_thread=False)
    held.execute("BEGIN EXCLUSIVE")
    place.patch.setattr("syncd.store.sqlite_reader.BUSY_SECONDS", 0.05)
    place.patch.setattr(place.clinic, "held_open", held, raising=False)


def _unused_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Row:
    make: Callable[[Place], Any]
    verbs: tuple[str, ...]
    code: int
    says: str


PG = "postgresql://me:{login}@127.0.0.1:{port}/db"

ROWS: dict[str, Row] = {
    # --- the configuration file
    "a folder": Row(lambda p: _folder(p.config), READS, 2, "config"),
    "a link to itself": Row(lambda p: _loop(p.config), READS, 2, "config"),
    "binary": Row(lambda p: p.write(b"\x7fELF\x00\xff\xfe" * 99), READS, 2, "config.toml"),
    "UTF-16": Row(lambda p: p.write("[store]".encode("utf-16")), READS, 2, "not UTF-8"),
    "huge": Row(lambda p: p.write(b"#" * (17 * 2**20)), READS, 2, "larger than"),
    "deep": Row(lambda p: p.write(b"a = " + b"[" * 99_999), READS, 2, "config.toml"),
    "a date": Row(
        lambda p: p.add("\n[schedule]\npoll_interval = 1979-05-27\n"), READS, 2, "poll_interval"
    ),
    "endless": Row(
        lambda p: p.add("\n[schedule]\npoll_interval = 1e400\n"), READS, 2, "poll_interval"
    ),
    "no number": Row(
        lambda p: p.add("\n[schedule]\nsweep_interval = nan\n"), READS, 2, "sweep_interval"
    ),
    "an enormous count": Row(
        lambda p: p.add(f"rate_limit = {{ requests = {'9' * 25} }}\n"), READS, 2, "rate_limit"
    ),
    # --- addresses
    "a port beyond all": Row(
        lambda p: p.replace(p.clinic.server.ghl_url, "http://127.0.0.1:99999"), READS, 2, "port"
    ),
    "a host with two dots": Row(
        lambda p: p.replace(p.clinic.server.hubspot_url, "http://a..b"), READS, 2, "host"
    ),
    "a listener with two dots": Row(
        lambda p: p.add('\n[http]\nlisten = "a..b:1"\n'), (*READS, *DAEMON), 2, "http.listen"
    ),
    "a listener that somebody has": Row(
        lambda p: p.add(f'\n[http]\nlisten = "127.0.0.1:{_port_of(p.clinic.server.ghl_url)}"\n'),
        DAEMON,
        2,
        "cannot be listened on",
    ),
    "a proxy with a port that is none": Row(
        lambda p: p.variable("HTTP_PROXY", f"http://me:{SECRET}@h:abc"), ASKS, 2, "HTTP_PROXY"
    ),
    "a proxy with a port beyond all": Row(
        lambda p: p.variable("all_proxy", "http://h:99999"), ASKS, 2, "ALL_PROXY"
    ),
    "a proxy of another kind": Row(
        lambda p: p.variable("http_proxy", f"ftp://me:{SECRET}@h"), ASKS, 2, "HTTP_PROXY"
    ),
    "a proxy with two dots": Row(
        lambda p: p.variable("HTTP_PROXY", "http://a..b:1"), ASKS, 2, "HTTP_PROXY"
    ),
    # --- the store
    "the store is a folder": Row(lambda p: _folder(p.store), READS, 2, "not a regular file"),
    "the store is a device": Row(
        lambda p: p.url("sqlite:////dev/null"), READS, 2, "not a regular file"
    ),
    "the store is no database": Row(
        lambda p: p.store.write_bytes(b"Dear Ada" * 999), READS, 2, "not an SQLite file"
    ),
    "the store is locked": Row(_locked, ("--sync-now",), 7, "locked by another program"),
    "the store cannot be made": Row(
        lambda p: p.url("sqlite:////proc/no/syncd.db"), ("--sync-now",), 2, "cannot be created"
    ),
    "the database is away": Row(
        lambda p: p.url(PG.format(login=SECRET, port=_unused_port())), READS, 7, "cannot be reached"
    ),
    "a database with a port that is none": Row(
        lambda p: p.url(PG.format(login=SECRET, port="abc")), READS, 2, "port"
    ),
    "a database with a port beyond all": Row(
        lambda p: p.url(PG.format(login=SECRET, port=99999)), READS, 2, "port"
    ),
    "a database on a host that is none": Row(
        lambda p: p.url(f"postgresql://me:{SECRET}@a..b/db"), READS, 2, "host"
    ),
    "a database on further hosts that are none": Row(
        lambda p: p.url("postgresql:///db?host=a..b"), READS, 2, "host"
    ),
    "a database with an option that is none": Row(
        lambda p: p.url(PG.format(login=SECRET, port=1) + "?colour=blue"), READS, 2, "store.url"
    ),
    "a password with @": Row(
        lambda p: p.url(PG.format(login=f"p@{SECRET}", port=1)), READS, 2, "%40"
    ),
    "a password with /": Row(
        lambda p: p.url(PG.format(login=f"p/{SECRET}", port=1)), READS, 2, "%2F"
    ),
    "a password with a space": Row(
        lambda p: p.url(PG.format(login=f"p {SECRET}", port=1)), READS, 2, "%20"
    ),
    "a password with a quote": Row(
        lambda p: p.url(PG.format(login=f'p\\"{SECRET}', port=1)), READS, 2, "store.url"
    ),
    "a password with ?": Row(
        lambda p: p.url(PG.format(login=f"p?{SECRET}", port=1)), READS, 2, "store.url"
    ),
    "a password with #": Row(
        lambda p: p.url(PG.format(login=f"p#{SECRET}", port=1)), READS, 2, "store.url"
    ),
    "a password with %": Row(
        lambda p: p.url(PG.format(login=f"p%{SECRET}%zz:", port=_unused_port())),
        READS,
        7,
        "cannot be reached",
    ),
    # --- tokens
    "a token with a line break": Row(
        lambda p: p.variable("GHL_TOKEN", f"{SECRET}\nX-Admin: yes"), ASKS, 2, "GHL_TOKEN"
    ),
    "a token beyond ASCII": Row(
        lambda p: p.variable("HUBSPOT_TOKEN", f"{SECRET}é"), ASKS, 2, "HUBSPOT_TOKEN"
    ),
    "a token that is no text": Row(
        lambda p: p.raw_variable("HUBSPOT_TOKEN", b"\xff" + SECRET.encode()), ASKS, 2, "HUBSPOT"
    ),
    "a token of nothing": Row(lambda p: p.variable("GHL_TOKEN", " \t"), ASKS, 2, "GHL_TOKEN"),
    "a token file with NUL": Row(
        lambda p: p.token_file(b"abc\0" + SECRET.encode()), ASKS, 2, "token"
    ),
    "a token file that is binary": Row(lambda p: p.token_file(b"\xff\xfe" * 9), ASKS, 2, "no text"),
    "a token file of two lines": Row(
        lambda p: p.token_file(f"{SECRET}\nmore\n".encode()), ASKS, 2, "one word"
    ),
    "a token file that is empty": Row(lambda p: p.token_file(b""), ASKS, 2, "empty"),
    "a token file that is not there": Row(lambda p: p.token_file(None), ASKS, 2, "cannot be read"),
    "a token file that is a folder": Row(
        lambda p: p.token_folder(),
        ASKS,
        2,
        "cannot be read",
    ),
    "a token file that is endless": Row(
        lambda p: p.replace('{ env = "HUBSPOT_TOKEN" }', '{ file = "/dev/zero" }'),
        ASKS,
        2,
        "/dev/zero",
    ),
    # --- the environment
    "a variable that is no text": Row(
        lambda p: p.raw_variable("SYNCD_LINKS__CLINIC__GHL__LOCATION_ID", b"\xff\xfe"),
        READS,
        2,
        "location_id",
    ),
    "a variable of a link that is none": Row(
        lambda p: p.variable("SYNCD_LINKS__NOBODY__GHL__LOCATION_ID", "x"), READS, 2, "NOBODY"
    ),
}


@pytest.fixture
def place(syncd: Syncd, clinic: VendorAccounts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    assert syncd("db", "upgrade").code == 0
    yield Place(clinic, monkeypatch)
    held = getattr(clinic, "held_open", None)
    if held is not None:
        held.close()


@pytest.mark.parametrize("name", ROWS)
def test_what_nobody_expects_is_told_in_a_sentence(syncd: Syncd, place: Place, name: str) -> None:
    row = ROWS[name]
    row.make(place)
    for verb in row.verbs:
        for more in ((), ("--json",)) if verb in READS else ((),):
            done = syncd(verb, *more)
            said = done.out + done.err
            assert done.code == row.code, (verb, said)
            assert row.says in said, (verb, said)
            assert not [word for word in NEVER if word in said], (verb, said)
    assert place.clinic.writes() == 0


ARGUMENTS = {
    "no text": "\udcff",
    "NUL": "a\0b",
    "nothing": "",
    "a number beyond all": "9" * 40,
    "a line break": "\n",
}
VERBS = (
    "history {}",
    "history --limit {}",
    "history --since {}",
    "why {}",
    "undo {}",
    "undo --cycle {}",
    "retry {}",
    "resolve {} --ignore",
    "apply {}",
    "forget {}",
    "link pause {}",
    "status --link {}",
    "status --max-age {}",
    "plan --link {}",
    "--config {} status",
)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_whatever_is_typed_is_wrong_usage_at_most(
    syncd: Syncd, place: Place, verb: str, argument: str
) -> None:
    del place
    done = syncd(*(ARGUMENTS[argument] if word == "{}" else word for word in verb.split()))
    assert done.code in {0, 2}, done.err
    assert "Traceback" not in done.out + done.err
