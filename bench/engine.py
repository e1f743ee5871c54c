"""Full compare of N pairs: what the engine itself costs, beside a yardstick and vdirsyncer.

Measures one full cycle (poll, observe, merge, plan and the real store) on
observations that lie ready in memory, with no change and with 1 % of the
records edited on each side (planned, not written). The yardstick is the least
that any such program could do in Python: hash N records of each side and
compare them with the rows of a SQLite table. vdirsyncer (the program named by
`--vdirsyncer`) syncs two local folders of as many small items with no change.

Must not be compared with: anything that talks to a network. The folders cost
vdirsyncer system calls that the observations in memory do not cost us; that
is why its ratio says "how small is the engine beside a real tool", no more.

    python bench/engine.py [--sizes 10000,100000] [--vdirsyncer PATH] [--profile]
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import json
import pstats
import resource
import sqlite3
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import scenarios
from scenarios import Median, ReadySide, median, row, table

from syncd.core.guards import GuardOverrides
from syncd.core.model import Side
from syncd.core.outcome import Outcome
from syncd.engine import cycle
from syncd.engine.cycle import CycleRequest
from syncd.store.database import Database
from syncd.store.link_store import SqlLinkStore

QUIET = CycleRequest(full=True)
PLANNED = CycleRequest(full=True, dry_run=True, allowed=GuardOverrides(changes=True))


def ours(links: SqlLinkStore, size: int, *, changed: bool, times: int, profile: bool) -> Median:
    """One full cycle, on observations that were made beforehand."""
    sides = {}
    for side in Side:
        records = tuple(
            scenarios.shown(number, side, edited=changed and scenarios.edited_on(number, side))
            for number in range(size)
        )
        sides[side] = ReadySide(side, records, {each.id: each for each in records})
    link = scenarios.link(links, sides[Side.GHL], sides[Side.HUBSPOT])

    def run() -> None:
        said = cycle.run(link, PLANNED if changed else QUIET)
        assert said.outcome is Outcome.OK, (said.outcome, said.detail)
        assert said.pairs == size
        assert len(said.planned or ()) == (size // 50 if changed else 0)

    run()
    if profile:
        with cProfile.Profile() as kept:
            run()
        pstats.Stats(kept).sort_stats("tottime").print_stats(22)
    return median(run, times)


def yardstick(size: int, times: int) -> Median:
    """Hash N records of each side, and compare them with the rows of a SQLite table."""
    sides = {
        side: [
            {"id": scenarios.name_of(number, side)} | _plain(number, side) for number in range(size)
        ]
        for side in Side
    }
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(f"{folder}/yardstick.db")
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE pair (ghl TEXT PRIMARY KEY, a TEXT, hubspot TEXT, b TEXT)")
        database.executemany(
            "INSERT INTO pair VALUES (?, ?, ?, ?)",
            (
                (one["id"], _digest(one), other["id"], _digest(other))
                for one, other in zip(*sides.values(), strict=True)
            ),
        )
        database.commit()

        def run() -> None:
            news = 0
            for side, columns in ((Side.GHL, "ghl, a"), (Side.HUBSPOT, "hubspot, b")):
                agreed = dict(database.execute(f"SELECT {columns} FROM pair"))  # noqa: S608
                news += sum(agreed.get(each["id"]) != _digest(each) for each in sides[side])
            assert news == 0

        run()
        found = median(run, times)
        database.close()
        return found


def _plain(number: int, side: Side) -> dict[str, str]:
    appointment = scenarios.booking(number, side)
    names = ("title", "start", "end", "status", "description", "address", "owner", "contact")
    return {name: str(getattr(appointment, name)) for name in names}


def _digest(record: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


# --- vdirsyncer

_CONFIG = """
[general]
status_path = "{folder}/status/"
[pair visits]
a = "one"
b = "two"
collections = null
[storage one]
type = "filesystem"
path = "{folder}/one/"
fileext = ".ics"
[storage two]
type = "filesystem"
path = "{folder}/two/"
fileext = ".ics"
"""
_ITEM = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//EN\r\nBEGIN:VEVENT\r\nUID:{number}\r\n"
    "DTSTAMP:20260302T090000Z\r\nDTSTART:20260302T090000Z\r\nDTEND:20260302T093000Z\r\n"
    "SUMMARY:Visit {number}\r\nDESCRIPTION:please bring the papers please bring the papers\r\n"
    "LOCATION:Sample Street\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


def vdirsyncer(program: Path, size: int, times: int) -> Median:
    """A run without a change over two local folders of N small items, after a first sync."""
    with tempfile.TemporaryDirectory(prefix="vdirsyncer-") as name:
        folder = Path(name)
        for side in ("one", "two"):
            (folder / side).mkdir()
            for number in range(size):
                item = _ITEM.format(number=number)
                (folder / side / f"{number}.ics").write_text(item, newline="")
        config = folder / "config"
        config.write_text(_CONFIG.format(folder=folder))
        command = [str(program), "-c", str(config)]

        def run(verb: str = "sync") -> None:
            subprocess.run([*command, verb], check=True, capture_output=True, input=b"y\n" * 9)

        run("discover")
        run()
        run()
        found = []
        for _ in range(times):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            wall, _ = scenarios.timed(run)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            found.append(Median(wall=wall, cpu=used))
        return min(found, key=lambda each: each.cpu)


# --- the table


def measure(database: Database, size: int, times: int, *, profile: bool) -> dict[str, Median]:
    """Our rows for one store."""
    links = SqlLinkStore(database, f"link-{size}")
    scenarios.fill(links, size)
    return {
        "no change": ours(links, size, changed=False, times=times, profile=profile),
        "1 % edited on each side": ours(links, size, changed=True, times=times, profile=profile),
    }


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--sizes", default="10000,100000")
    options.add_argument("--times", type=int, default=5)
    options.add_argument("--vdirsyncer", type=Path)
    options.add_argument("--no-postgres", action="store_true")
    options.add_argument("--profile", action="store_true")
    given = options.parse_args()
    scenarios.machine()
    table("pairs", "what", "seconds", "CPU seconds", "beside the yardstick (CPU)")
    found: dict[str, list[Median]] = {}
    for size in map(int, given.sizes.split(",")):
        least = yardstick(size, given.times)
        rows = {"yardstick": least}
        with scenarios.store() as database:
            mine = measure(database, size, given.times, profile=given.profile)
            rows |= {f"SQLite, {what}": each for what, each in mine.items()}
        if not given.no_postgres:
            with scenarios.postgres() as url:
                if url:
                    with scenarios.store(url) as database:
                        mine = measure(database, size, given.times, profile=False)
                        rows |= {f"PostgreSQL, {what}": each for what, each in mine.items()}
        again = yardstick(size, given.times)
        least = replace(least, cpu=(least.cpu + again.cpu) / 2, wall=(least.wall + again.wall) / 2)
        rows["yardstick"] = least
        for what, each in rows.items():
            row(f"{size:,}", what, each.wall, each.cpu, f"{each.cpu / least.cpu:.2f}x")
            found.setdefault(what, []).append(each)
        if given.vdirsyncer:
            theirs = vdirsyncer(given.vdirsyncer, size, min(3, given.times))
            ratio = theirs.cpu / rows["SQLite, no change"].cpu
            row(
                f"{size:,}",
                "vdirsyncer, no change, its best run",
                theirs.wall,
                theirs.cpu,
                f"ours: {ratio:.1f}x less CPU",
            )
    print()
    for what, medians in found.items():
        if len(medians) > 1:
            print(f"growth of CPU from first to last size, {what}: "
                  f"{medians[-1].cpu / medians[0].cpu:.1f}x")  # fmt: skip
    print(f"peak memory of this process: {scenarios.peak_mib():.0f} MiB")


if __name__ == "__main__":
    main()
