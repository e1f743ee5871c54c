"""Copies of a store: whole, of one instant, held by nobody."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from postgres_server import PostgresServer
from sqlalchemy import Connection, Engine, Table, select
from stores import BACKENDS, StandingClock, opened

from syncd.core.model import ContactPair, Hold, Pair, Side
from syncd.errors import StoreError
from syncd.ports.announcements import Announced, Delivered
from syncd.ports.notifications import Notification
from syncd.ports.store import CycleRow, HistoryEntry, Intent, IntentKind
from syncd.store import Store, open_engine
from syncd.store import backup as backup_module
from syncd.store.backup import backup, copy
from syncd.store.tables import member, metadata


@pytest.fixture
def full(store: Store, a_pair: Callable[..., Pair], standing_clock: StandingClock) -> Store:
    """A store with a row in every table, and pairs that are gone."""
    now = standing_clock.now()
    for name in ("clinic", "praxis"):
        with store.link(name).begin() as writing:
            saved = writing.save_pairs(a_pair(number) for number in range(1, 6))
            writing.open_intents(
                [Intent(key="i1", side=Side.GHL, kind=IntentKind.CREATE, created_at=now)]
            )
            writing.save_contacts([ContactPair(ghl_id="c1", hubspot_id="k1")])
            writing.replace_holds(
                [Hold(ghl_id="g9", reason="no_contact", detail="\x00", title="Check-up")], judged=[]
            )
            writing.set_state("hubspot", "5")
            writing.add_history([an_entry(now)])
            writing.save_cycle(a_cycle(now))
            writing.drop_pairs([saved[-1].key])
        store.link(name).decide("kick", {}, now)
        store.outbox.write(name, [a_notification(now)], announced=["link refused"], ended=[])
    store.ledger.exchange(
        "ghl:a",
        now=now,
        answered={},
        wanted=1,
        places=9,
        until=now + timedelta(hours=1),
        span=timedelta(seconds=1),
    )
    store.accounts.keep({"a token's digest": "24600001"}, now)
    store.inbox.announce(
        [Delivered(link="clinic", side=Side.GHL, what=Announced.LINK, delivery="d")]
    )
    store.acquire("clinic", "run")
    with store._database.engine.begin() as connection:
        for table in metadata.sorted_tables:
            if not connection.execute(select(table)).first():
                connection.execute(table.insert(), a_row(table, now))
    return store


def a_row(table: Table, now: datetime) -> dict[str, object]:
    """Something in each column, whatever it means."""
    samples: dict[str, object] = {"Instant": now, "Json": {}, "Boolean": True}
    return {
        column.name: samples.get(
            type(column.type).__name__, 1 if "INT" in str(column.type).upper() else "text"
        )
        for column in table.columns
        if not column.primary_key or len(table.primary_key) > 1 or str(column.type) == "VARCHAR"
    }


def an_entry(at: datetime) -> HistoryEntry:
    return HistoryEntry(
        at=at, cycle="c1", side=Side.GHL, ghl_id="g1", hubspot_id="h1", action="update"
    )


def a_notification(at: datetime) -> Notification:
    return Notification(channel="webhook", body={"event": "link_broken"}, made_at=at, due_at=at)


def a_cycle(at: datetime) -> CycleRow:
    return CycleRow(cycle="c1", kind="full", started_at=at, finished_at=at, outcome="ok")


def rows(engine: Engine) -> dict[str, list[dict[str, object]]]:
    """Everything but who holds what."""
    with engine.connect() as connection:
        return {
            table.name: [
                {name: found for name, found in row.items() if name not in {"holder", "owner"}}
                for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()
            ]
            for table in metadata.sorted_tables
            if table is not member
        }


def test_a_backup_is_the_store_as_it_was(full: Store, tmp_path: Path) -> None:
    path = tmp_path / "a backup%20.db"
    backup(full._database.engine, path)
    before = rows(full._database.engine)
    assert all(before.values())
    with full.link("clinic").begin() as transaction:
        transaction.set_state("hubspot", "6")
    with opened(f"sqlite:///{path}") as engine:
        assert rows(engine) == before
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_backup_can_be_worked_on_at_once(
    full: Store, tmp_path: Path, standing_clock: StandingClock
) -> None:
    backup(full._database.engine, tmp_path / "backup.db")
    with Store(open_engine(f"sqlite:///{tmp_path / 'backup.db'}"), standing_clock) as copied:
        assert copied.holder("clinic") is None
        copied.acquire("clinic", "run")
        assert copied.link("clinic").count_pairs() == 4


def test_a_backup_replaces_nothing(full: Store, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(StoreError, match="exists already"):
        backup(full._database.engine, path)
    assert path.read_text() == "mine"


def test_a_backup_is_no_part_of_the_store(tmp_path: Path) -> None:
    journal = tmp_path / "own.db-journal"
    with pytest.raises(StoreError, match="belongs to the store"):
        backup(open_engine(f"sqlite:///{tmp_path / 'own.db'}"), journal)
    assert not journal.exists()


def test_a_backup_that_fails_leaves_no_file(
    full: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreError("no room left")

    monkeypatch.setattr("syncd.store.backup._copy_pages", fail)
    monkeypatch.setattr("syncd.store.backup._copy_table", fail)
    folder = tmp_path / "backups"
    with pytest.raises(StoreError):
        backup(full._database.engine, folder / "backup.db")
    assert list(folder.iterdir()) == []


def test_a_backup_is_taken_in_the_middle_of_a_write(full: Store, tmp_path: Path) -> None:
    with full.link("clinic").begin() as transaction:
        transaction.set_state("hubspot", "half")
        backup(full._database.engine, tmp_path / "backup.db")
    with opened(f"sqlite:///{tmp_path / 'backup.db'}") as engine:
        assert "half" not in str(rows(engine)["cursor"])


@pytest.fixture(params=BACKENDS)
def other_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database to copy into."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'other.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create()
    yield server.url(name)
    server.drop(name)


def test_a_copy_sees_one_instant(
    full: Store, other_url: str, monkeypatch: pytest.MonkeyPatch, a_pair: Callable[..., Pair]
) -> None:
    copy_table = backup_module._copy_table

    def and_meanwhile(source: Connection, target: Connection, table: Table) -> None:
        copy_table(source, target, table)
        if table.name == "link":
            with full.link("late").begin() as transaction:
                transaction.save_pairs([a_pair(1)])

    monkeypatch.setattr(backup_module, "_copy_table", and_meanwhile)
    assert copy(full._database.engine, other_url) == 8


def test_everything_moves_to_another_database(
    full: Store, other_url: str, a_pair: Callable[..., Pair], standing_clock: StandingClock
) -> None:
    assert copy(full._database.engine, other_url) == 8
    with opened(other_url) as engine:
        assert rows(engine) == rows(full._database.engine)
    dropped = max(pair.key for pair in full.link("praxis").pairs_by_id(Side.GHL, ["g4"])) + 1
    with Store(open_engine(other_url), standing_clock) as moved:
        moved.acquire("clinic", "run")
        with moved.link("clinic").begin() as transaction:
            (new,) = transaction.save_pairs([a_pair(7)])
            transaction.add_history([replace(an_entry(standing_clock.now()), pair_key=new.key)])
        assert new.key > dropped
        assert len(moved.link("clinic").history()) == 2


def test_a_database_that_holds_links_is_not_written_over(full: Store, other_url: str) -> None:
    copy(full._database.engine, other_url)
    with opened(other_url) as engine:
        before = rows(engine)
        with pytest.raises(StoreError, match="contains links already"):
            copy(full._database.engine, other_url)
        assert rows(engine) == before
