"""The two ways that a message takes: an HTTP POST, and a program's standard input.

`desk` makes one per link and sends through it. A channel that fails says why
in words that hold no address, and never raises anything else.
"""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Protocol

import syncd

PATIENCE = 10.0
"""Seconds for which a webhook may take its time."""

RUN_LIMIT = 30.0
"""Seconds for which a command may run."""

LAST_WORDS = 200
"""Characters of a command's complaint that are kept."""

PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER", "XDG_RUNTIME_DIR")
"""What a command sees of our environment, which may hold both vendors' tokens."""


class Undelivered(Exception):  # noqa: N818 - a state of the message, and no bug
    """Nobody took the message; it is tried again."""


class Channel(Protocol):
    """A way to people."""

    def send(self, body: Mapping[str, object]) -> None:
        """Hand the message over.

        Raises:
            Undelivered: it was not taken, as far as we know.
        """
        ...


class Webhook:
    """Posts the message as JSON; any answer of 200 to 299 means that it was taken."""

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, body: Mapping[str, object]) -> None:
        """Post it once; what the answer says beyond its status is not read."""
        import httpx

        headers = {
            "User-Agent": f"syncd/{syncd.__version__}",
            "Idempotency-Key": str(body.get("id", "")),
        }
        try:
            with (
                httpx.Client(timeout=PATIENCE, verify=_tls()) as client,
                client.stream("POST", self._url, json=dict(body), headers=headers) as answer,
            ):
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

    def send(self, body: Mapping[str, object]) -> None:
        """Run it once, in a process group of its own, without our tokens."""
        try:
            process = subprocess.Popen(  # noqa: S603 - the configuration names the program
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=self._env,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise Undelivered(f"the command cannot be run: {reason}") from error
        self._converse(process, json.dumps(body).encode())

    def _converse(self, process: subprocess.Popen[bytes], told: bytes) -> None:
        try:
            _, complaint = process.communicate(told, timeout=RUN_LIMIT)
        except subprocess.TimeoutExpired as error:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise Undelivered(f"the command took longer than {RUN_LIMIT:g} s") from error
        if process.returncode:
            words = " ".join(complaint.decode(errors="replace").split())[-LAST_WORDS:]
            said = f": {words}" if words else ""
            raise Undelivered(f"the command ended with {process.returncode}{said}")


__all__ = ["Channel", "Command", "Undelivered", "Webhook"]
