"""What makes the claim loop turn: APScheduler, set up so that no tick is lost or heaped up.

The scheduler starts `Jobs` and gives it jobs by name. A late tick is still a
tick (by default it would be dropped), a missed row of them is one, and a tick
that takes longer than its period is not joined by a second one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    JobEvent,
)
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

log = structlog.get_logger(__name__)

_DEFAULTS = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}

_MISSES = {
    EVENT_JOB_MISSED: "missed",
    EVENT_JOB_MAX_INSTANCES: "late",
    EVENT_JOB_ERROR: "failed",
}


class Jobs:
    """Calls each job again and again, in a thread of its own."""

    def __init__(self, missed: Callable[[str, str], None]) -> None:
        """`missed` is told the job and what befell its tick: missed, late or failed."""
        self._scheduler = BackgroundScheduler(job_defaults=_DEFAULTS, timezone="UTC", executors={})
        self._missed = missed
        mask = 0
        for code in _MISSES:
            mask |= code
        self._scheduler.add_listener(self._told, mask)

    @property
    def running(self) -> bool:
        """Whether the ticks come."""
        return bool(self._scheduler.running)

    def add(self, name: str, work: Callable[[], None], seconds: float) -> None:
        """Have `work` done at once and then every so many seconds."""
        self._scheduler.add_executor(ThreadPoolExecutor(1), name)
        self._scheduler.add_job(work, IntervalTrigger(seconds), id=name, executor=name)

    def pace(self, name: str, seconds: float) -> None:
        """Change how often."""
        self._scheduler.reschedule_job(name, trigger=IntervalTrigger(seconds))

    def now(self, name: str, at: datetime) -> None:
        """Tick out of turn; `at` is the present instant."""
        self._scheduler.modify_job(name, next_run_time=at)

    def by(self, name: str, at: datetime) -> None:
        """Tick at that instant, unless a tick comes before."""
        job = self._scheduler.get_job(name)
        if job is None or (job.next_run_time is not None and job.next_run_time <= at):
            return
        with suppress(JobLookupError):  # The ticks may stop meanwhile.
            self.now(name, at)

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()

    def stop(self) -> None:
        """No more ticks; one that is under way goes on."""
        self._scheduler.shutdown(wait=False)

    def _told(self, event: JobEvent) -> None:
        # APScheduler's own lines are left out of the log: see `observability.logging`.
        if event.code == EVENT_JOB_ERROR:
            log.error("tick.failed", job=event.job_id, exc_info=event.exception)
        self._missed(event.job_id, _MISSES[event.code])


class IntervalTrigger(BaseTrigger):  # type: ignore[misc] # APScheduler 3 has no types
    """At once, and then every `seconds`, only ever looking ahead.

    APScheduler's own interval trigger counts from the last tick, and walks
    through every one that was missed: after the clock of a machine without a
    battery jumps from 1970 to today, that is hours of walking and all memory.
    """

    def __init__(self, seconds: float) -> None:
        self._period = timedelta(seconds=seconds)

    def get_next_fire_time(
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None:
        """The next tick after `now`."""
        return now if previous_fire_time is None else now + self._period
