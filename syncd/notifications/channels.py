"""The ways that a message takes: an HTTP POST, a program's standard input, and Apprise.

`desk` makes one per link and sends through it. A channel that fails says why
in words that hold no address, and never raises anything else.
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

PATIENCE = 10.0
"""Seconds for which a webhook may take its time, its answer included."""

RUN_LIMIT = 30.0
"""Seconds for which a command may run."""

PARTING = 1.0
"""Seconds that a channel has left when the process is asked to stop: the message is sent again."""

_LOOK = 0.1
"""Seconds between two looks whether a command has ended, or is to."""

_PIECE = 65_536

LAST_PROGRAM = 200
"""Characters of a command's complaint that are kept."""

PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER", "XDG_RUNTIME_DIR")
"""What a command sees of our environment, which may hold both vendors' tokens."""

TO_APPRISE = (
    *PASSED_ON,
    *("PYTHONPATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *(f"{each}_proxy" for each in ("http", "https", "all", "no")),
    *(f"{each}_PROXY" for each in ("HTTP", "HTTPS", "ALL", "NO")),
)
"""What Apprise sees of it: the way to the network as well."""


class Undelivered(Exception):  # noqa: N818 - a state of the message, and no bug
    """Nobody took the message; it is tried again."""


class Channel(Protocol):
    """A way to people."""

    def send(self, body: Mapping[str, object], stopping: Callable[[], bool] = bool) -> None:
        """Hand the message over; once the process is `stopping`, within a moment.

        Raises:
            Undelivered: it was not taken, as far as we know.
        """
        ...


class Webhook:
    """Posts the message as JSON; any answer of 200 to 299 means that it was taken."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url, self._clock = url, clock

    def send(self, body: Mapping[str, object], stopping: Callable[[], bool] = bool) -> None:
        """Post it once; what the answer says beyond its status is not read."""
        import httpx

        headers = {
            "User-Agent": f"syncd/{syncd.__version__}",
            "Idempotency-Key": str(body.get("id", "")),
        }
        allowance = Deadline(self._clock, stopping)
        try:
            with httpx.Client(timeout=PATIENCE, verify=_tls()) as client, allowance.of(PATIENCE):
                watch(client, allowance)
                with client.stream("POST", self._url, json=dict(body), headers=headers) as answer:
                    status = answer.status_code
        except httpx.TimeoutException as error:
            raise Undelivered(f"the webhook did not answer within {PATIENCE:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
            # The library's own words may repeat the address.
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
    """Runs a program that reads the message; exit code 0 means that it was taken."""

    def __init__(self, words: Sequence[str], env: Mapping[str, str]) -> None:
        self._words = list(words)
        self._env = {name: env[name] for name in PASSED_ON if name in env}

    def send(self, body: Mapping[str, object], stopping: Callable[[], bool] = bool) -> None:
        """Run it once, in a process group of its own, without our tokens."""
        code, words = _run("the command", self._words, self._env, body, stopping)
        if code:
            raise Undelivered(f"the command ended with {code}{words}")


class Apprise:
    """Sends the message's words through Apprise, to the service that the address names.

    Apprise runs in a process of its own: see `apprise_send`.
    """

    _PROGRAM = (sys.executable, "-P", str(Path(apprise_send.__file__)))

    def __init__(self, url: str, env: Mapping[str, str]) -> None:
        self._url = url
        self._env = {name: env[name] for name in TO_APPRISE if name in env}

    def send(self, body: Mapping[str, object], stopping: Callable[[], bool] = bool) -> None:
        """Send it once: the first line of its text is the title."""
        title, _, rest = str(body["text"]).partition("\n")
        kind = _KINDS.get(str(body.get("event")), "warning")
        message = {"url": self._url, "title": title, "body": rest or title, "type": kind}
        code, words = _run("Apprise", self._PROGRAM, self._env, message, stopping)
        if code == apprise_send.NOT_UNDERSTOOD:
            raise Undelivered("Apprise knows no service with such an address: check its form")
        if code:
            raise Undelivered(f"Apprise could not deliver it{words}: check the address")


_KINDS = {"link_broken": "failure", "link_recovered": "success"}
"""How urgent Apprise shows an event; everything else is a warning."""


def _run(
    name: str,
    words: Sequence[str],
    env: Mapping[str, str],
    body: Mapping[str, object],
    stopping: Callable[[], bool],
) -> tuple[int, str]:
    """Run a program that reads a message; gives its exit code, and `: ` with what it complains of.

    Raises:
        Undelivered: it cannot be run, or took too long.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - the configuration names the program
            words,
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
        complaint = _conversation(name, process, json.dumps(body).encode(), stopping)
    shown = " ".join(complaint.decode(errors="replace").split())[-LAST_PROGRAM:]
    return process.returncode, f": {shown}" if shown else ""


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Whatever happens in the block, the command and its children are gone after it.

    A child in a session of its own is not found; nobody waits for what it holds open.
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
            process.wait(PARTING)


def _conversation(
    name: str, process: subprocess.Popen[bytes], told: bytes, stopping: Callable[[], bool]
) -> bytes:
    """Tell the program the message, and give the end of what it complains of.

    It ends with the command itself, whoever else still holds its pipes.

    Raises:
        Undelivered: it took too long.
    """
    stdin, stderr = process.stdin, process.stderr
    assert stdin is not None  # noqa: S101 - both are pipes
    assert stderr is not None  # noqa: S101 - see above
    heard, left = b"", RUN_LIMIT
    with selectors.DefaultSelector() as pipes:
        for pipe, event in ((stdin, selectors.EVENT_WRITE), (stderr, selectors.EVENT_READ)):
            os.set_blocking(pipe.fileno(), False)
            pipes.register(pipe, event)
        began = monotonic()
        while True:
            ended = process.poll() is not None
            ready = pipes.select(0 if ended else _LOOK)
            for key, _ in ready:
                if key.fileobj is stdin:
                    told = _written(stdin.fileno(), told)
                    if not told:
                        pipes.unregister(stdin)
                        stdin.close()
                elif piece := _read(stderr.fileno()):
                    heard = (heard + piece)[-4 * LAST_PROGRAM :]
                elif piece is not None:
                    pipes.unregister(stderr)
            if ended:
                return heard
            passed = monotonic() - began
            if stopping():
                left = min(left, passed + PARTING)
            if passed >= left:
                raise Undelivered(f"{name} took longer than {RUN_LIMIT:g} s")


def _written(pipe: int, told: bytes) -> bytes:
    """What is left of the message; nothing where nobody reads it."""
    try:
        return told[os.write(pipe, told[:_PIECE]) :]
    except BlockingIOError:
        return told
    except OSError:
        return b""


def _read(pipe: int) -> bytes | None:
    """A piece of what it says; an empty one at the end, None where there is none yet."""
    try:
        return os.read(pipe, _PIECE)
    except BlockingIOError:
        return None
    except OSError:
        return b""


__all__ = ["Apprise", "Channel", "Command", "Undelivered", "Webhook"]
