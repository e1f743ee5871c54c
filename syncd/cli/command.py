"""What all verbs share: help with examples, lazy imports, options.

Each verb is a module of this package that holds a `Verb` and imports what it
needs only when it runs, so that `syncd --help` stays instant.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import click

Callback = TypeVar("Callback", bound=Callable[..., Any])

Examples = Sequence[tuple[str, str]]
"""(command, what it does)."""


def write_examples(examples: Examples, formatter: click.HelpFormatter) -> None:
    """Write the examples; commands are never wrapped."""
    with formatter.section("Examples"):
        for typed, meaning in examples:
            formatter.write(f"{' ' * formatter.current_indent}{typed}\n")
            with formatter.indentation(), formatter.indentation():
                formatter.write_text(meaning)


LEVELS = ("debug", "info", "warning", "error")
"""What `--log-level` takes."""

_LEVEL = "syncd.log_level"
"""Where the level that was asked for is kept while a command line runs."""


def log_level(ctx: click.Context | None = None) -> str:
    """The log level of `-v`, `-q` or `--log-level`; "" where none was given."""
    ctx = ctx or click.get_current_context(silent=True)
    return str(ctx.find_root().meta.get(_LEVEL, "")) if ctx else ""


def _set_level(ctx: click.Context, option: click.Parameter, given: object) -> None:
    level = {"verbose": "debug", "quiet": "error"}.get(option.name or "", given) if given else ""
    known = log_level(ctx)
    if level and known not in {"", level}:
        raise click.UsageError("-v, -q and --log-level say different things: give one", ctx)
    if level:
        ctx.find_root().meta[_LEVEL] = level


def _log_options() -> list[click.Parameter]:
    """`-v`, `-q` and `--log-level`, which every command takes."""
    named = (
        (["-v", "--verbose"], None, "Log everything, to stderr."),
        (["-q", "--quiet"], None, "Log errors only, and show no progress."),
        (["--log-level"], click.Choice(LEVELS), "The log level, in place of the configuration's."),
    )
    return [
        click.Option(
            names,
            type=kind,
            is_flag=kind is None,
            help=told,
            expose_value=False,
            callback=_set_level,
        )
        for names, kind, told in named
    ]


NARROWEST = 52
"""Columns that a help takes at least."""


class _Command(click.Command):
    """What all commands have in common: the log's options, and errors without a usage line."""

    def __init__(self, *args: Any, examples: Examples = (), **more: Any) -> None:
        super().__init__(*args, **more)
        self.examples = examples
        self.common = _log_options()
        """Options of every command, which `params` leaves out."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own options, those of every command, and `--help`."""
        params, own = super().get_params(ctx), len(self.params)
        return [*params[:own], *self.common, *params[own:]]

    def get_help(self, ctx: click.Context) -> str:
        """The help, as wide as the terminal: click asks a stream that `streams` replaced."""
        with suppress(OSError):
            columns = os.get_terminal_size(1).columns
            ctx.terminal_width = max(NARROWEST, min(columns, ctx.max_content_width or 80)) - 2
        return super().get_help(ctx)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error of its work is shown without the usage, unless it names it."""
        return self.callback(**ctx.params) if self.callback is not None else None


class Verb(_Command):
    """A command whose help ends with examples."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, then what click writes."""
        write_examples(self.examples, formatter)
        super().format_epilog(ctx, formatter)


class Verbs(click.Group, _Command):
    """A group whose verbs are imported when they are used.

    `places` maps each verb to its module and the name in it, in the order of
    the help.
    """

    def __init__(
        self, *args: Any, places: Mapping[str, str], examples: Examples = (), **more: Any
    ) -> None:
        super().__init__(*args, examples=examples, **more)
        self.places = places

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order of the help."""
        del ctx
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A verb, imported now."""
        del ctx
        if cmd_name not in self.places:
            return None
        module, _, name = self.places[cmd_name].partition(":")
        verb = getattr(import_module(module), name)
        if not isinstance(verb, click.Command):
            raise TypeError(f"{self.places[cmd_name]} is no command")
        return verb

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb; an unknown one is answered with the nearest known."""
        if args and args[0] not in self.places:
            ctx.fail(f"No such verb {args[0]!r}{suggestion(args[0], self.places)}")
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, then what click writes."""
        write_examples(self.examples, formatter)
        super().format_epilog(ctx, formatter)


def suggestion(word: str, known: Sequence[str] | Mapping[str, object]) -> str:
    """The end of a message about an unknown word: `; did you mean 'plan'?`, or all known ones."""
    from syncd.config.key_tree import nearest

    if close := nearest(word, known):
        return f"; did you mean {close!r}?"
    return f"; there are: {', '.join(known)}" if known else ""


# --- options that several verbs take


def duration_given(
    _ctx: click.Context, option: click.Parameter, given: str | None
) -> timedelta | None:
    """The value of an option that takes a duration, as the configuration does."""
    from syncd.config.values import duration

    if given is None:
        return None
    with suppress(ValueError):
        if (found := duration(given)) > timedelta():
            return found
    raise click.UsageError(f'{option.opts[0]} {given}: accepted: a duration such as "90s" or "10m"')


def config_option(function: Callback) -> Callback:
    """`--config PATH`, on every verb and before it; see `config_path`."""
    return click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="PATH",
        help="The configuration file; may also stand before the verb.",
    )(function)


def link_option(function: Callback) -> Callback:
    """`--link NAME`, repeatable."""
    from syncd.cli.candidates import links

    return click.option(
        "--link",
        "links",
        multiple=True,
        metavar="NAME",
        help="Only this link; repeatable.",
        shell_complete=links,
    )(function)


def json_option(function: Callback) -> Callback:
    """`--json`."""
    return click.option(
        "--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else there."
    )(function)


def guard_options(function: Callback) -> Callback:
    """`--allow-removals` and `--allow-changes`."""
    for name, what in (("changes", "creations and changes"), ("removals", "removals")):
        function = click.option(
            f"--allow-{name}", is_flag=True, help=f"Let {what} pass their guard, once."
        )(function)
    return function


def ids_option(function: Callback) -> Callback:
    """`--ids`."""
    return click.option(
        "--ids", is_flag=True, help="Show ids where a terminal shows names of people and calendars."
    )(function)


def held_option(function: Callback) -> Callback:
    """`--fail-on-held`."""
    return click.option("--fail-on-held", is_flag=True, help="End with 3 when any record is held.")(
        function
    )


def config_path(ctx: click.Context, config: Path | None) -> Path | None:
    """The value of `--config`, after the verb or before it."""
    if config is not None:
        return config
    found = ctx.find_root().params.get("config")
    return found if isinstance(found, Path) else None
