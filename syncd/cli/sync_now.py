"""`syncd --sync-now`: one full cycle of every link, then the report.

`plan` is the same with a dry run. The report goes to stdout, for people or as
the JSON of `docs/report.md`; progress and the log go to stderr.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Self

import click

if TYPE_CHECKING:
    from syncd.bootstrap import App
    from syncd.config import Settings
    from syncd.engine.cycle import CycleRequest
    from syncd.engine.report import CycleReport
    from syncd.errors import StoreError

HELD = 3
"""The exit code of `--fail-on-held`."""

PAUSED = "none"
"""The kind of cycle that a paused link is reported with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncOptions:
    """The options of one command."""

    links: tuple[str, ...] = ()
    dry_run: bool = False
    as_json: bool = False
    allow_removals: bool = False
    allow_changes: bool = False
    fail_on_held: bool = False
    ids: bool = False
    """Show ids instead of names."""

    @classmethod
    def of(cls, given: Mapping[str, bool | tuple[str, ...]]) -> Self:
        """From click's parameters."""
        links = given.get("links")
        flags = {name: bool(value) for name, value in given.items() if name != "links"}
        return cls(links=links if isinstance(links, tuple) else (), **flags)

    def request(self) -> CycleRequest:
        """The cycle that is wanted."""
        from syncd.core.guards import GuardOverrides
        from syncd.engine.cycle import CycleRequest

        allowed = GuardOverrides(removals=self.allow_removals, changes=self.allow_changes)
        return CycleRequest(full=True, dry_run=self.dry_run, allowed=allowed)


def sync(path: Path | None, options: SyncOptions, *, out: Path | None = None) -> int:
    """Run the cycles and print their reports; gives the exit code.

    With `out`, the plan of a dry run is saved there.

    Raises:
        ConfigError: the configuration is wrong; then nothing is printed.
        UsageError: the plan cannot be saved there.
    """
    from syncd.cli import plan_file
    from syncd.cli.session import begin, selected_links

    settings = begin(path)
    names = selected_links(list(settings.links), options.links)
    if out is not None:
        plan_file.check(out, settings.store.file)
    with ExitStack() as stack:
        done = _run(settings, names, options, stack)
        code = exit_code(done.reports, options)
        if out is not None:
            plan_file.write(out, done.reports)
        if options.as_json:
            document = {"version": 1, "exit_code": code, "links": done.as_json()}
            click.echo(json.dumps(document, indent=2))
        else:
            show(done, options)
    return code


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What the cycles came to."""

    reports: Mapping[str, CycleReport]
    paused: frozenset[str] = frozenset()
    """Links that a person took out of service, and of which a plan is shown all the same."""
    app: App | None = None
    """The program that ran them, while it is open."""

    def as_json(self) -> dict[str, object]:
        """The links of the JSON report."""
        return {
            name: each.as_json() | ({"paused": True} if name in self.paused else {})
            for name, each in self.reports.items()
        }


def exit_code(reports: Mapping[str, CycleReport], options: SyncOptions) -> int:
    """The worst outcome of all links (`docs/exit-codes.md`)."""
    from syncd.core.outcome import worst_code

    codes = [report.outcome.exit_code for report in reports.values()]
    if options.fail_on_held and any(report.held for report in reports.values()):
        codes.append(HELD)
    return worst_code(codes)


def show(done: Done, options: SyncOptions) -> None:
    """Print the reports for people."""
    from functools import partial

    from syncd.cli.naming import Screen
    from syncd.cli.output.cycle_report import print_cycle
    from syncd.cli.output.plan_report import print_plan
    from syncd.cli.output.printer import Printer

    printer = Printer()
    # Without a store nothing can be asked for.
    screen = Screen(printer, ids=options.ids or done.app is None, app=done.app)
    for number, (name, report) in enumerate(done.reports.items()):
        if number:
            printer.line()
        if name in done.paused:
            printer.line(f"{name}: paused; to take it back: `syncd link resume {name}`", "yellow")
        if report.kind == PAUSED:
            printer.line(f"{report.link}: {report.detail}", "yellow")
        else:
            told = print_plan if options.dry_run else print_cycle
            screen.show(name, partial(told, report=report))


def _run(settings: Settings, names: list[str], options: SyncOptions, stack: ExitStack) -> Done:
    """One cycle of each link; if the store cannot be opened, it is in each link's report."""
    from syncd.bootstrap import notify_without_store, open_app
    from syncd.errors import StoreError, StoreMissing

    stop = stack.enter_context(graceful_stop())
    try:
        app = open_app(settings, make_store=not options.dry_run, stop=stop)
    except StoreMissing:
        app = open_app(_with_temporary_store(settings, stack), make_store=True, stop=stop)
    except StoreError as error:
        reports = {name: _store_failure(name, error) for name in names}
        if not options.dry_run:
            notify_without_store(settings, reports.values())
        return Done(reports=reports)
    stack.enter_context(app)
    return _cycles(app, names, options)


def _cycles(app: App, names: list[str], options: SyncOptions) -> Done:
    from dataclasses import replace
    from functools import partial

    from syncd.cli.output import progress
    from syncd.engine.decisions.halt import pauses

    reports, shown = {}, set()
    for name in names:
        paused = app.paused(name)
        if paused and options.dry_run:
            shown.add(name)
        elif paused and name not in options.links:
            reports[name] = _paused_report(name)
            continue
        # One that is paused already was named, and runs once all the same.
        halted = None if paused else pauses(partial(app.paused, name), app.clock.monotonic)
        with progress.shown(name) as report:
            request = replace(options.request(), progress=report, halted=halted)
            reports[name] = app.cycle(name, request)
        if not options.dry_run:
            app.tell(reports[name])
            if reports[name].outcome.completed:  # a store that is away is not waited for once more
                keep = app.settings.links[name].sync.history_keep
                app.prune(name, app.clock.now() - keep)
    return Done(reports=reports, paused=frozenset(shown), app=app)


def _paused_report(name: str) -> CycleReport:
    """The report of a paused link: no cycle, and no failure."""
    from syncd.engine.report import CycleReport

    detail = (
        f"paused, and left out; `--link {name}` runs it once; "
        f"to take it back: `syncd link resume {name}`"
    )
    return CycleReport(link=name, kind=PAUSED, detail=detail)


def _with_temporary_store(settings: Settings, stack: ExitStack) -> Settings:
    """The settings with a temporary store: a dry run before the first sync creates none."""
    from tempfile import TemporaryDirectory

    from syncd.config import StoreSettings

    folder = stack.enter_context(TemporaryDirectory(prefix="syncd-plan-"))
    store = StoreSettings(url=f"sqlite:///{folder}/plan.db")
    return settings.model_copy(update={"store": store})


def _store_failure(name: str, error: StoreError) -> CycleReport:
    from syncd.engine.report import CycleReport
    from syncd.errors import ended_by

    outcome, detail = ended_by(error)
    return CycleReport(link=name, outcome=outcome, detail=detail)


@contextmanager
def graceful_stop() -> Iterator[threading.Event]:
    """The first SIGINT or SIGTERM ends the cycle in order, a second one at once."""
    from syncd.cli.shutdown import STOPS, on_stop_signal

    stop = threading.Event()

    def ask() -> None:
        stop.set()
        click.echo("syncd: stopping after the write in hand; once more stops at once", err=True)

    handler = _Stopper()
    before = {number: signal.signal(number, handler) for number in STOPS}
    try:
        with on_stop_signal(ask):
            yield stop
    finally:
        for number, old in before.items():
            signal.signal(number, old)


class _Stopper:
    """A signal handler; raises KeyboardInterrupt where it is called again.

    The first one is handled by the thread in `shutdown`: here, the interrupted code may hold a
    lock.
    """

    def __init__(self) -> None:
        self._called = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Count; raise at the second."""
        del number, frame
        self._called += 1
        if self._called > 1:
            raise KeyboardInterrupt
