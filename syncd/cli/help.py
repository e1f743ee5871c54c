"""`syncd help` and `syncd completion`: what `--help` shows, and a shell's completion."""

from __future__ import annotations

import click

from syncd.cli import candidates
from syncd.cli.command import Verb, Verbs, suggestion

SHELLS = ("bash", "zsh", "fish")


@click.command(
    name="help",
    cls=Verb,
    short_help="Show the help of a verb.",
    examples=(("syncd help", "every verb"), ("syncd help link pause", "one verb, in full")),
)
@click.argument("verb", nargs=-1, metavar="[VERB]", shell_complete=candidates.verbs)
@click.pass_context
def help_verb(ctx: click.Context, verb: tuple[str, ...]) -> int:
    """Show what a verb does, its options and examples: the same as `syncd VERB --help`."""
    at = ctx.find_root()
    for word in verb:
        command = at.command
        if not isinstance(command, Verbs) or word not in command.places:
            known = command.places if isinstance(command, Verbs) else ()
            raise click.UsageError(f"No such verb {word!r}{suggestion(word, known)}")
        found = command.get_command(at, word)
        if found is not None:
            at = click.Context(found, info_name=word, parent=at)
    click.echo(at.get_help())
    return 0


@click.command(
    cls=Verb,
    short_help="Print the completion of a shell.",
    examples=(
        ("syncd completion bash", 'in ~/.bashrc: eval "$(syncd completion bash)"'),
        ("syncd completion zsh", 'in ~/.zshrc, after compinit: eval "$(syncd completion zsh)"'),
        ("syncd completion fish", "in config.fish: syncd completion fish | source"),
    ),
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print the script that makes a shell complete verbs, options, link names, ids and cycles."""
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"{shell}: accepted: {', '.join(SHELLS)}")
    script = made(ctx.find_root().command, {}, "syncd", "_SYNCD_COMPLETE")
    click.echo(script.source_template % script.source_vars())
    return 0
