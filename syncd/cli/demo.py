"""`syncd demo`: the whole thing on this machine, in a throw-away folder.

Starts the sandbox on loopback, sets HubSpot up, syncs, lets people edit both
sides, syncs again, and once more to show that nothing is written then. It uses
the same parts as the real commands, over real HTTP; it reads no configuration
and no SYNCD_ variable.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from syncd.cli.command import Verb, json_option

if TYPE_CHECKING:
    from syncd.bootstrap import App
    from syncd.cli.demo_data import Edit
    from syncd.cli.demo_live import LiveDemo
    from syncd.cli.output.printer import Printer
    from syncd.engine.report import CycleReport
    from syncd.sandbox import SandboxClock, SandboxServer, SandboxWorld

LINK = "clinic"


@click.command(
    cls=Verb,
    short_help="See it work, on made-up data.",
    examples=(
        ("syncd demo", "watch two systems being kept in step"),
        ("syncd demo --live", "with a daemon that both vendors announce their changes to"),
        ("syncd demo --keep", "and keep its configuration and store, to look at them"),
    ),
)
@click.option("--keep", is_flag=True, help="Keep the folder with configuration and store.")
@click.option("--live", is_flag=True, help="Show edits that arrive within a second, announced.")
@json_option
def demo(*, keep: bool, live: bool, as_json: bool) -> int:
    """Show on made-up data what syncd does: no account, no configuration needed.

    Serves both vendors' APIs on this machine and syncs them three times, while
    made-up people edit both sides in between. With --live a daemon runs
    beside them, and takes what the vendors announce.
    """
    from syncd.cli.output.printer import Printer
    from syncd.observability import logging

    logging.configure(level="warning")
    printer = Printer(io.StringIO() if as_json else None)
    with ExitStack() as stack:
        folder = stack.enter_context(_folder(keep=keep))
        if live:
            from syncd.cli import demo_live

            show: Demo | LiveDemo = stack.enter_context(demo_live.opened(folder, printer))
        else:
            show = stack.enter_context(_opened(folder, printer))
        code = show.run()
    if as_json:
        kept = {"folder": str(folder)} if keep else {}
        document = {"version": 1, "exit_code": code, **show.told, **kept}
        click.echo(json.dumps(document, indent=2))
    elif isinstance(show, Demo):
        show.next_steps(folder if keep else None)
    return code


class Demo:
    """The steps, and what is printed after each."""

    def __init__(
        self, app: App, server: SandboxServer, clock: SandboxClock, printer: Printer
    ) -> None:
        self._app, self._server, self._clock, self._paper = app, server, clock, printer
        self._world: SandboxWorld = server.world
        self._step = 0
        self._cycles: list[dict[str, object]] = []
        self._edits: list[dict[str, object]] = []

    @property
    def told(self) -> dict[str, object]:
        """What happened, as JSON: the report of each cycle, and what became of each edit."""
        return {"cycles": self._cycles, "edits": self._edits}

    def run(self) -> int:
        """All steps; gives the worst exit code of the three cycles."""
        from syncd.cli.demo_data import DemoClinic
        from syncd.core.outcome import worst_code

        self._begin()
        self._set_up()
        reports = [self._first_sync()]
        self._clock.advance(timedelta(hours=1))
        edits = DemoClinic(self._world, self._clock).morning()
        reports += [self._second_sync(edits), self._third_sync()]
        return worst_code(report.outcome.exit_code for report in reports)

    def next_steps(self, folder: Path | None) -> None:
        """What to do after the demo."""
        printer = self._paper
        printer.line()
        printer.line("Where to go next", "bold")
        if folder is not None:
            file = folder / "config.toml"
            self._next(f"syncd --config {file} history", "what was written, and why")
            self._next(f"syncd --config {file} held", "what waits for a person")
        self._next("syncd sandbox", "keeps such a sandbox running, to try syncd by hand")
        self._next("syncd config init", "asks for your accounts, and writes a configuration")
        self._next("syncd plan", "what a sync would write, field by field; it writes nothing")
        self._next("syncd --help", "all the rest")

    def _next(self, command: str, what: str) -> None:
        self._paper.command(command, indent=2)
        self._paper.line(f"      {what}")

    # --- the steps

    def _begin(self) -> None:
        from syncd.cli.output import formatting

        zone = self._world.location.zone
        self._head("Two systems on this machine, with made-up people")
        self._paper.line(f"  HighLevel  {self._server.ghl_url}")
        self._paper.line(f"  HubSpot    {self._server.hubspot_url}")
        now = formatting.when(self._clock(), zone)
        self._paper.line(f"  It is {now} there ({zone.key}).")

    def _set_up(self) -> None:
        from syncd.cli.setup import print_setup

        self._head("syncd setup")
        print_setup(self._paper, LINK, self._app.setup(LINK))

    def _first_sync(self) -> CycleReport:
        from syncd.cli.output.cycle_report import print_cycle

        ghl = len(self._world.location.events())
        hubspot = len(self._world.portal.records())
        self._head(f"First sync: {ghl} appointments in HighLevel, {hubspot} in HubSpot")
        report = self._cycle()
        print_cycle(self._paper, report)
        return report

    def _second_sync(self, edits: list[Edit]) -> CycleReport:
        from syncd.cli.output.cycle_report import print_sum

        self._head("People edit both sides, and syncd syncs again")
        report = self._cycle()
        for edit in edits:
            self._print_edit(edit, report)
        print_sum(self._paper, report)
        return report

    def _third_sync(self) -> CycleReport:
        from syncd.cli.output.cycle_report import print_sum

        self._head("Third sync: nobody edited anything, so nothing is written")
        report = self._cycle()
        print_sum(self._paper, report)
        return report

    def _print_edit(self, edit: Edit, report: CycleReport) -> None:
        """One appointment: what people did, what syncd did about it, and why."""
        from syncd.cli.output import formatting

        zone = self._world.location.zone
        person = f", {edit.person}" if edit.person else ""
        what = f"{edit.title}{person}, {formatting.when(edit.starts_at, zone)}"
        self._paper.line(f"  {what}", "bold")
        for did in edit.did:
            self._paper.line(f"    people  {did}", hang=12)
        answers = list(self._answers(edit, report))
        for answer in answers:
            self._paper.line(f"    syncd   {answer}", "green", hang=12)
        self._edits.append({"title": edit.title, "people": list(edit.did), "syncd": answers})

    def _answers(self, edit: Edit, report: CycleReport) -> Iterator[str]:
        """What syncd did about an edit: its writes, or what it waits for."""
        from syncd.cli.output import cycle_report, formatting

        for write in report.written:
            if edit.is_about(write.ghl_id, write.hubspot_id):
                yield f"{cycle_report.did(self._paper, report, write)} ({write.why})"
        for entry in self._app.link_store(LINK).history(edit.ghl_id, cycle=report.cycle):
            if edit.ghl_id and entry.action == "conflict":
                yield f"the losing value, {entry.before!r}, is kept in `syncd history`"
        for hold in report.held:
            if edit.is_about(hold.ghl_id, hold.hubspot_id):
                detail = formatting.strip_control_chars(hold.detail)
                yield f"waits for a person ({hold.reason}): {detail}"
                next_step = formatting.how_to_resolve(hold)
                yield f"to resolve it: {next_step}"

    # --- the parts of a step

    def _head(self, text: str) -> None:
        if self._step:
            self._paper.line()
        self._step += 1
        self._paper.line(f"{self._step}. {text}", "bold cyan")

    def _cycle(self) -> CycleReport:
        from syncd.cli.output import progress
        from syncd.engine.cycle import CycleRequest

        with progress.shown(LINK) as callback:
            report = self._app.cycle(LINK, CycleRequest(progress=callback))
        self._cycles.append(report.as_json())
        return report


class DemoClock:
    """The app's clock: the sandbox's time, the machine's pace."""

    def __init__(self, now: SandboxClock) -> None:
        from syncd.bootstrap import SystemClock

        self._now, self._machine = now, SystemClock()

    def now(self) -> datetime:
        """The time in the demo's world, aware UTC."""
        return self._now()

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return self._machine.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for real."""
        self._machine.sleep(seconds)


@contextmanager
def _folder(*, keep: bool) -> Iterator[Path]:
    from tempfile import TemporaryDirectory, mkdtemp

    if keep:
        yield Path(mkdtemp(prefix="syncd-demo-"))
        return
    with TemporaryDirectory(prefix="syncd-demo-") as folder:
        yield Path(folder)


@contextmanager
def _opened(folder: Path, printer: Printer) -> Iterator[Demo]:
    """The sandbox on loopback, and syncd on a configuration and a store in the folder."""
    from syncd import config
    from syncd.bootstrap import open_app
    from syncd.cli.sandbox import config_for
    from syncd.sandbox import SandboxSettings, seeded, serve

    settings = SandboxSettings()
    clock = _next_monday(ZoneInfo(settings.location_timezone))
    with serve(seeded(clock, settings)) as server:
        file = folder / "config.toml"
        file.write_text(config_for(server, settings.search_lag), encoding="utf-8")
        tokens = {"GHL_TOKEN": settings.ghl_token, "HUBSPOT_TOKEN": settings.hubspot_token}
        with open_app(
            config.load(file, env=tokens, cwd=folder),
            make_store=True,
            clock=DemoClock(clock),
            env=tokens,
        ) as app:
            yield Demo(app, server, clock, printer)


def _next_monday(zone: ZoneInfo) -> SandboxClock:
    """A clock that shows eight on the coming Monday: the demo reads the same on every day."""
    from syncd.bootstrap import SystemClock
    from syncd.sandbox import SandboxClock

    clock = SandboxClock(SystemClock().now)
    now = clock().astimezone(zone)
    monday = now.date() + timedelta(days=7 - now.weekday())
    clock.advance(datetime.combine(monday, time(8), zone) - now)
    return clock
