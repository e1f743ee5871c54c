"""Play a history again, step by step: `python tests/simulation/replay.py SCRIPT`.

A history that breaks a promise is printed as a script: a list of steps. This
plays it on a throw-away SQLite store, tells what every cycle did, and judges
the end. `--name drawn-40` plays a history of `aims` or `histories` instead.
"""

from __future__ import annotations

import argparse
import ast
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import structlog

sys.path.append(str(Path(__file__).parents[1] / "plugins"))  # as pytest does it

from final_invariants import judge
from harness import HarnessClock
from simulation import Simulation, Step
from targeted_histories import named

from syncd.store import migrate
from syncd.store.engine import open_engine


def script(steps: Iterable[Step]) -> str:
    """A history as text that this program plays again."""
    lines = "\n".join(f"    {step!r}," for step in steps)
    return f"[\n{lines}\n]"


def replay(steps: Sequence[Step], url: str, *, tell: bool = False) -> None:
    """Play a history on a migrated store, and judge its end.

    Raises:
        AssertionError: a promise was broken.
    """
    with closing(Simulation(url, HarnessClock())) as simulation:
        for step in steps:
            before = simulation.did["cycles"]
            simulation.do(*step)
            if tell:
                print(step)
                if simulation.did["cycles"] > before:
                    _tell(simulation)
        judge(simulation)


def fresh(path: Path) -> str:
    """The URL of a new, migrated store."""
    url = f"sqlite:///{path}"
    engine = open_engine(url)
    migrate.upgrade(engine)
    engine.dispose()
    return url


def _tell(simulation: Simulation) -> None:
    """What a cycle did, and what each record shows now."""
    said = simulation.last
    if said is None:
        print("    killed")
    else:
        print(f"    {said.outcome} {said.detail}")
        for write in said.written:
            print(f"    wrote {write.action} {write.side} {write.fields} ({write.why})")
        for hold in said.held:
            print(f"    holds {hold.reason} {hold.ghl_id}/{hold.hubspot_id} {hold.group}")
    for row in simulation.harness.ghl.appointments:
        gone = "deleted" if row.deleted else ""
        print(f"      ghl {row.id} {row.title} {row.start:%d %H:%M} {row.status} {gone}")
    for record in (*simulation.harness.hubspot.records(), *simulation.harness.hubspot.archived()):
        gone = "archived" if record.archived else ""
        shown = {
            name.removeprefix("hs_appointment_"): value
            for name, value in record.properties.items()
            if name.startswith(("hs_appointment_", "ghl_appointment_id"))
        }
        print(f"      hubspot {record.id} {shown} {gone}")


def main(arguments: list[str]) -> int:
    """Play what was asked for; 1 where a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("script", nargs="?", type=Path, help="a file with a list of steps")
    parser.add_argument("--name", help="one of ours instead: crash-7, drawn-40")
    asked = parser.parse_args(arguments)
    if (asked.script is None) == (asked.name is None):
        parser.error("give a script, or a name")
    steps: list[Step] = (
        named(asked.name)
        if asked.script is None
        else ast.literal_eval(asked.script.read_text(encoding="utf-8"))
    )
    structlog.configure(processors=[_drop])
    with tempfile.TemporaryDirectory() as folder:
        try:
            replay(steps, fresh(Path(folder) / "store.db"), tell=True)
        except AssertionError as broken:
            print(f"{type(broken).__name__}: {broken}")
            return 1
    print("every promise was kept")
    return 0


def _drop(*_: object) -> dict[str, object]:
    raise structlog.DropEvent


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
