"""Prints for people: on a terminal with colour, in a pipe plainly.

Verbs make one `Printer` per command. On a terminal rich lays tables out to its
width and colours them (it obeys NO_COLOR by itself); in a pipe or a file
nothing is coloured, cut or wrapped: one row is one line, and rich is not even
imported. Logs and progress go to stderr, elsewhere.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

    from syncd.cli.output.names import Names

WIDEST = 48
"""Columns are padded up to this width in a pipe; a longer text only shifts its own row."""


GAP = 3
"""Columns between two columns of a table."""

ROOMY = 80
"""Columns from which a table may wrap its cells; on a narrower screen its rows are blocks."""


_COMMAND = re.compile(r"`(syncd [^`]+)`")
"""A command that is proposed to a person."""

_BREAKS = re.compile(r" (?!\d\d:\d\d)")
"""Where a line may be wrapped: never between a day and its hour."""

_LINKED = re.compile(r"\x1b\]8;[^\x1b]*\x1b\\")
"""What makes a word a link of the terminal (OSC 8)."""


def linked(text: str, url: str) -> str:
    """Words that a terminal opens a page for; each is a link of its own, so that it may wrap."""
    if not url:
        return text
    return " ".join(f"\x1b]8;;{url}\x1b\\{word}\x1b]8;;\x1b\\" for word in text.split(" "))


def _cells(text: str) -> int:
    """The columns that a text takes."""
    from rich.cells import cell_len

    return cell_len(_LINKED.sub("", text))


def with_commands(text: str) -> list[tuple[str, bool]]:
    """A sentence in parts, each a line: words, and commands that are to be copied."""
    parts = _COMMAND.split(text)
    if len(parts) == 1:
        return [(text, False)]
    found: list[tuple[str, bool]] = []
    for number, part in enumerate(parts):
        if number % 2:
            found.append((part, True))
            continue
        words = part.rstrip(" (,;:") if number < len(parts) - 1 else part.rstrip()
        words = words.lstrip(" ),;:.") if number else words
        if words.count(")") > words.count("("):
            words = words.rstrip(")")
        if words.strip():
            ends = number < len(parts) - 1 and words[-1] not in ".!?"
            found.append((f"{words}:" if ends else words, False))
    return found


def _widest(cell: str, *, whole: bool) -> int:
    """The smallest width that a cell needs."""
    words = [cell] if whole else cell.split()
    return max((_cells(word) for word in words), default=0)


def _wrapped(text: str, room: int) -> list[str]:
    """Wrapped at spaces only: a word that is wider than the screen stays whole, to be copied."""
    lines = [""]
    for number, word in enumerate(_BREAKS.split(text)):
        more = f"{lines[-1]} {word}" if number else word
        if lines[-1].strip() and _cells(more) > room:
            lines.append(word)
        else:
            lines[-1] = more
    return lines


class Printer:
    """Lines and tables on a stream."""

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        console: Console | None = None,
        names: Names | None = None,
    ) -> None:
        from syncd.cli.output.names import Names

        self._stream = sys.stdout if stream is None else stream
        self._console = console
        self.names = names or Names()
        """Names of what a terminal shows."""
        if console is None and self._stream.isatty():
            from rich.console import Console

            self._console = Console(file=self._stream, highlight=False)

    @property
    def on_screen(self) -> bool:
        """Whether a person looks at a terminal: then long texts may be cut."""
        return self._console is not None

    @property
    def links(self) -> bool:
        """Whether the terminal may be given links: one that knows no colours shows their marks."""
        return self._console is not None and self._console.color_system is not None

    def line(self, text: str = "", style: str = "", *, hang: int = 0) -> None:
        """One line; on a terminal it is wrapped at words, and what follows begins at `hang`."""
        if self._console is None:
            self._stream.write(f"{text}\n")
            return
        hang = hang or len(text) - len(text.lstrip(" "))
        parts = with_commands(text)
        for number, (part, is_command) in enumerate(parts):
            if is_command:
                self.command(part, hang + 2)
            else:
                self._wrapped_line(
                    self._console, part if not number else " " * hang + part, style, hang
                )

    def command(self, text: str, indent: int = 6) -> None:
        """A command that is proposed: on a line of its own, whole, to be copied."""
        if self._console is None:
            self._stream.write(f"{' ' * indent}{text}\n")
            return
        from rich.text import Text

        indent = max(0, min(indent, self._console.width - len(text)))
        style = "" if self._console.no_color else "bold"
        self._console.print(Text(" " * indent + text, style=style), soft_wrap=True)

    def _wrapped_line(self, console: Console, text: str, style: str, hang: int) -> None:
        from rich.text import Text

        style = "" if console.no_color else style
        room = max(20, console.width - hang)
        for number, part in enumerate(_wrapped(text[hang:], room)):
            begin = " " * hang if number else text[:hang]
            console.print(Text(begin + part, style=style), soft_wrap=True)

    def raw(self, text: str) -> None:
        """Text that is meant to be copied: never wrapped or coloured."""
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def table(
        self,
        heads: Sequence[str],
        rows: Iterable[Sequence[str]],
        styles: Sequence[str] = (),
    ) -> None:
        """A table with its heads; `styles` colours whole columns on a terminal."""
        cells = [list(row) for row in rows]
        if self._console is None:
            self._plain([list(heads), *cells])
        elif self._fits(self._console, [list(heads), *cells]):
            self._drawn(self._console, heads, cells, styles)
        else:
            self._listed(heads, cells, styles)

    def _fits(self, console: Console, rows: list[list[str]]) -> bool:
        """Whether every word has room in its column; the first column is never broken."""
        wraps = console.width >= ROOMY

        def needs(cell: str, at: int) -> int:
            lines = [_widest(line, whole=at == 0 or not wraps) for line in cell.split("\n")]
            return max(lines) + GAP

        columns = range(len(rows[0]))
        return sum(max(needs(row[at], at) for row in rows) for at in columns) <= console.width

    def _listed(self, heads: Sequence[str], rows: list[list[str]], styles: Sequence[str]) -> None:
        """A narrow screen: each row is a block, with a line for each column."""
        for row in rows:
            for at, (head, cell) in enumerate(zip(heads, row, strict=True)):
                begin = "  " if at == 0 else "    "
                style = styles[at] if at < len(styles) else ""
                for number, part in enumerate(cell.split("\n") if cell else ()):
                    self.line(f"{begin}{'' if number else f'{head}: '}{part}", style)

    def _plain(self, rows: list[list[str]]) -> None:
        widths = [
            max((len(row[at]) for row in rows if len(row[at]) <= WIDEST), default=0)
            for at in range(len(rows[0]))
        ]
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            self._stream.write("  " + "  ".join(cells).rstrip() + "\n")

    def _drawn(
        self,
        console: Console,
        heads: Sequence[str],
        rows: list[list[str]],
        styles: Sequence[str],
    ) -> None:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(
            box=box.SIMPLE_HEAD,
            pad_edge=False,
            padding=(0, 2, 0, 0),
            show_edge=False,
            header_style="" if console.no_color else "table.header",
        )
        for at, head in enumerate(heads):
            style = styles[at] if at < len(styles) and not console.no_color else ""
            # Moments are compared with the eye: they are never broken over two lines.
            table.add_column(head, style=style, overflow="fold", no_wrap=at == 0)
        for row in rows:
            table.add_row(*(Text.from_ansi(cell) for cell in row))
        console.print(table)


def tolerant(stream: TextIO) -> None:
    """Let a stream write every text, whatever its encoding lacks."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
