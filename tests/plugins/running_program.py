"""A daemon in its own process: its log, its words to the service manager, its HTTP paths.

Nothing sleeps: a test waits for a line of the log, or for a word, both of
which block until they come.
"""

import json
import queue
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from forkserver import Child, ForkServer
from vendor_accounts import VendorAccounts

PATIENCE = 60.0
"""Seconds after which something that a test waits for has failed to come."""


def free_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


class RunningProgram:
    """A daemon, what it logs, and what it tells the service manager."""

    def __init__(
        self,
        clinic: VendorAccounts,
        env: dict[str, str],
        folder: Path,
        forkserver: ForkServer,
        start: Callable[..., Child | subprocess.Popen[str]] | None = None,
    ) -> None:
        self.clinic, self.env, self._forkserver = clinic, env, forkserver
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(folder / "notify"))
        self.notify.settimeout(PATIENCE)
        self.heard: list[str] = []
        """Every line of its log so far."""
        self.process = self._start(folder, start or forkserver.start)

    def _start(
        self, folder: Path, start: Callable[..., Child | subprocess.Popen[str]]
    ) -> Child | subprocess.Popen[str]:
        process = start(
            "run",
            cwd=self.clinic.folder,
            env=self.env | {"NOTIFY_SOCKET": str(folder / "notify")},
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        # A pipe that nobody empties would stop the daemon.
        threading.Thread(target=self._read, args=(process.stderr,), daemon=True).start()
        return process

    def _read(self, stream: Iterable[str]) -> None:
        for line in stream:
            self.heard.append(line)
            self._lines.put(line)

    def until(self, event: str, fits: Callable[[Any], bool] = lambda _: True) -> Any:
        """The next line of the log with this event that fits."""
        while True:
            line = self._lines.get(timeout=PATIENCE)
            found = json.loads(line) if line.startswith("{") else {"event": line}
            if found["event"] == event and fits(found):
                return found

    def told(self, word: str) -> str:
        """The next word to the service manager that begins so."""
        while True:
            said = self.notify.recv(4096).decode()
            if said.startswith(word):
                return said

    def ask(self, path: str) -> tuple[int, str]:
        """Status and body of one of its HTTP paths."""
        port = int(self.env["SYNCD_HTTP__LISTEN"].rpartition(":")[2])
        connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def verb(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run a verb beside it."""
        return self._forkserver.run(*args, cwd=self.clinic.folder, env=self.env)

    def end(self) -> None:
        """Make sure that it is gone."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        self.notify.close()
