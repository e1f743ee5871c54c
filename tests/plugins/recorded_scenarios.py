"""Situations that `tests/recordings` keeps, each made in the sandbox.

    python tests/plugins/recorded_scenarios.py

writes them anew; a release that decides one otherwise says why in its commit.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syncd.core.policy import Direction, Limit, Winner

if TYPE_CHECKING:
    from harness import SyncHarness

FOLDER = Path(__file__).parents[1] / "recordings"


def book(harness: SyncHarness, contact: str, hours: float = 48, **more: Any) -> str:
    """A booking on the team's calendar."""
    return str(harness.ghl.book(harness.calendars["Team"], contact, harness.at(hours), **more))


def busy(harness: SyncHarness) -> None:
    """Edits, a conflict, renderings, a family phone, new, removed and held records."""
    ann = harness.ghl.add_contact("Annabel Leeson", "annabel.leeson@example.com", "+15550101")
    harness.ghl.add_contact("Zoëlla Müller", "zoe@praxis.example", "+15550101")
    harness.hubspot.add_contact("Annabel Leeson", "ANNABEL.LEESON@example.com", "+15550101")
    harness.obey(conflict={"title": Winner.HOLD})
    told = {"description": "secret note"}
    events = [
        book(harness, ann, 48 + 24 * at, title=f"Knee surgery {at} 🦷 & co", **told)
        for at in range(6)
    ]
    harness.sync()
    pairs = {each.ghl_id: each.hubspot_id for each in harness.pairs()}
    harness.ghl.edit(events[0], title="Knee surgery, Zoe\u0308lla", address="Room 2")
    harness.hubspot.edit(pairs[events[1]], hs_appointment_name="Knee <b>surgery</b> Zo&euml;lla")
    harness.hubspot.edit(pairs[events[2]], hs_appointment_name="Knee one")
    harness.ghl.edit(events[2], title="Knee two")
    harness.ghl.delete(events[3])
    harness.sync()
    harness.hubspot.edit(pairs[events[4]], hs_appointment_start=harness.at(48 + 24 * 4 + 0.25))
    harness.hubspot.archive(pairs[events[5]])
    times = {"hs_appointment_start": harness.at(400), "hs_appointment_end": harness.at(401)}
    harness.hubspot.create({"hs_appointment_name": "Praxis Müller", **times})
    zoe = harness.hubspot.add_contact("Zoëlla Müller", "zoe@praxis.example", "+15550101")
    harness.hubspot.create({"hs_appointment_name": "Zoëlla", **times}, [zoe])
    book(harness, ann, 500, title="Annabel again")


def first_sync(harness: SyncHarness) -> None:
    """Two accounts that meet: pairs to adopt, doubles to hold, records to make on both sides."""
    for number in range(8):
        name, mail = f"Person Nr{number}", f"person{number}@example.com"
        ghl = harness.ghl.add_contact(name, mail)
        hubspot = harness.hubspot.add_contact(name, mail)
        start = 48 + 24 * number
        if number % 4 != 3:
            book(harness, ghl, start, title=f"Visit {number}")
        if number % 4 != 1:
            late = 1.0 if number % 4 == 2 else 0.5
            times = {
                "hs_appointment_start": harness.at(start),
                "hs_appointment_end": harness.at(start + late),
            }
            harness.hubspot.create({"hs_appointment_name": f"Call {number}", **times}, [hubspot])


def guarded(harness: SyncHarness) -> None:
    """More removals than the guard lets pass."""
    harness.obey(removal_guard=Limit(percent=20, at_least=2))
    ann = harness.ghl.add_contact("Annabel Leeson", "annabel.leeson@example.com")
    events = [book(harness, ann, 48 + 24 * at, title=f"Visit {at}") for at in range(6)]
    harness.sync()
    for event in events[:4]:
        harness.ghl.delete(event)


def one_way(harness: SyncHarness) -> None:
    """A link that flows one way, edited on both sides, with a decision that waits."""
    harness.obey(direction=Direction.GHL_TO_HUBSPOT, conflict={"title": Winner.HOLD})
    ann = harness.ghl.add_contact("Annabel Leeson", "annabel.leeson@example.com")
    events = [book(harness, ann, 48 + 24 * at, title=f"Visit {at}") for at in range(3)]
    harness.sync()
    pairs = {each.ghl_id: each.hubspot_id for each in harness.pairs()}
    harness.hubspot.edit(pairs[events[0]], hs_appointment_name="Only here")
    harness.ghl.edit(events[1], title="Visit moved", status="showed")
    harness.hubspot.archive(pairs[events[2]])
    harness.store.link(harness.name).decide("retry", {}, harness.clock.now())


SCENARIOS = {each.__name__: each for each in (busy, first_sync, guarded, one_way)}


def main() -> None:
    """Write every recording anew."""
    from harness import HarnessClock, Shelf, build

    from syncd.recording.file import written
    from syncd.recording.record import record
    from syncd.store import migrate, open_engine

    for name, scenario in SCENARIOS.items():
        clock = HarnessClock()
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{folder}/syncd.db"
            engine = open_engine(url)
            migrate.upgrade(engine)
            engine.dispose()
            with closing(Shelf(url, clock)) as shelf:
                harness = build(shelf, clock)
                scenario(harness)
                found = record(harness.link(), "link1")
                if found.differs:
                    sys.exit(f"{name}: {found.differs}")
                FOLDER.mkdir(exist_ok=True)
                (FOLDER / f"{name}.jsonl").write_text("".join(written(found.lines)), "utf-8")


if __name__ == "__main__":
    main()
