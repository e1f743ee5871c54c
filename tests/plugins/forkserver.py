"""The real program in processes of its own, forked from one that has imported it already.

An interpreter that starts and imports takes longer than most commands do, and
the acceptance tests start hundreds of them. So one process per test session
imports everything, and each program is a fork of it that takes up its own
folder, environment and streams, and goes on as `syncd ARGS…` does. It has a
process id, memory, locks and signals of its own, and can be killed. Its end is that of
an interpreter, too: threads, exit handlers, streams; only what it imported is
not taken apart again, which takes longer than most commands do. What is about
the start itself (encodings, the installed command) uses `program`, which
begins with an interpreter.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn, Self

import program

LARGEST_ORDER = 1 << 18
"""Bytes of a message: arguments, folder and environment."""

BESIDE = ("alembic.command", "psycopg", "rich.progress", "sqlalchemy.dialects.postgresql.psycopg")
"""What some commands import besides syncd's own modules."""


class Child:
    """A program that runs: what `subprocess.Popen` shows of one, with streams of text."""

    def __init__(self, args: Sequence[str], pid: int, out: int, err: int, end: int) -> None:
        self.args, self.pid = list(args), pid
        self.stdout: IO[str] = os.fdopen(out, encoding="utf-8")
        self.stderr: IO[str] = os.fdopen(err, encoding="utf-8")
        self.returncode: int | None = None
        self._end: IO[str] = os.fdopen(end, encoding="utf-8")

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended.

        Raises:
            subprocess.TimeoutExpired: it still runs after so many seconds.
        """
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Everything that it writes until it ends; raises as `wait` does."""
        said = ["", ""]

        def read(number: int, stream: IO[str]) -> None:
            with stream:
                said[number] = stream.read()

        readers = [
            threading.Thread(target=read, args=each, daemon=True)
            for each in enumerate((self.stdout, self.stderr))
        ]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:
            reader.join()
        return said[0], said[1]

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.wait()
        for stream in (self.stdout, self.stderr, self._end):
            stream.close()

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._end, selectors.EVENT_READ)
                if not selector.select(timeout):
                    return None
            with self._end:
                self.returncode = int(self._end.read())
        return self.returncode


class ForkServer:
    """The process that has imported everything, and the way to have it fork."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._parent = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                env=program.environment(),
                pass_fds=[theirs.fileno()],
            )
        self._one_at_a_time = threading.Lock()

    def start(self, *args: str, cwd: Path, env: Mapping[str, str]) -> Child:
        """Start `syncd ARGS…`."""
        command = json.dumps({"args": args, "cwd": str(cwd), "env": dict(env)}).encode()
        pipes = [os.pipe() for _ in range(3)]
        with self._one_at_a_time:
            socket.send_fds(self._line, [command], [write for _, write in pipes])
            pid = int(self._line.recv(32))
        for _, write in pipes:
            os.close(write)
        return Child(args, pid, *(read for read, _ in pipes))

    def run(
        self, *args: str, cwd: Path, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run `syncd ARGS…` to its end."""
        with self.start(*args, cwd=cwd, env=env) as child:
            try:
                out, err = child.communicate(timeout=90)
            except subprocess.TimeoutExpired:
                child.kill()
                raise
        return subprocess.CompletedProcess(child.args, child.wait(), out, err)

    def close(self) -> None:
        """End it; what it has forked goes on."""
        self._line.close()
        self._parent.wait(60)


# --- the process that forks


def _serve(line: socket.socket) -> dict[str, Any] | None:
    """Fork at each order; gives the order in the process that is to carry it out."""
    running: dict[int, int] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(line, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not line:
                    _bury(selector, key.fd, key.data, running.pop(key.fd))
                    continue
                command, fds, _, _ = socket.recv_fds(line, LARGEST_ORDER, 3)
                if not command:
                    return None
                out, err, end = fds
                pid = os.fork()
                if not pid:
                    for fd in (end, *running, *running.values()):
                        os.close(fd)
                    line.close()
                    given: dict[str, Any] = json.loads(command)
                    return given | {"out": out, "err": err}
                os.close(out)
                os.close(err)
                watched = os.pidfd_open(pid)
                running[watched] = end
                selector.register(watched, selectors.EVENT_READ, pid)
                line.send(str(pid).encode())


def _bury(selector: selectors.BaseSelector, watched: int, pid: int, end: int) -> None:
    """Tell how it ended, as `subprocess` counts: a signal's number is negative."""
    _, status = os.waitpid(pid, 0)
    selector.unregister(watched)
    os.close(watched)
    with suppress(BrokenPipeError):  # Perhaps nobody waits for it any more.
        os.write(end, str(os.waitstatus_to_exitcode(status)).encode())
    os.close(end)


def _become(command: dict[str, Any]) -> None:
    """Take up the folder, the environment and the streams of the program."""
    os.chdir(command["cwd"])
    os.environ.clear()  # noqa: TID251 - the program's own, not the tests'
    os.environ.update(command["env"])  # noqa: TID251 - as above
    nothing = os.open(os.devnull, os.O_RDONLY)
    for fd, number in ((nothing, 0), (command["out"], 1), (command["err"], 2)):
        os.dup2(fd, number)
        os.close(fd)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - until the end
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as above
    sys.stderr = open(  # noqa: SIM115 - as above
        2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False
    )
    sys.argv = ["syncd", *command["args"]]


def _import_everything() -> None:
    import syncd

    for module in pkgutil.walk_packages(syncd.__path__, "syncd."):
        if not module.name.startswith(("syncd.__main__", "syncd.sandbox")):
            importlib.import_module(module.name)
    for name in BESIDE:
        importlib.import_module(name)


class _End:
    """The last exit handler of a program: leaves with its code, before modules are taken apart."""

    code: int | None = None
    """None in the process that forks."""

    def __call__(self) -> None:
        if self.code is None:
            return
        for stream in (sys.stdout, sys.stderr):
            try:
                if not stream.closed:
                    stream.flush()
            except OSError:
                self.code = 120
        os._exit(self.code)


def _go_on(end: _End) -> NoReturn:
    """To the end of this file and of the interpreter, as a program that was started would."""
    from syncd.cli import main

    end.code = 1
    try:
        main()
    except SystemExit as ended:
        end.code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
        raise


def _main() -> None:
    end = _End()
    atexit.register(end)  # The first to be registered is the last to be called.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with socket.socket(fileno=int(sys.argv[1])) as line:
        _import_everything()
        gc.freeze()  # What is imported stays shared between the forks.
        command = _serve(line)
    if command is not None:
        _become(command)
        _go_on(end)


if __name__ == "__main__":
    _main()
