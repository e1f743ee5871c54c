"""Audit, recording and replay of N pairs, beside a full cycle in which nothing changed.

The readings lie ready in memory, as in `engine.py`; the store is a real SQLite file.
Must not be compared with anything that talks to a network.

    python bench/trust.py [--sizes 10000,100000] [--times 2] [--profile]
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
from pathlib import Path
from tempfile import TemporaryDirectory

import scenarios
from scenarios import ReadySide, median, row, table

from syncd.core.model import Side
from syncd.engine import cycle
from syncd.engine.audit.audit import audit
from syncd.engine.cycle import CycleRequest
from syncd.recording.file import read, written
from syncd.recording.record import record
from syncd.recording.replay import replayed, sections
from syncd.store.link_store import SqlLinkStore

MOST_RECORDED = 10_000
PEOPLE = 40


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--sizes", default="10000,100000")
    options.add_argument("--times", type=int, default=2)
    options.add_argument("--profile", action="store_true")
    given = options.parse_args()
    scenarios.machine()
    table("pairs", "what", "seconds", "CPU seconds", "beside the cycle (CPU)")
    for size in map(int, given.sizes.split(",")):
        with scenarios.store() as database:
            links = SqlLinkStore(database, f"link-{size}")
            scenarios.fill(links, size)
            sides = {}
            for side in Side:
                records = tuple(scenarios.shown(number, side) for number in range(size))
                sides[side] = ReadySide(
                    side, records, {each.id: each for each in records}, people=PEOPLE
                )
            link = scenarios.link(links, sides[Side.GHL], sides[Side.HUBSPOT])

            def quiet() -> None:
                assert cycle.run(link, CycleRequest(full=True)).pairs == size  # noqa: B023

            def compare() -> None:
                found = audit(link)  # noqa: B023
                assert found.verified == size, found.differences[:3]  # noqa: B023

            quiet()
            compare()
            least, mine = median(quiet, given.times), median(compare, given.times)
            row(f"{size:,}", "full cycle, no change", least.wall, least.cpu, "1.00x")
            row(f"{size:,}", "audit", mine.wall, mine.cpu, f"{mine.cpu / least.cpu:.2f}x")
            if given.profile:
                with cProfile.Profile() as kept:
                    compare()
                pstats.Stats(kept).sort_stats("tottime").print_stats(22)
            if size > MOST_RECORDED:
                continue
            with TemporaryDirectory() as folder:
                file = Path(folder) / "cycle.jsonl"

                def keep() -> None:
                    found = record(link, "link1")  # noqa: B023
                    assert not found.differs
                    file.write_text("".join(written(found.lines)), "utf-8")  # noqa: B023

                def again() -> None:
                    (lines,) = sections(read(file))  # noqa: B023
                    assert replayed(lines).outcome.exit_code == 0

                kept_ = median(keep, 1)
                back = median(again, given.times)
                size_mb = file.stat().st_size / 1e6
                row(f"{size:,}", f"record, {size_mb:.1f} MB", kept_.wall, kept_.cpu, "")
                row(f"{size:,}", "replay", back.wall, back.cpu, "")
                assert json.loads(file.read_text("utf-8").splitlines()[0])["format"]
    print(f"peak memory of this process: {scenarios.peak_mib():.0f} MiB")


if __name__ == "__main__":
    main()
