"""A SQLite store read through its driver shows what the full store shows, or is not opened."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from stores import StandingClock

from syncd.core.model import Hold, Pair, Removal, Response, Series, Side
from syncd.errors import StoreError, StoreInterrupted
from syncd.ports.store import CycleRow, HistoryEntry
from syncd.store import Store, migrate, open_engine
from syncd.store.sqlite_reader import SqliteReader

NOW = datetime(2026, 3, 2, 9, 0, 0, 120_000, tzinfo=UTC)
ODD = "a\x00b\ud800c\ue000"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "odd %20 name.db"


@pytest.fixture
def full(path: Path, standing_clock: StandingClock) -> Iterator[Store]:
    engine = open_engine(f"sqlite:///{path}")
    migrate.check(engine, may_create=True)
    with Store(engine, standing_clock) as store:
        yield store


@pytest.fixture
def reader(path: Path, full: Store, a_pair: Callable[..., Pair]) -> Iterator[SqliteReader]:
    with full.link("other").begin() as writing:
        writing.save_pairs([a_pair(9)])
        writing.set_state("hubspot", "other")
    with full.link("clinic").begin() as writing:
        writing.save_pairs(
            [
                a_pair(
                    1, series=Series(master="m"), open=frozenset({"time"}), owner_by_us=Side.GHL
                ),
                a_pair(2, removal=Removal(gone=frozenset({Side.GHL}), response=Response.NOTHING)),
                a_pair(3, ghl_id=ODD, has_external_id=True),
            ]
        )
        writing.set_state("hubspot", ODD)
        writing.replace_holds([a_hold("g4", NOW), a_hold("g5", NOW - timedelta(1))], judged=[])
        writing.save_cycle(a_cycle(1))
        writing.save_cycle(a_cycle(2))
        writing.add_history(an_entry(number) for number in range(4))
    found = SqliteReader.open(f"sqlite:///{path}")
    assert found is not None
    with closing(found):
        yield found


def a_hold(record: str, since: datetime) -> Hold:
    return Hold(
        ghl_id=record,
        group="time",
        reason="no_contact",
        detail=ODD,
        since=since,
        attempts=2,
        retry_at=NOW,
        starts_at=NOW,
        title=ODD,
        values={"ghl": ODD},
    )


def a_cycle(number: int) -> CycleRow:
    return CycleRow(
        cycle=f"c{number}",
        kind="full",
        started_at=NOW,
        finished_at=NOW,
        outcome="ok",
        report={"said": ODD},
    )


def an_entry(number: int) -> HistoryEntry:
    return HistoryEntry(
        at=NOW + timedelta(seconds=number // 2),
        cycle=f"c{number % 2}",
        side=Side.GHL,
        ghl_id="g1" if number else ODD,
        hubspot_id="h1",
        action="update",
        field="title",
        before=None,
        after=ODD,
        starts_at=NOW if number else None,
    )


def key_of(pair: Pair) -> int:
    return pair.key


def test_it_shows_what_the_full_store_shows(full: Store, reader: SqliteReader) -> None:
    for name in ("clinic", "other", "never written to"):
        ours, theirs = reader.link(name), full.link(name)
        assert ours.holds() == theirs.holds()
        assert ours.cycles() == theirs.cycles()
        assert ours.cycles(1) == theirs.cycles(1)
        assert ours.count_pairs() == theirs.count_pairs()
        assert ours.get_state("hubspot") == theirs.get_state("hubspot")
        assert ours.get_state("unset") == ""
        for asked in ("", "g1", ODD, "h1", "nobody"):
            assert ours.history(asked) == theirs.history(asked)
        assert ours.history(cycle="c1", limit=1) == theirs.history(cycle="c1", limit=1)
        for side, ids in ((Side.GHL, ["g1", ODD, "x"]), (Side.HUBSPOT, ["h2", "h9"])):
            found = ours.pairs_by_id(side, ids)
            assert sorted(found, key=key_of) == sorted(theirs.pairs_by_id(side, ids), key=key_of)
    assert len(reader.link("clinic").history()) == 4
    assert reader.link("clinic").pairs_by_id(Side.GHL, [ODD])


def test_it_knows_who_holds_a_link(full: Store, reader: SqliteReader) -> None:
    assert reader.link("clinic").holder() is None
    with full.acquire("clinic", "run"):
        found = reader.link("clinic").holder()
        assert found == full.holder("clinic")
        assert found is not None
        assert found.verb == "run"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE syncd_version SET version_num = '0001'",
        "UPDATE syncd_version SET version_num = CAST(x'ff' AS TEXT)",
        "DROP TABLE syncd_version",
    ],
)
def test_a_store_that_needs_something_is_left_to_the_full_store(
    path: Path, full: Store, statement: str
) -> None:
    full.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
    assert SqliteReader.open(f"sqlite:///{path}") is None


def test_what_is_no_sqlite_file_is_left_to_the_full_store(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database " * 1000, encoding="utf-8")
    for url in (
        f"sqlite:///{tmp_path}/text",
        f"sqlite:///{tmp_path}/missing",
        f"sqlite:///{tmp_path}",
        "sqlite:///:memory:",
        "sqlite://",
        "postgresql://user@host/name",
        "nonsense",
    ):
        assert SqliteReader.open(url) is None
    assert not (tmp_path / "missing").exists()


def test_a_store_that_another_program_keeps_locked_is_waited_for_once(
    path: Path, full: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    full.close()
    monkeypatch.setattr("syncd.store.sqlite_reader.BUSY_SECONDS", 0.01)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreInterrupted, match="locked by another program"):
            SqliteReader.open(f"sqlite:///{path}")


def test_what_fails_later_is_told_as_the_full_store_tells_it(reader: SqliteReader) -> None:
    reader._connection.execute("DROP TABLE hold")
    with pytest.raises(StoreError, match="lacks a table: run `syncd db upgrade`"):
        reader.link("clinic").holds()
