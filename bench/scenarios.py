# ruff: noqa: D102 - the methods of a port say what they do there
"""What the benches stand on: made-up pairs, a side that needs no network, a fresh store, medians.

Every script in this folder imports it. Nothing of it belongs to the program:
the data are made up, and a `ReadySide` answers from memory at no cost.
"""

from __future__ import annotations

import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "plugins")]

import structlog  # noqa: E402

from syncd.core.model import (  # noqa: E402
    Account,
    Appointment,
    Calendar,
    Contact,
    Missing,
    Pair,
    Person,
    Scan,
    Side,
    Snapshot,
    Window,
)
from syncd.core.policy import Policy  # noqa: E402
from syncd.core.status import StatusTable  # noqa: E402
from syncd.engine.link import Link, Rules  # noqa: E402
from syncd.ports.provider import (  # noqa: E402
    NO_CHECKS,
    Done,
    Edit,
    NextPoll,
    Reading,
    Receipt,
    ScanRequest,
    WriteChecks,
    WriteCommand,
)
from syncd.store import migrate  # noqa: E402
from syncd.store.database import Database  # noqa: E402
from syncd.store.engine import open_engine  # noqa: E402
from syncd.store.link_store import SqlLinkStore  # noqa: E402

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LOCATION = "location-1"
CALENDAR = "calendar-1"


class BenchClock:
    """An instant that stands, and the machine's own stopwatch."""

    def __init__(self) -> None:
        self.instant = START

    def now(self) -> datetime:
        return self.instant

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)


# --- data


def booking(number: int, side: Side) -> Appointment:
    """The appointment of that number as that side shows it, about 330 bytes of it."""
    ghl = side is Side.GHL
    start = START + timedelta(minutes=number % 400_000)
    return Appointment(
        title=f"Visit {number}",
        start=start,
        end=start + timedelta(minutes=30),
        status="confirmed" if ghl else "SCHEDULED",
        description=f"Notes of visit {number}: " + "please bring the papers. " * 5,
        address=f"{number % 500} Sample Street, Exampleton",
        owner=f"user-{number % 7}" if ghl else f"{number % 7}",
        contact=f"contact-{number % 999}" if ghl else f"{number % 999}",
    )


def name_of(number: int, side: Side) -> str:
    """The record's id on that side."""
    return f"ghl{number:017d}" if side is Side.GHL else str(500_000_000_000 + number)


def pair(number: int) -> Pair:
    """A settled pair."""
    return Pair(
        ghl_id=name_of(number, Side.GHL),
        hubspot_id=name_of(number, Side.HUBSPOT),
        ghl=booking(number, Side.GHL),
        hubspot=booking(number, Side.HUBSPOT),
        calendar=CALENDAR,
        has_external_id=True,
    )


def shown(number: int, side: Side, *, edited: bool = False) -> Snapshot:
    """The record as its side shows it now."""
    appointment = booking(number, side)
    if edited:
        appointment = replace(appointment, title=f"Visit {number}, edited in {side.value}")
    ghl = side is Side.GHL
    return Snapshot(
        side=side,
        id=name_of(number, side),
        appointment=appointment,
        contacts=(appointment.contact,),
        updated_at=START,
        calendar=CALENDAR if ghl else "",
        external_id="" if ghl else name_of(number, Side.GHL),
        location_id=LOCATION,
    )


def edited_on(number: int, side: Side) -> bool:
    """Whether a bench with changes edits that record: one in a hundred, another one per side."""
    return number % 100 == (3 if side is Side.GHL else 7)


@dataclass
class ReadySide:
    """A provider whose answers lie ready in memory; it counts what it is asked for."""

    side: Side
    snapshots: tuple[Snapshot, ...] = ()
    records: Mapping[str, Snapshot] = field(default_factory=dict)
    requests: int = 0
    skew_seconds: float | None = None
    complete: bool = True
    people: int = 0
    """So many users or owners the account has."""

    def prepare(self, *, cached: bool = False) -> Account:
        del cached
        calendars = (Calendar(id=CALENDAR, name="Visits"),) if self.side is Side.GHL else ()
        values = () if self.side is Side.GHL else ("SCHEDULED", "COMPLETED", "CANCELLED", "NO_SHOW")
        word = "user-" if self.side is Side.GHL else ""
        people = tuple(
            Person(id=f"{word}{n}", email=f"{n}@example.com") for n in range(self.people)
        )
        return Account(side=self.side, people=people, calendars=calendars, status_values=values)

    def scan(self, request: ScanRequest) -> Scan:
        del request
        self.requests += 1
        known = frozenset({CALENDAR}) if self.side is Side.GHL else frozenset[str]()
        return Scan(
            side=self.side,
            snapshots=self.snapshots,
            complete=self.complete,
            calendars=known if self.complete else frozenset(),
            cursor="1",
        )

    def fetch(self, ids: Collection[str]) -> Mapping[str, Snapshot | Missing]:
        self.requests += 1
        unknown = Missing(detail="there is no such record")
        return {each: self.records.get(each, unknown) for each in ids}

    def reread(self, ids: Collection[str]) -> Reading:
        return Reading(at=0.0, asked=ids, records=self.fetch(ids))

    def reserve(self, poll: NextPoll | None, *, spare: int = 0) -> None:
        """Nothing is limited."""

    def find_by_external_id(self, ghl_ids: Collection[str]) -> Mapping[str, Snapshot]:
        del ghl_ids
        return {}

    def contacts(self, ids: Collection[str]) -> Mapping[str, Contact]:
        return {each: Contact(id=each) for each in ids}

    def find_contacts(
        self, emails: Collection[str], phones: Collection[str]
    ) -> Mapping[str, tuple[Contact, ...]]:
        return dict.fromkeys((*emails, *phones), ())

    def create_contacts(self, contacts: Sequence[Contact]) -> Sequence[Contact]:
        return contacts

    def write(
        self,
        commands: Iterable[WriteCommand],
        checks: WriteChecks = NO_CHECKS,
    ) -> Iterator[Receipt]:
        del checks
        taken = iter(commands)
        # As the real ones: HubSpot answers a batch at a time, HighLevel what is under way.
        while batch := list(islice(taken, 100 if self.side is Side.HUBSPOT else 10)):
            self.requests += 1
            for command in batch:
                yield Done(key=command.key, id=command.id, returned=command.wanted)

    def edits(self, ids: Collection[str]) -> Mapping[str, tuple[Edit, ...]]:
        return dict.fromkeys(ids, ())

    def bookings_of(self, contact: str, starts: Collection[datetime] = ()) -> tuple[Snapshot, ...]:
        del contact, starts
        return ()

    def close(self) -> None:
        """Nothing to give back."""


def rules() -> Rules:
    """The rules of the default configuration."""
    epoch = datetime.fromtimestamp(0, UTC)
    return Rules(
        template=Policy(
            location_id=LOCATION, window=Window(since=epoch, until=epoch), now=epoch,
            default_calendar=CALENDAR,
        ),
        past=timedelta(days=30),
        future=timedelta(days=365),
        recurring_future=timedelta(days=60),
        statuses=StatusTable(
            to_hubspot={
                "new": "SCHEDULED",
                "confirmed": "SCHEDULED",
                "showed": "COMPLETED",
                "noshow": "NO_SHOW",
                "cancelled": "CANCELLED",
                "invalid": "CANCELLED",
            },
            to_ghl={
                "SCHEDULED": "confirmed",
                "COMPLETED": "showed",
                "NO_SHOW": "noshow",
                "CANCELLED": "cancelled",
            },
        ),
    )  # fmt: skip


# --- stores


@contextmanager
def store(url: str = "") -> Iterator[Database]:
    """A fresh, migrated store: a SQLite file in a folder of its own, or the database given."""
    with ExitStack() as stack:
        if not url:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="syncd-bench-"))
            url = f"sqlite:///{folder}/syncd.db"
        engine = open_engine(url)
        stack.callback(engine.dispose)
        migrate.check(engine, may_create=True)
        yield Database(engine, BenchClock())


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a fresh PostgreSQL database, "" where there is no server."""
    import postgres_server

    with ExitStack() as stack:
        try:
            server = stack.enter_context(contextmanager(postgres_server.running)())
        except postgres_server.NoPostgresError:
            yield ""
            return
        yield server.url(server.create())


def fill(links: SqlLinkStore, count: int, first: int = 0) -> None:
    """Put settled pairs into a link."""
    for start in range(first, first + count, 5000):
        with links.begin() as transaction:
            transaction.save_pairs(
                [pair(number) for number in range(start, min(start + 5000, first + count))]
            )
    with links.begin() as transaction:
        transaction.set_state("first_sync_done", "yes")
        transaction.set_state("hubspot", "1")


def link(links: SqlLinkStore, ghl: ReadySide, hubspot: ReadySide) -> Link:
    """A link between two ready sides."""
    return Link(
        name="bench", ghl=ghl, hubspot=hubspot, store=links, clock=BenchClock(), rules=rules()
    )


# --- measuring


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Wall seconds and CPU seconds of one run."""
    wall, used = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - used


@dataclass(frozen=True, slots=True, kw_only=True)
class Median:
    """The middle of several runs, in seconds."""

    wall: float
    cpu: float


def median(run: Callable[[], object], times: int = 5) -> Median:
    """The medians of several runs."""
    found = [timed(run) for _ in range(times)]
    return Median(
        wall=statistics.median(wall for wall, _ in found),
        cpu=statistics.median(used for _, used in found),
    )


def peak_mib() -> float:
    """The most memory that this process ever had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def row(*cells: object) -> None:
    """Print one row of a table."""
    print("| " + " | ".join(_cell(cell) for cell in cells) + " |", flush=True)


def table(*heads: str) -> None:
    """Print the head of a table."""
    row(*heads)
    print("|" + "---|" * len(heads))


def machine() -> None:
    """Say where and when these figures were taken, and keep the program's log out of them."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    import os

    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    print(
        f"{when}; {os.cpu_count()} cores, load {load}; Python {platform.python_version()}; "
        f"{platform.machine()} {platform.system()}\n"
    )


def _cell(cell: object) -> str:
    return f"{cell:.3f}" if isinstance(cell, float) else str(cell)


def count_statements(engine: Any) -> list[str]:
    """Every statement that the store is asked from now on."""
    from sqlalchemy import event

    heard: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: heard.append(str(given[2])))
    return heard
