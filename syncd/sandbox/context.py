"""The shared context of a world's parts: clock, ids, settings and lock.

Made by `world.SandboxWorld`, one per side: the vendors' clocks may disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from threading import RLock

    from syncd.sandbox.announcing.announcer import Announcer
    from syncd.sandbox.ids import Ids
    from syncd.sandbox.settings import SandboxSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxContext:
    """One side's clock, and the shared parts."""

    now: Callable[[], datetime]
    ids: Ids
    settings: Callable[[], SandboxSettings]
    lock: RLock
    announcer: Announcer
