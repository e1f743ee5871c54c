"""`--wait`: until the cycle has ended that carried a decision out, and that cycle's report.

A running daemon carries it out; without one, also where it dies meanwhile, the
verb takes the turn itself. Which cycle took a decision up stands in its report
in the store. Used by `apply`, `kick`, `retry`, `resolve` and `undo`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

if TYPE_CHECKING:
    from syncd.bootstrap import App
    from syncd.core.outcome import Outcome
    from syncd.ports.store import CycleRow
    from syncd.scheduler.ports import Links
    from syncd.scheduler.turn import Turn

Command = TypeVar("Command", bound=Callable[..., Any])

LOOKED_EVERY = 0.3
"""Seconds between two looks at the store."""

SETTLED = timedelta(seconds=6)
"""So long a daemon that gets nowhere has had to take a decision up."""

ENDS = timedelta(seconds=10)
"""So long a daemon that was told to stop may take."""

LAST_CYCLES = 8
"""The decision's cycle is among the last ones: looks follow each other faster than cycles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """The options of a verb that may wait."""

    wait: bool
    timeout: timedelta
    as_json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a verb recorded for one link."""

    decisions: frozenset[int] = frozenset()
    at: datetime
    full: bool = False
    """Whether only a full cycle carries it out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What came of one link: its cycle's report, or why there is none."""

    code: int
    detail: str = ""
    row: CycleRow | None = None
    report: Mapping[str, object] = field(default_factory=dict)


def wait_options(command: Command) -> Command:
    """`--wait`, `--timeout` and `--json`."""
    from syncd.cli.command import duration_given, json_option

    command = click.option(
        "--timeout",
        metavar="10m",
        default="10m",
        show_default=True,
        callback=duration_given,
        help="How long --wait lasts; then it ends with 7.",
    )(command)
    command = click.option(
        "--wait", is_flag=True, help="End when the cycle has ended that does it, with its report."
    )(command)
    return json_option(command)


@contextmanager
def app_for(ctx: click.Context, config: Path | None, waits: Waits) -> Iterator[App]:
    """The configured program; a verb that may run the cycle itself may make the store, too."""
    from contextlib import ExitStack

    from syncd.bootstrap import open_app
    from syncd.cli.command import config_path
    from syncd.cli.session import begin
    from syncd.cli.sync_now import graceful_stop

    settings = begin(config_path(ctx, config))
    with ExitStack() as stack:
        stop = stack.enter_context(graceful_stop()) if waits.wait else None
        yield stack.enter_context(open_app(settings, make_store=waits.wait, stop=stop))


def concluded(
    app: App, asked: Mapping[str, Asked], waits: Waits, told: Mapping[str, str], code: int = 0
) -> int:
    """End a verb that recorded decisions: at once, or with --wait when they were carried out.

    `told` says of each link what was recorded; `code` is what the verb has found already.
    """
    from syncd.core.outcome import worst_code

    if not waits.wait:
        if waits.as_json:
            rows = {
                name: {
                    "decisions": sorted(asked[name].decisions) if name in asked else [],
                    "detail": detail,
                }
                for name, detail in told.items()
            }
            click.echo(json.dumps({"version": 1, "exit_code": code, "links": rows}, indent=2))
        return code
    ended = _Waiting(app, asked, waits.timeout).run()
    code = worst_code([code, *(each.code for each in ended.values())])
    if waits.as_json:
        others = {name: text for name, text in told.items() if name and name not in asked}
        click.echo(json.dumps(_document(ended, others, code), indent=2))
        return code
    from syncd.cli.cycles import print_cycle
    from syncd.cli.naming import Screen
    from syncd.cli.output.printer import Printer

    printer = Printer()
    screen = Screen(printer, ids=False, app=app)
    for name, each in ended.items():
        if each.row is not None:
            shown = partial(print_cycle, name=name, row=each.row, store=app.link_store(name))
            screen.show(name, shown)
        if each.detail and each.row is None:
            printer.line(f"{name}: {each.detail}", "yellow" if each.code else "")
    return code


def _document(
    ended: Mapping[str, Ended], others: Mapping[str, str], code: int
) -> dict[str, object]:
    """The reports; of `others`, which were left out, why. Without any report, the problems."""
    problems = [f"{name}: {each.detail}" for name, each in ended.items() if _is_problem(each)]
    document: dict[str, object] = {"version": 1, "exit_code": code}
    if len(problems) == len(ended) and problems:
        told = [f"{name}: {text}" for name, text in others.items()]
        return document | {"problems": problems + told}
    left_out = {name: {"exit_code": 0, "detail": text} for name, text in others.items()}
    document["links"] = {name: _as_value(each) for name, each in ended.items()} | left_out
    return document | ({"problems": problems} if problems else {})


def _is_problem(ended: Ended) -> bool:
    return bool(ended.code and not ended.report and ended.detail)


def _as_value(ended: Ended) -> Mapping[str, object]:
    if ended.report:
        return ended.report
    return {"exit_code": ended.code, "detail": ended.detail}


class _Waiting:
    """Links whose cycle is waited for."""

    def __init__(self, app: App, asked: Mapping[str, Asked], timeout: timedelta) -> None:
        self._app, self._asked = app, asked
        self._until = app.clock.monotonic() + timeout.total_seconds()
        self._over = threading.Event()
        """The time is up."""

    def run(self) -> dict[str, Ended]:
        """One result for each link.

        Raises:
            Abort: the process was asked to stop.
        """
        found: dict[str, Ended] = {}
        while True:
            for name in self._asked:
                if name not in found and (ended := self._look(name)) is not None:
                    found[name] = ended
            if len(found) == len(self._asked):
                break
            if self._app.stop.is_set() and not self._over.is_set():
                raise click.Abort
            if self._app.clock.monotonic() >= self._until or self._over.is_set():
                found |= {name: self._late(name) for name in self._asked if name not in found}
                break
            self._app.stop.wait(LOOKED_EVERY)
        return {name: found[name] for name in self._asked}

    def _look(self, name: str) -> Ended | None:
        """What came of a link so far; None while it is still to come."""
        if self._app.paused(name):
            detail = (
                f"paused: what was decided stays recorded, and is done after "
                f"`syncd link resume {name}`"
            )
            return Ended(code=2, detail=detail)
        if (row := self._row(name)) is not None:
            return _of_row(row)
        if not self._app.daemon(name):
            return self._run_here(name)
        return self._stuck(name)

    def _row(self, name: str) -> CycleRow | None:
        """The cycle that took the decisions up, once it has ended."""
        asked, store = self._asked[name], self._app.link_store(name)
        for row in store.cycles(limit=LAST_CYCLES):
            taken = asked.decisions & {*_ids(row)}
            if not taken or (asked.full and row.kind != "full"):
                continue
            # A targeted cycle reads every decision, and carries out those of its own records.
            if row.kind == "targeted" and taken & {each.id for each in store.decisions()}:
                continue
            # One that was cut off did not: where its daemon ends, the cycle is run here.
            if row.report.get("stopped") and self._app.clock.now() - row.finished_at < ENDS:
                continue
            return row
        return None

    def _run_here(self, name: str) -> Ended | None:
        from syncd.errors import LinkLocked, SyncdError, ended_by
        from syncd.scheduler.once import take_turn

        app, left = self._app, self._until - self._app.clock.monotonic()
        timer = threading.Timer(max(0.0, left), self._time_up)
        timer.daemon = True
        timer.start()
        try:
            turn = take_turn(
                cast("Links", app),
                name,
                lambda: app.store.acquire(name, "--wait", wait=True),
                app.stop,
            )
        except LinkLocked:
            return None  # Whoever holds it carries the decision out, or lets go of the link.
        except SyncdError as error:
            return _without_cycle(name, *ended_by(error))
        finally:
            timer.cancel()
        return self._late(name) if self._over.is_set() else self._of_turn(name, turn)

    def _of_turn(self, name: str, turn: Turn) -> Ended | None:
        from syncd.observability.state import State

        report = turn.report
        if turn.state is State.PAUSED:
            return None  # It was paused meanwhile: the next look says so.
        if report is None or report.dry_run:
            if not turn.outcome.completed:
                return _without_cycle(name, turn.outcome, turn.detail)
            return Ended(code=turn.state.code, detail=turn.detail)
        self._app.tell(report)
        for row in self._app.link_store(name).cycles(limit=1, cycle=report.cycle):
            return _of_row(row)
        return Ended(code=report.outcome.exit_code, detail=report.detail, report=report.as_json())

    def _time_up(self) -> None:
        self._over.set()
        self._app.stop.set()

    def _stuck(self, name: str) -> Ended | None:
        """A daemon that has nothing to report: a first sync waits, or it cannot even begin."""
        from syncd.observability.health import examine
        from syncd.observability.state import State

        health = examine(name, self._app.link_store(name), self._app.clock.now())
        waited = self._app.clock.now() - self._asked[name].at
        ended = {State.WAITING, State.NOT_PREPARED, State.REFUSED}
        if health.working_since or health.state not in ended or waited < SETTLED:
            return None
        detail = "; ".join(each for each in (health.detail, health.remedy) if each)
        if health.state is State.WAITING:
            return Ended(code=health.code, detail=detail)
        return _without_cycle(name, health.state.outcome, detail)

    def _late(self, name: str) -> Ended:
        """What is known when the time is up."""
        from syncd.core.outcome import Outcome
        from syncd.observability.health import examine

        detail = "the wait is over; what was decided stays recorded, and is done in a later cycle"
        if self._app.daemon(name):
            health = examine(name, self._app.link_store(name), self._app.clock.now())
            detail += f" (the link: {health.state.words})"
        return Ended(code=Outcome.UNREACHABLE.exit_code, detail=detail)


def _without_cycle(link: str, outcome: Outcome, detail: str) -> Ended:
    """Of a link whose cycle could not even begin: the report that `--sync-now` gives then."""
    from syncd.engine.report import CycleReport

    report = CycleReport(link=link, outcome=outcome, detail=detail)
    return Ended(code=outcome.exit_code, detail=detail, report=report.as_json())


def _of_row(row: CycleRow) -> Ended:
    from syncd.core.outcome import Outcome

    code = Outcome(row.outcome).exit_code
    detail = row.report.get("detail")
    return Ended(code=code, detail=str(detail or ""), row=row, report=row.report)


def _ids(row: CycleRow) -> list[int]:
    found = row.report.get("decisions")
    return [int(each) for each in found] if isinstance(found, list) else []
