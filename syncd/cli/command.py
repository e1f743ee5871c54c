"""What all verbs share: help with examples, lazy imports, options.

Each verb is a module of this package that holds a `Verb` and imports what it
needs only when it runs, so that `syncd --help` stays instant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
            formatter.write(f"{' ' * formatter.current_indent}    {meaning}\n")


class Verb(click.Command):
    """A command whose help ends with examples."""

    def __init__(self, *args: Any, examples: Examples = (), **more: Any) -> None:
        super().__init__(*args, **more)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, then what click writes."""
        write_examples(self.examples, formatter)
        super().format_epilog(ctx, formatter)


class Verbs(click.Group):
    """A group whose verbs are imported when they are used.

    `places` maps each verb to its module and the name in it, in the order of
    the help.
    """

    def __init__(
        self, *args: Any, places: Mapping[str, str], examples: Examples = (), **more: Any
    ) -> None:
        super().__init__(*args, **more)
        self.places = places
        self.examples = examples

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
    return click.option(
        "--link", "links", multiple=True, metavar="NAME", help="Only this link; repeatable."
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
