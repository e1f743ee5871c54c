"""Which process holds a link, in words for a person, and whether it is provably dead.

`leases` writes it down with the lease; `Store.holder` and refused commits read it.
A process is named by its machine, its number and when it started, so that a
number that was given again is not taken for the old process.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process that works, or worked, on a link."""

    verb: str
    """The command: run, sync-now, …"""
    pid: int
    host: str
    machine: str = ""
    """This boot of this machine, and this container of it; "" where that cannot be told."""
    started: str = ""
    """When the process started, in the kernel's count; "" where that cannot be told."""
    since: str
    """When it took the link, ISO 8601 UTC."""

    def __str__(self) -> str:
        """For a message: "syncd run, process 4711 on host web1, since …"."""
        return f"syncd {self.verb}, process {self.pid} on host {self.host}, since {self.since}"

    @property
    def is_here(self) -> bool:
        """Whether it is, or was, a process of this machine, so that we can tell if it lives.

        Machines and containers may share a name, so that a name alone tells nothing. Where
        two started from one image of a running machine only the name differs.
        """
        return self.machine == _machine() != "" and self.host == platform.node()

    @property
    def may_be_here(self) -> bool:
        """The same, where a machine without an identity is told by its name alone."""
        if self.machine and _machine():
            return self.is_here
        return self.host == platform.node()

    @property
    def is_dead(self) -> bool:
        """Whether it is known to be gone; of another machine's process nothing is known."""
        if not self.is_here:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        fields = _fields(self.pid)
        if not fields:
            # Another user's, which hidepid or ProtectProc= hides (proc(5)): it is there.
            return False
        # One that ended and that nobody asked for its end yet still has its number.
        return self.started != _start(fields) or fields[0] == "Z"

    @property
    def is_stopped(self) -> bool:
        """Whether it is a process of this machine that a signal stopped (proc(5): state T)."""
        return self.is_here and _fields(self.pid)[:1] in (["T"], ["t"])


NOBODY = Holder(verb="", pid=0, host="", since="")
"""In place of a holder that cannot be read."""


def this_process(verb: str, now: datetime) -> Holder:
    """The process that runs this, as a holder."""
    pid = os.getpid()
    host, machine, started = _what_stays(pid)
    return Holder(
        verb=verb,
        pid=pid,
        host=host,
        machine=machine,
        started=started,
        since=now.isoformat(timespec="seconds"),
    )


@cache
def _what_stays(pid: int) -> tuple[str, str, str]:
    """Of this process, whatever it holds: host, machine and start; a fork has another number."""
    return platform.node(), _machine(), _start(_fields(pid))


def write(holder: Holder) -> dict[str, Any]:
    """A holder as JSON."""
    return asdict(holder)


def read(stored: Mapping[str, Any] | None) -> Holder | None:
    """The holder that `write` was given; unknown keys are passed over."""
    if not stored:
        return None
    return Holder(
        verb=stored.get("verb", "run"),
        pid=stored.get("pid", 0),
        host=stored.get("host", ""),
        machine=stored.get("machine", ""),
        started=stored.get("started", ""),
        since=stored.get("since", ""),
    )


def read_holder(connection: Connection, link_id: int) -> str:
    """Who holds a link, or held it last, in words for a message."""
    from sqlalchemy import select

    from syncd.store.tables import link as table

    stored = connection.execute(select(table.c.holder).where(table.c.id == link_id)).scalar()
    return str(read(stored) or "a process that has not written its name yet")


def _machine() -> str:
    """This boot and this process namespace: numbers mean the same only within both."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def _start(fields: list[str]) -> str:
    """The 22nd field of /proc/PID/stat, given those from the third on."""
    return fields[19] if len(fields) > 19 else ""


def _fields(pid: int) -> list[str]:
    """Those of /proc/PID/stat (proc(5)) from the third on; the second may hold blanks."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return stat.rpartition(")")[2].split()
