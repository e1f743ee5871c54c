"""An installed syncd carries its migrations and templates: the wheel is unpacked and asked."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from syncd.store import migrate

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_every_migration(unpacked: Path) -> None:
    inside = unpacked / "syncd" / "_migrations"
    wanted = {"env.py", "script.py.mako"} | {
        f"versions/{script.name}" for script in (ROOT / "migrations" / "versions").glob("*.py")
    }
    assert wanted <= {str(found.relative_to(inside)) for found in inside.rglob("*")}


def test_the_wheel_holds_every_template_and_the_style_sheet(unpacked: Path) -> None:
    inside = Path("syncd", "observability", "page")
    wanted = {found.name for found in (ROOT / inside).iterdir() if found.is_file()}
    assert {"page.html.jinja", "style.css"} <= wanted
    assert wanted <= {found.name for found in (unpacked / inside).iterdir()}


def test_the_wheel_installs_the_man_pages(unpacked: Path) -> None:
    (shared,) = unpacked.glob("*.data/data/share/man")
    found = {str(each.relative_to(shared)) for each in shared.rglob("*.*")}
    assert found == {"man1/syncd.1", "man5/syncd.toml.5"}


def test_an_installed_program_makes_its_store_anywhere(unpacked: Path, tmp_path: Path) -> None:
    program = (
        "from syncd.store import migrate, open_engine\n"
        "engine = open_engine('sqlite:///made.db')\n"
        "migrate.check(engine, may_create=True)\n"
        "print(migrate.scripts(), migrate.current(engine))"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            f"import sys; sys.path.insert(0, {str(unpacked)!r})\n{program}",
        ],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [str(unpacked / "syncd" / "_migrations"), migrate.HEAD]
