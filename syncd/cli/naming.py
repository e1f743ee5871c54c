"""Puts names in the place of ids on a terminal: `Screen.show` prints a link's part of a screen.

It prints into nothing first, to learn whom a screen shows, asks for those names
(`bootstrap.names`), and then prints. What keeps the names away changes nothing
else: ids stand there.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from syncd.bootstrap import App
    from syncd.bootstrap.names import Left
    from syncd.cli.output.names import Key, Names
    from syncd.cli.output.printer import Printer

Render = Callable[["Printer"], None]


class Screen:
    """One screen, on which every link may have its part."""

    def __init__(
        self, printer: Printer, *, ids: bool, path: Path | None = None, app: App | None = None
    ) -> None:
        """Names are asked for through `app`, else through one of the configuration at `path`."""
        self._printer, self._ids, self._path, self._app = printer, ids, path, app
        self._stack = ExitStack()
        self._left: Left | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def show(self, link: str, render: Render) -> None:
        """Print a link's part."""
        if self._printer.on_screen and not self._ids:
            self._printer.names = self._named(link, render)
        render(self._printer)

    def _named(self, link: str, render: Render) -> Names:
        from syncd.cli.output.names import Names
        from syncd.cli.output.printer import Printer
        from syncd.errors import SyncdError

        wanted: set[Key] = set()
        render(Printer(io.StringIO(), names=Names(wanted=wanted)))
        if not wanted:
            return Names()
        links = self._printer.links
        with suppress(SyncdError, OSError):
            app = self._opened()
            settings = app.settings.links[link]
            return Names(
                known=self._known(app, link, wanted),
                hub=app.hub_number(link) if links else "",
                object_type=settings.hubspot.object_type,
                location=settings.ghl.location_id if links else "",
            )
        return Names()

    def _opened(self) -> App:
        """Raises SyncdError where the configuration or the store cannot be used."""
        from syncd.bootstrap import open_app
        from syncd.cli.session import begin

        if self._app is None:
            self._app = self._stack.enter_context(open_app(begin(self._path)))
        return self._app

    def _known(self, app: App, link: str, wanted: set[Key]) -> dict[Key, str]:
        """The names, within what is left to the screen."""
        from syncd.bootstrap.names import Kind, Left, Named
        from syncd.cli.output.names import RECORD

        self._left = self._left or Left()
        asked = {
            Named(link=link, kind=Kind(kind), side=side, id=key): (kind, side, key)
            for kind, side, key in wanted
            if kind != RECORD
        }
        return {asked[each]: name for each, name in app.names.of(asked, self._left).items()}
