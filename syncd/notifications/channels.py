"""The channels of a message: an HTTP POST, a program's standard input, and Apprise.

`notifier` makes one for each message and sends through it. A channel that fails
raises `Undelivered`, whose text contains no address, and never anything else.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from time import monotonic  # noqa: TID251 - a program of somebody's knows the real time only
from typing import Protocol

import syncd
from syncd.notifications import apprise_send
from syncd.ports.clock import Clock
from syncd.providers.deadlines import Deadline, watch

WEBHOOK_TIMEOUT = 10.0
"""Seconds for a webhook, its answer included."""

COMMAND_TIMEOUT = 30.0
"""Seconds for a command."""

STOP_GRACE = 1.0
"""Seconds left for a channel when the process is asked to stop: the message is sent again."""

POLL_SECONDS = 0.1
"""Seconds between two checks whether a command has ended, or has to."""

PIPE_CHUNK = 65_536

ERROR_CHARS = 200
"""Characters that are kept of a command's error output."""

COMMAND_ENV = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER", "XDG_RUNTIME_DIR")
"""The environment variables of a command; others may hold both vendors' tokens."""

APPRISE_ENV = (
    *COMMAND_ENV,
    *("PYTHONPATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *(f"{each}_proxy" for each in ("http", "https", "all", "no")),
    *(f"{each}_PROXY" for each in ("HTTP", "HTTPS", "ALL", "NO")),
)
"""The environment variables of Apprise: also those for the network."""


class Undelivered(Exception):  # noqa: N818 - a state of the message, and no bug
    """The message was not delivered; it is tried again."""


class Channel(Protocol):
    """A way to send messages to people."""

    def send(self, body: Mapping[str, object], stopping: Callable[[], bool] = bool) -> None:
        """Send the message; once the process is `stopping`, within `STOP_GRACE`.

        Raises:
            Undelivered: there is no proof that it was delivered.
        """
        ...


class Webhook:
    """Posts the message as JSON; any answer of 200 to 299 means that it was delivered."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url, self._clock = url, clock

    def send(self, body: Mapping[str, object], stopping: Callable[[], bool] = bool) -> None:
        """Post it once; only the status of the answer is read."""
        import httpx

        headers = {
            "User-Agent": f"syncd/{syncd.__version__}",
            "Idempotency-Key": str(body.get("id", "")),
        }
        allowance = Deadline(self._clock, stopping)
        try:
            with (
                httpx.Client(timeout=WEBHOOK_TIMEOUT, verify=_tls()) as client,
                allowance.of(WEBHOOK_TIMEOUT),
            ):
                watch(client, allowance)
                with client.stream("POST", self._url, json=dict(body), headers=headers) as answer:
                    status = answer.status_code
        except httpx.TimeoutException as error:
            raise Undelivered(f"the webhook did not answer within {WEBHOOK_TIMEOUT:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
            # The library's error text may contain the address.
            raise Undelivered(
                f"the webhook cannot be reached ({type(error).__name__}): check its address"
            ) from error
        if not 200 <= status < 300:
            raise Undelivered(f"the webhook answered {status}: check its address")


@cache
def _tls() -> ssl.SSLContext:
    # Building one costs 70 ms: once per process.
    return ssl.create_default_context()


class Command:
    """Runs a program that reads the message; exit code 0 means that it was delivered."""

    def __init__(self, args: Sequence[str], env: Mapping[str, str]) -> None:
        self._args = list(args)
        self._env = {name: env[name] for name in COMMAND_ENV if name in env}

    def send(self, body: Mapping[str, object], stopping: Callable[[], bool] = bool) -> None:
        """Run it once, in a process group of its own, without our tokens."""
        code, errors = _run("the command", self._args, self._env, body, stopping)
        if code:
            raise Undelivered(f"the command ended with {code}{errors}")


class Apprise:
    """Sends the message's text through Apprise, to the service that the address names.

    Apprise runs in a separate process: see `apprise_send`.
    """

    _PROGRAM = (sys.executable, "-P", str(Path(apprise_send.__file__)))

    def __init__(self, url: str, env: Mapping[str, str]) -> None:
        self._url = url
        self._env = {name: env[name] for name in APPRISE_ENV if name in env}

    def send(self, body: Mapping[str, object], stopping: Callable[[], bool] = bool) -> None:
        """Send it once: the first line of its text is the title."""
        title, _, rest = str(body["text"]).partition("\n")
        kind = _KINDS.get(str(body.get("event")), "warning")
        message = {"url": self._url, "title": title, "body": rest or title, "type": kind}
        code, errors = _run("Apprise", self._PROGRAM, self._env, message, stopping)
        if code == apprise_send.UNKNOWN_SERVICE:
            raise Undelivered("Apprise knows no service with such an address: check its form")
        if code:
            raise Undelivered(f"Apprise could not deliver it{errors}: check the address")


_KINDS = {"link_broken": "failure", "link_recovered": "success", "test": "info"}
"""The type that Apprise shows for an event; every other event is a warning."""


def _run(
    name: str,
    args: Sequence[str],
    env: Mapping[str, str],
    body: Mapping[str, object],
    stopping: Callable[[], bool],
) -> tuple[int, str]:
    """Run a program that reads a message; returns its exit code, and `: ` with its error output.

    Raises:
        Undelivered: it cannot be run, or took too long.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - the configuration names the program
            args,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=env,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise Undelivered(f"{name} cannot be run: {reason}") from error
    with _ended(process):
        errors = _communicate(name, process, json.dumps(body).encode(), stopping)
    shown = " ".join(errors.decode(errors="replace").split())[-ERROR_CHARS:]
    return process.returncode, f": {shown}" if shown else ""


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """After the block the command and its children have ended, whatever happened in it.

    A child in its own session is not found; the pipes that it holds open are not waited for.
    """
    try:
        yield
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        for pipe in (process.stdin, process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_GRACE)


def _communicate(
    name: str, process: subprocess.Popen[bytes], message: bytes, stopping: Callable[[], bool]
) -> bytes:
    """Write the message to the program, and return the end of its error output.

    It ends with the command itself, even if another process still holds its pipes.

    Raises:
        Undelivered: it took too long.
    """
    stdin, stderr = process.stdin, process.stderr
    assert stdin is not None  # noqa: S101 - both are pipes
    assert stderr is not None  # noqa: S101 - see above
    output, left = b"", COMMAND_TIMEOUT
    with selectors.DefaultSelector() as pipes:
        for pipe, event in ((stdin, selectors.EVENT_WRITE), (stderr, selectors.EVENT_READ)):
            os.set_blocking(pipe.fileno(), False)
            pipes.register(pipe, event)
        began = monotonic()
        while True:
            ended = process.poll() is not None
            ready = pipes.select(0 if ended else POLL_SECONDS)
            for key, _ in ready:
                if key.fileobj is stdin:
                    message = _write(stdin.fileno(), message)
                    if not message:
                        pipes.unregister(stdin)
                        stdin.close()
                elif piece := _read(stderr.fileno()):
                    output = (output + piece)[-4 * ERROR_CHARS :]
                elif piece is not None:
                    pipes.unregister(stderr)
            if ended:
                return output
            passed = monotonic() - began
            if stopping():
                left = min(left, passed + STOP_GRACE)
            if passed >= left:
                raise Undelivered(f"{name} took longer than {COMMAND_TIMEOUT:g} s")


def _write(pipe: int, message: bytes) -> bytes:
    """The rest of the message; empty if the program does not read it."""
    try:
        return message[os.write(pipe, message[:PIPE_CHUNK]) :]
    except BlockingIOError:
        return message
    except OSError:
        return b""


def _read(pipe: int) -> bytes | None:
    """A piece of its output; empty at the end, None if there is none yet."""
    try:
        return os.read(pipe, PIPE_CHUNK)
    except BlockingIOError:
        return None
    except OSError:
        return b""


__all__ = ["Apprise", "Channel", "Command", "Undelivered", "Webhook"]
