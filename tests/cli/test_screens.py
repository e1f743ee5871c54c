"""Every screen on a terminal: nothing is cut off, commands stand alone, people have names."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import program
import pytest
from vendor_accounts import VendorAccounts

from syncd.sandbox import SandboxSettings

Syncd = Callable[..., Any]

LINK = re.compile(r"\x1b\]8;;([^\x1b]*)\x1b\\")
STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_terminal(
    folder: Path,
    *args: str,
    width: int = 60,
    env: Mapping[str, str] = MappingProxyType({}),
    typed: bytes = b"",
) -> tuple[int, str]:
    """Exit code and raw output of a command on a terminal of that width."""
    settings = SandboxSettings()
    tokens = {"GHL_TOKEN": settings.ghl_token, "HUBSPOT_TOKEN": settings.hubspot_token}
    wanted = program.environment() | tokens | {"TERM": "xterm-256color"} | dict(env)
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    command = [*program.COMMAND, *args]
    with subprocess.Popen(
        command, cwd=folder, env=wanted, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        os.write(ours, typed)
        told = b""
        while True:
            try:
                read = os.read(ours, 65536)
            except OSError:  # Linux's way to say that the other end is closed.
                break
            if not read:
                break
            told += read
    os.close(ours)
    return process.returncode, told.decode()


def seen(told: str) -> list[str]:
    """The lines that a person sees; a progress bar is overwritten."""
    plain = STYLE.sub("", LINK.sub("", told))
    return [line.rpartition("\r")[2] for line in plain.replace("\r\n", "\n").split("\n")]


@pytest.fixture
def busy(syncd: Syncd, clinic: VendorAccounts) -> VendorAccounts:
    """A clinic with a synced appointment of Ada, edited since, and a held record."""
    ada = clinic.ghl.add_contact("Ada Lovelace", "ada@example.com")
    clinic.ghl.book(clinic.calendar, ada, clinic.morning, title="A long consultation about it all")
    clinic.make("Call back about the insurance papers of last year", hours=4, contact=False)
    assert syncd("setup").code == 0
    assert syncd("--sync-now").code == 0
    (event,) = (each.id for each in clinic.ghl.appointments)
    clinic.ghl.edit(event, title="Another name")
    clinic.book("Fresh", hours=30)
    return clinic


SCREENS = [
    *("plan", "held", "history", "status", "cycles", "link list", "retry nobody", "kick"),
    *("connections", "fleet", "link add other --location other-1 --dry-run", "rebuild"),
]


def test_the_help_is_as_wide_as_the_terminal(tmp_path: Path) -> None:
    for verb in ("--help", "help audit", "kick --help", "link pause --help"):
        _, told = on_terminal(tmp_path, *verb.split())
        assert [line for line in seen(told) if len(line.rstrip()) > 60] == [], verb


@pytest.mark.parametrize("width", [60, 120])
def test_every_screen_fits_and_every_command_stands_on_a_line_of_its_own(
    width: int, busy: VendorAccounts
) -> None:
    for screen in SCREENS:
        _, told = on_terminal(busy.folder, *screen.split(), width=width)
        lines = seen(told)
        # A word that is wider, such as the path of a file, stands alone.
        wide = [line for line in lines if len(line.rstrip()) > width and " " in line.strip()]
        assert wide == [], screen
        proposed = [line for line in lines if re.search(r"syncd (?!ended)[a-z]+ ", f"{line} ")]
        assert all(line.strip().startswith("syncd ") for line in proposed), (screen, proposed)
        assert "\u2026" not in told, screen


def test_people_and_calendars_stand_by_name_with_links_and_by_id_where_asked(
    busy: VendorAccounts,
) -> None:
    _, told = on_terminal(busy.folder, "plan", width=120)
    text = "\n".join(seen(told))
    assert "Person 2" in text
    assert busy.ghl.calendars[busy.calendar].name in text
    pages = LINK.findall(told)
    assert any(f"/v2/location/{busy.ghl.id}/contacts/detail/" in each for each in pages)
    assert any("/record/0-421/" in each for each in pages)
    code, plain = on_terminal(busy.folder, "plan", "--ids", width=120)
    assert (code, busy.calendar in plain) == (0, True)


@pytest.mark.parametrize("trouble", ["refused", "slow", "no credentials"])
def test_where_names_cannot_be_had_ids_stand_there_and_the_code_stays(
    trouble: str, busy: VendorAccounts
) -> None:
    env = {"GHL_TOKEN": ""} if trouble == "no credentials" else {}
    if trouble == "refused":
        busy.world.faults.add(status=403, times=None)
    if trouble == "slow":
        busy.world.faults.add(kind="slow_body", seconds=6, times=None)
    code, told = on_terminal(busy.folder, "history", env=env)
    busy.world.faults.clear()
    assert code == 0
    (contact,) = (each.id for each in busy.ghl.contacts if each.email == "ada@example.com")
    assert contact in "\n".join(seen(told))


def test_a_screen_asks_for_names_with_twenty_requests_at_most(
    syncd: Syncd, clinic: VendorAccounts
) -> None:
    for number in range(30):
        clinic.book(f"Visit {number}", hours=number)
    assert syncd("setup").code == 0
    assert syncd("--sync-now").code == 0
    clinic.world.reset_requests()
    code, _ = on_terminal(clinic.folder, "history")
    assert (code, 0 < len(clinic.world.requests) <= 20) == (0, True)


def test_no_color_is_neither_coloured_nor_bold(busy: VendorAccounts) -> None:
    for screen in ("plan", "held", "link list"):
        _, told = on_terminal(busy.folder, *screen.split(), "-q", env={"NO_COLOR": "1"})
        assert set(re.findall(r"\x1b\[([0-9;]*)m", told)) <= {"", "0"}, screen


def test_a_plan_of_a_paused_link_is_shown_with_paused_above(
    syncd: Syncd, busy: VendorAccounts
) -> None:
    assert syncd("link", "pause", "clinic").code == 0
    told = syncd("plan")
    assert (told.code, told.out.splitlines()[0].startswith("clinic: paused; ")) == (0, True)
    assert "Another name" in told.out
    assert syncd("--sync-now").out.startswith("clinic: paused, and left out")
    assert busy.hubspot.records()


def test_an_undo_asks_at_a_terminal_and_no_changes_nothing(
    syncd: Syncd, busy: VendorAccounts
) -> None:
    assert syncd("--sync-now").code == 0
    (event,) = (each.id for each in busy.ghl.appointments if each.title == "Another name")
    code, told = on_terminal(busy.folder, "undo", event, typed=b"n\n")
    text = "\n".join(seen(told))
    assert (code, "nothing was changed" in text, "Put this back?" in text) == (0, True, True)
    code, _ = on_terminal(busy.folder, "undo", event, "--wait", typed=b"y\n")
    assert (code, busy.ghl.get(event).title) == (0, "A long consultation about it all")
