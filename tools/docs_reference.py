"""Writes the generated parts of the documentation: keys, commands, held reasons, man pages.

Run as `python -m tools.docs_reference docs` after a key, a verb or a reason was
added or changed; a test proves that the pages are up to date. A page is
written by hand, but for what stands between `<!-- generated: NAME -->` and
`<!-- end -->`. Never imported by a verb.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click

from syncd.cli import syncd
from syncd.cli.command import Verb, Verbs
from syncd.config import toml
from syncd.config.describe import meanings
from syncd.config.key_tree import DEFAULTS, INCLUDE, NOTIFY, node_at
from syncd.config.link_settings import LinkSettings
from syncd.config.section import Section
from syncd.config.settings import Settings
from syncd.config.show import plain
from syncd.config.sync_settings import FieldMap
from syncd.config.vendor_settings import Route
from syncd.core.model import REASONS
from syncd.observability.remedies import REMEDIES

_BLOCK = re.compile(r"(<!-- generated: (?P<name>[a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)

_AS_IT_IS = "\b"
"""How click is told to leave a paragraph as it is."""


def refreshed(page: str) -> str:
    """A page with its generated parts written anew.

    Raises:
        KeyError: a part that nothing here writes.
    """

    def block(found: re.Match[str]) -> str:
        return f"{found[1]}\n{BLOCKS[found['name']]()}\n\n{found[3]}"

    return _BLOCK.sub(block, page)


# --- keys


def configuration() -> str:
    """Every key with its default and its meaning, table by table."""
    parts: list[str] = []
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, Section):
            parts += _tables(name, type(field.default))
    for name in LinkSettings.model_fields:
        node = node_at((DEFAULTS, name))
        if node is not None and node.section is not None and name != NOTIFY:
            parts += _table(f"[links.NAME.{name}]", name, node.section)
    parts += _table("[links.NAME.map.FIELD]", "map.FIELD", FieldMap)
    parts += _table("ghl.routes = [{ … }]", "route", Route)
    return "\n\n".join(parts)


def _tables(name: str, section: type[Section]) -> Iterator[str]:
    if not section.groups:
        yield from _table(f"[{name}]", name, section)
        return
    for below, field in section.model_fields.items():
        yield from _table(f"[{name}.{below}]", f"{name}.{below}", type(field.default))


def _table(title: str, prefix: str, section: type[Section]) -> Iterator[str]:
    yield f"## `{title}`\n\n{section.__doc__}"
    for name, field in section.model_fields.items():
        told = "Required." if field.is_required() else f"Default: `{_value(field.default)}`."
        yield f"### `{prefix}.{name}`\n\n{_prose(meanings(section)[name])}\n\n{told}"


def _value(default: object) -> str:
    return toml.value(plain(default))


def _prose(text: str) -> str:
    """A key's meaning, one line for each sentence."""
    sentences = text.replace(".\n", ".\r").replace("\n", " ").split("\r")
    return "\n".join(re.sub(r"\. (?=[A-Z])", ".\n", _coded(each)) for each in sentences)


def _coded(text: str) -> str:
    """Tables, addresses and quoted values as code, lest Markdown takes them for its own."""
    parts = re.split(r"(\[\{.*?\}\]|\{[^}]*\}|\S+://\S+|\"\S*\")", text)
    return "".join(f"`{part}`" if at % 2 else part for at, part in enumerate(parts))


# --- commands


def commands() -> str:
    """Every command with its help, its options and its examples."""
    return "\n\n".join(reference(name, each) for name, each in tree())


def tree(
    command: click.Command = syncd, name: str = "syncd"
) -> Iterator[tuple[str, click.Command]]:
    """Every command with the words that call it, in the order of the help."""
    yield name, command
    if isinstance(command, Verbs):
        context = click.Context(command, info_name=name)
        for verb in command.list_commands(context):
            found = command.get_command(context, verb)
            if found is not None:
                yield from tree(found, f"{name} {verb}")


def reference(name: str, command: click.Command) -> str:
    """A command's help, usage, options and examples."""
    context = click.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    parts = [f"## `{name}`", *_help(command), f"```text\n{usage}\n```"]
    options = [each for each in command.params if isinstance(each, click.Option)]
    if options:
        rows = [f"| {_option(each)} | {_cell(each.help or '')} |" for each in options]
        parts.append("\n".join(["| option | does |", "|---|---|", *rows]))
    if isinstance(command, Verb | Verbs) and command.examples:
        width = max(len(line) for line, _ in command.examples)
        typed = [f"{line.ljust(width)}  # {meaning}" for line, meaning in command.examples]
        parts.append("\n".join(["```sh", *typed, "```"]))
    return "\n\n".join(parts)


def _help(command: click.Command) -> Iterator[str]:
    """The help's paragraphs; one that click leaves as it is becomes a block."""
    for part in inspect.cleandoc(command.help or "").split("\n\n"):
        if part.startswith(_AS_IT_IS):
            block = part.partition("\n")[2]
            yield f"```text\n{block}\n```"
        else:
            yield re.sub(r"\. (?=[A-Z`])", ".\n", " ".join(part.split()))


def _option(option: click.Option) -> str:
    forms = ", ".join(f"`{each}`" for each in option.opts)
    if option.is_flag:
        return forms
    metavar = option.make_metavar(click.Context(syncd))
    return f"{forms} {_cell(metavar)}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


# --- held reasons


def held() -> str:
    """Every reason why a record waits, what to change, and the commands."""
    rows = ["| reason | it means | what frees it by itself | commands |", "|---|---|---|---|"]
    for reason in REASONS:
        remedy = REMEDIES[reason]
        typed = "<br>".join(f"`{each.format(id='ID')}`" for each in remedy.commands)
        rows.append(f"| `{reason}` | {remedy.meaning} | {_cell(remedy.instead)} | {typed} |")
    return "\n".join(rows)


BLOCKS: Mapping[str, Callable[[], str]] = {
    "commands": commands,
    "configuration": configuration,
    "held": held,
}
"""What writes each generated part."""

FILE_ONLY = (INCLUDE, DEFAULTS)
"""Keys that only a file may have; the page tells of them by hand."""


def _write(docs: Path) -> None:
    from tools.man_pages import pages

    for path in sorted(docs.glob("*.md")):
        path.write_text(refreshed(path.read_text(encoding="utf-8")), encoding="utf-8")
    for name, text in pages(docs).items():
        (docs / "man" / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    _write(Path(sys.argv[1]))
