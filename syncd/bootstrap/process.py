"""The daemon's use of the operating system: environment, journal, immediate exit."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import NoReturn


def environment() -> Mapping[str, str]:
    """The environment of the process."""
    return os.environ


def process_number() -> int:
    """The number of the process."""
    return os.getpid()


def writes_to_journal(env: Mapping[str, str]) -> bool:
    """Whether stderr goes to systemd's journal: $JOURNAL_STREAM names it (systemd.exec(5))."""
    try:
        where = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return env.get("JOURNAL_STREAM", "") == f"{where.st_dev}:{where.st_ino}"


def leave_at_once(code: int) -> NoReturn:
    """End the process without waiting for a thread that hangs; locks end with it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
