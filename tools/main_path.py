"""Count what a reader meets on the way of one edited title.

Run from the repository: `python -m tools.main_path`. It syncs a small sandbox
once, edits one title in HighLevel, and profiles the incremental cycle that
carries the title to HubSpot. It prints the modules of core, engine and ports
in which a function runs, in the order in which they are entered, and then how
many modules and how many type names (classes that these packages define, and
that the functions name) a reader meets. Imports and generated constructors
do not count. A test holds both numbers.
"""

from __future__ import annotations

import ast
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("core", "ports", "engine")


@dataclass(slots=True)
class Visit:
    """The functions that ran, as (path in `syncd`, first line), as they were called first."""

    functions: dict[tuple[str, int], None] = field(default_factory=dict)

    @property
    def modules(self) -> list[str]:
        """The modules in which a function ran, as they were entered first."""
        return list(dict.fromkeys(path for path, _ in self.functions))

    @property
    def types(self) -> list[str]:
        """The classes of these packages that the functions name, by name."""
        defined = {
            node.name
            for package in PACKAGES
            for path in (ROOT / "syncd" / package).rglob("*.py")
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ClassDef)
        }
        return sorted(defined & set(_names(self.functions)))


def visited(run: Callable[[], object]) -> Visit:
    """What runs in this thread during the call."""
    found = Visit()
    prefix = f"{ROOT / 'syncd'}/"

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and (path := _path(frame.f_code, prefix)):
            found.functions.setdefault((path, frame.f_code.co_firstlineno))

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    return found


def _path(code: CodeType, prefix: str) -> str:
    """The path of a function of these packages, "" for all other code."""
    path = code.co_filename.removeprefix(prefix)
    inside = path != code.co_filename and path.startswith(PACKAGES)
    return path if inside and code.co_name != "<module>" else ""


def _names(functions: Iterable[tuple[str, int]]) -> Iterable[str]:
    """Every name in the code and the annotations of these functions."""
    lines: dict[str, set[int]] = {}
    for path, line in functions:
        lines.setdefault(path, set()).add(line)
    for path, first in lines.items():
        for node in ast.walk(ast.parse((ROOT / "syncd" / path).read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            if min((node.lineno, *(each.lineno for each in node.decorator_list))) in first:
                yield from (each.id for each in ast.walk(node) if isinstance(each, ast.Name))


def one_edited_title() -> Visit:
    """The way of one title that is edited in HighLevel."""
    sys.path.append(str(ROOT / "tests" / "plugins"))
    from harness import HarnessClock, Shelf, build

    from syncd.store import migrate
    from syncd.store.engine import open_engine

    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/store.db"
        engine = open_engine(url)
        migrate.upgrade(engine)
        engine.dispose()
        clock = HarnessClock()
        with closing(Shelf(url, clock)) as shelf:
            harness = build(shelf, clock)
            contact = harness.ghl.add_contact("Ann Lee", "ann@example.com", "+15550101")
            calendar = harness.calendars["Class"]
            booking = harness.ghl.book(calendar, contact, harness.at(25), title="Check-up")
            harness.sync()
            harness.ghl.edit(booking, title="Follow-up")
            return visited(lambda: harness.sync(full=False))


def main() -> int:
    """Print the way and both numbers."""
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    visit = one_edited_title()
    print(*visit.modules, sep="\n")
    print(f"{len(visit.modules)} modules, {len(visit.types)} type names")
    print(*visit.types)
    return 0


if __name__ == "__main__":
    sys.exit(main())
