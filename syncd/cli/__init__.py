"""The command line: `syncd`, its options, its verbs and its exit codes.

`main` is the installed command. This module imports click and nothing heavier;
each verb is a module that imports what it needs when it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from syncd import __version__
from syncd.cli.command import (
    Verbs,
    config_option,
    guard_options,
    held_option,
    ids_option,
    json_option,
    link_option,
)

PLACES = {
    "run": "syncd.cli.run:run",
    "status": "syncd.cli.status:status",
    "cycles": "syncd.cli.cycles:cycles",
    "plan": "syncd.cli.plan:plan",
    "sync": "syncd.cli.sync:sync",
    "doctor": "syncd.cli.doctor:doctor",
    "setup": "syncd.cli.setup:setup",
    "held": "syncd.cli.held:held",
    "retry": "syncd.cli.decisions:retry",
    "resolve": "syncd.cli.decisions:resolve",
    "history": "syncd.cli.history:history",
    "why": "syncd.cli.why:why",
    "audit": "syncd.cli.audit:audit",
    "record": "syncd.cli.record:record",
    "replay": "syncd.cli.record:replay",
    "undo": "syncd.cli.undo:undo",
    "apply": "syncd.cli.decisions:apply",
    "kick": "syncd.cli.decisions:kick",
    "link": "syncd.cli.link:link",
    "connect": "syncd.cli.connect:connect",
    "connections": "syncd.cli.connections:connections",
    "disconnect": "syncd.cli.connections:disconnect",
    "fleet": "syncd.cli.fleet:fleet",
    "live": "syncd.cli.live:live",
    "notify": "syncd.cli.notify:notify",
    "rebuild": "syncd.cli.rebuild:rebuild",
    "forget": "syncd.cli.forget:forget",
    "db": "syncd.cli.db:db",
    "config": "syncd.cli.config:config",
    "sandbox": "syncd.cli.sandbox:sandbox",
    "demo": "syncd.cli.demo:demo",
    "help": "syncd.cli.help:help_verb",
    "completion": "syncd.cli.help:completion",
}
"""Each verb and its module and name, in the order of the help."""

EXAMPLES = (
    ("syncd demo", "see it work, on made-up data, with no configuration"),
    ("syncd setup", "make the properties that HubSpot needs"),
    ("syncd plan", "show every write that a cycle would make, and write nothing"),
    ("syncd --sync-now", "one full cycle of every link"),
    ("syncd --sync-now --link clinic --json", "one link, with a report for a script"),
    ("syncd --config /etc/syncd/config.toml run", "the daemon"),
)

SYNC_OPTIONS = {
    "links": "--link",
    "dry_run": "--dry-run",
    "as_json": "--json",
    "allow_removals": "--allow-removals",
    "allow_changes": "--allow-changes",
    "fail_on_held": "--fail-on-held",
    "ids": "--ids",
}
"""What belongs to `--sync-now`, by the parameter's name."""


@click.group(
    cls=Verbs,
    places=PLACES,
    examples=EXAMPLES,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    subcommand_metavar="[VERB] [OPTIONS]...",
)
@config_option
@click.option("--sync-now", is_flag=True, help="Run one full cycle of every link, then end.")
@link_option
@click.option("--dry-run", is_flag=True, help="With --sync-now: plan, and write nothing.")
@json_option
@guard_options
@held_option
@ids_option
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def syncd(
    ctx: click.Context, /, *, config: Path | None, sync_now: bool, **given: bool | tuple[str, ...]
) -> int:
    """Keep HighLevel and HubSpot appointments in sync, both ways.

    Without a verb it is the daemon, as `syncd run`; with --sync-now it runs
    one cycle and ends.

    \b
    Exit codes:
      0  done; held records are listed, and are no failure
      1  an unexpected fault; the log has the traceback
      2  wrong usage or configuration; account not prepared
      3  some writes failed, or a part was unread; tried again
      4  a guard stopped writes; everything else was done
      5  another syncd holds the link
      6  credentials refused, or a scope is missing
      7  a service is out of reach, or its daily quota used up
    """  # noqa: D301 - click's mark for a block that is not wrapped is the character itself
    options = [SYNC_OPTIONS[name] for name, value in given.items() if value]
    if ctx.invoked_subcommand is not None:
        if sync_now or options:
            _refuse(ctx, ctx.invoked_subcommand, (["--sync-now"] if sync_now else []) + options)
        return 0
    if sync_now:
        from syncd.cli.sync_now import SyncOptions, sync

        return sync(config, SyncOptions.of(given))
    if options:
        raise click.UsageError(f"{', '.join(options)}: goes with --sync-now or after a verb", ctx)
    from syncd.cli.run import start

    return start(config)


def _refuse(ctx: click.Context, verb: str, options: Sequence[str]) -> NoReturn:
    names = ", ".join(options)
    if "--sync-now" in options:
        raise click.UsageError(f"--sync-now takes no verb: leave out {verb!r}", ctx)
    raise click.UsageError(f"{names}: write it after the verb: `syncd {verb} {options[0]}`", ctx)


def main() -> NoReturn:
    """The installed command: run, and end the process with its exit code (`docs/exit-codes.md`)."""
    from syncd.cli.shutdown import interruptible, leave, on_stop_signal
    from syncd.cli.streams import robust_streams

    with robust_streams(), on_stop_signal() as signals, interruptible():
        code = execute(sys.argv[1:])
        if signals.count:
            leave(code)  # a thread may hang that the interpreter would wait for
    sys.exit(code)


def execute(args: Sequence[str]) -> int:
    """Run a command line; gives its exit code, with every error printed on stderr."""
    from syncd.cli.exit_codes import check_output, report_error
    from syncd.cli.output.printer import tolerant

    for stream in (sys.stdout, sys.stderr):
        tolerant(stream)
    try:
        code = syncd.main(args=_checked(args), prog_name="syncd", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - any error is reported in one line
        return report_error(error, args)
    return check_output(code if isinstance(code, int) else 0)


def _checked(args: Sequence[str]) -> list[str]:
    """The arguments; no file and no id has a NUL in its name."""
    if any("\0" in each for each in args):
        raise click.UsageError("an argument contains a NUL")
    return list(args)
