"""How far a cycle is, on a terminal: a bar with its rate and the time that is left.

`sync_now`, `plan` and `demo` show it on stderr while a cycle runs, and only
where stderr is a terminal. The bar is gone when the cycle ends; what was done
is told on stdout. Log lines that come meanwhile are written above it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from syncd.cli.command import log_level

if TYPE_CHECKING:
    from rich.progress import Progress, Task
    from rich.text import Text

RateHeaders = Callable[[int, int], None]
"""Called with how many writes are done, of how many."""


@contextmanager
def shown(link: str) -> Iterator[RateHeaders | None]:
    """Show a link's cycle while the block runs; gives what to tell the progress to."""
    if not sys.stderr.isatty() or log_level() == "error":
        yield None
        return
    with _bar() as progress:
        task = progress.add_task(f"{link}: reading both sides", total=None)

        def report(done: int, total: int) -> None:
            progress.update(task, description=f"{link}: writing", completed=done, total=total)

        yield report


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """Writes per second, once there are any."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.1f}/s" if task.speed else "")

    class Left(TimeRemainingColumn):
        """The time left, once there is something to tell it from."""

        def render(self, task: Task) -> Text:
            if task.total is None or task.speed is None:
                return Text("")
            return super().render(task).append(" left")

    class Of(MofNCompleteColumn):
        """So many of so many, once writing has begun."""

        def render(self, task: Task) -> Text:
            return Text("") if task.total is None else super().render(task)

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        Of(),
        Rate(),
        Left(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
    )
