"""Reports the daemon's state to the service manager (sd_notify(3)).

The daemon calls it; without a `NOTIFY_SOCKET` nothing is sent. Ten lines stand
here because a library for them would need a C library.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Self

PATIENCE = 2.0
"""Seconds for which a message may wait to be delivered."""


class ServiceManager:
    """The other end of the notify socket, if there is one."""

    def __init__(self, address: str = "", *, watchdog: float | None = None) -> None:
        self._address = address
        self.watchdog = watchdog
        """Seconds within which `alive` is to be said; None where nobody listens for it."""

    @classmethod
    def of(cls, env: Mapping[str, str], pid: int) -> Self:
        """From the environment that systemd gives; WATCHDOG_PID may name another process."""
        micros = env.get("WATCHDOG_USEC", "")
        meant = env.get("WATCHDOG_PID", "") in {"", str(pid)}
        watchdog = int(micros) / 1e6 if micros.isdecimal() and int(micros) and meant else None
        return cls(env.get("NOTIFY_SOCKET", ""), watchdog=watchdog)

    def ready(self) -> None:
        """The store is migrated and the links are checked."""
        self._send("READY=1")

    def reloading(self, monotonic: float) -> None:
        """A new configuration is read; `ready` follows in any case."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={int(monotonic * 1e6)}")

    def status(self, words: str) -> None:
        """One line for `systemctl status`."""
        self._send("STATUS=" + " ".join(words.split()))

    def alive(self) -> None:
        """The watchdog may wait another round."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The daemon drains."""
        self._send("STOPPING=1")

    def _send(self, words: str) -> None:
        if not self._address:
            return
        # A name that begins with @ stands for an abstract socket: its first byte is a zero.
        address = b"\0" + os.fsencode(self._address[1:])
        if not self._address.startswith("@"):
            address = os.fsencode(self._address)
        # A service manager that is gone must not end the service.
        with (
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to,
        ):
            # A manager that does not read must not stop us: the next beat speaks again.
            to.settimeout(PATIENCE)
            to.connect(address)
            to.sendall(words.encode())
