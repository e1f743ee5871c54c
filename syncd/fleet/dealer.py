"""The share of a process whose links procrastinate deals out, in shards.

Each shard is one job row for ever. A worker that fetches it holds the shard
until it is given back, refused or its worker dies; every end goes through
procrastinate's own retry, and nothing ever finishes. No job has
its queueing lock: together with a lock it leaves jobs behind that nobody ever
runs (procrastinate issues 1446, 1543, 1432). The rescue of what dead workers
hold is its documented periodic task, without any lock (1408).

The worker runs in a thread of its own, with its own event loop. What procrastinate
says of who runs a job, and what this process believes, are compared every few
seconds; where they differ, and after the process stood still, the worker is
given up and another one begins with nothing.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog
from procrastinate import App, JobContext, RetryDecision
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from procrastinate.retry import BaseRetryStrategy
from procrastinate.utils import utcnow
from procrastinate.worker import Worker

from syncd.errors import StoreError
from syncd.fleet.connector import PatientConnector
from syncd.fleet.peers import Peers
from syncd.fleet.shards import SHARDS, may_take, shard_of, to_give
from syncd.fleet.tables import MAKE_SHARDS, QUEUE, RESCUE, TASK

if TYPE_CHECKING:
    from syncd.ports.clock import Clock

log = structlog.get_logger(__name__)

HEARTBEAT = 3.0
"""Seconds between a worker's heartbeats."""

STALLED = 15.0
"""Seconds without one after which a worker's shards are rescued."""

FETCHED_EVERY = 0.5
"""Seconds between looks for a shard that is free."""

FETCHED_BY_THE_RICH_EVERY = 1.0
"""The same for a process that would refuse it."""

BALANCED_EVERY = 1.0
COMPARED_EVERY = 5.0

STOOD_STILL = 12.0
"""Seconds that a process may stand still before its worker is given up: a little less than it takes
others to rescue its shards."""

_REFUSED_FOR = 0.1, 0.3
"""Seconds for which a refused shard waits for somebody else: at least, and at most."""

_GIVING = 2.0
"""Seconds for all shards to be given back at the end."""

_LOOKED_EVERY = 0.25
_HOUR, _TIDY = 3600, 2

_RESCUED = "* * * * * */2"
"""Every two seconds: the sixth field is croniter's."""

_CLEAR = "DELETE FROM fleet_events WHERE at < now() - interval '1 day'"


class Refused(Exception):  # noqa: N818
    """This process has enough; somebody else is to take the shard."""


class GivenBack(Exception):  # noqa: N818
    """The shard is free for anybody."""


class WorkerGivenUp(Exception):  # noqa: N818
    """What it holds is left to the rescue, and another worker begins with nothing."""


class _Again(BaseRetryStrategy):
    """No job of ours ever ends."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        """Soon, for somebody else to fetch it."""
        del job
        if isinstance(exception, GivenBack | asyncio.CancelledError):
            return RetryDecision(retry_at=utcnow())
        wait = random.uniform(*_REFUSED_FOR)
        return RetryDecision(retry_in={"milliseconds": round(1000 * wait)})


class Dealer:
    """`scheduler.ports.Share`: the links of the shards that this process holds."""

    stands_by = False

    def __init__(
        self,
        conninfo: str,
        peers: Peers,
        clock: Clock,
        accounts: Callable[[], Mapping[str, str]],
    ) -> None:
        """`accounts` gives the account of every configured link."""
        self._conninfo, self._clock = conninfo, clock
        self._deck = Deck(peers, accounts)
        self._held: Mapping[int, object] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to take shards."""
        # What its log tells is in ours; an error in it is one that we meet ourselves.
        logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)
        self._thread.start()

    def names(self) -> frozenset[str]:
        """The links that this process may hold now."""
        return self._deck.names(frozenset(self._held))

    def stop(self) -> None:
        """Give every shard back; waits a moment for it."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_GIVING)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._deck.learn()
                asyncio.run(self._work())
            except WorkerGivenUp as why:
                log.warning("fleet.worker_given_up", detail=str(why))
            except StoreError as error:
                log.warning("fleet.not_begun", detail=str(error))
                self._stopping.wait(1.0)
            except Exception:
                log.exception("fleet.worker_failed")
                self._stopping.wait(2.0)
            finally:
                self._held = {}

    async def _work(self) -> None:
        """One worker, from its registration to its end."""
        session = Session(self._conninfo, self._deck, self._clock, self._stopping.is_set)
        self._held = session.held
        try:
            await session.run()
        finally:
            self._held = {}


class Deck:
    """Which links there are to deal, in which shards, and who else takes part."""

    def __init__(self, peers: Peers, accounts: Callable[[], Mapping[str, str]]) -> None:
        self._peers, self._accounts = peers, accounts
        self._known: frozenset[str] = frozenset()
        self._shards: dict[int, frozenset[str]] = {}
        """The links of each shard; only those that everybody knows."""
        self._alone: frozenset[str] = frozenset()
        """Links that only some know, and nobody older than we do: no shard says whose they are."""
        self._uncommon: frozenset[str] = frozenset()

    def learn(self) -> None:
        """Follow the configuration, and what was learned of accounts.

        Raises:
            StoreError: the store cannot be used.
        """
        found: dict[int, set[str]] = {}
        accounts = self._accounts()
        for name, account in accounts.items():
            if name not in self._uncommon:
                found.setdefault(shard_of(account), set()).add(name)
        self._known = frozenset(accounts)
        self._shards = {shard: frozenset(names) for shard, names in found.items()}

    def names(self, held: Collection[int]) -> frozenset[str]:
        """The links of these shards, and those of no shard that are ours."""
        return self._alone.union(*(self._shards.get(shard, frozenset()) for shard in held))

    def weigh(self, shards: Collection[int]) -> dict[int, int]:
        """How many links each of these shards has."""
        return {shard: len(self._shards.get(shard, ())) for shard in shards}

    def look_around(self, share: int) -> tuple[list[int], int]:
        """The shares of all other living processes, and how many links there are to deal.

        Raises:
            StoreError: the store cannot be used.
        """
        me, peers = self._peers.me, list(self._peers.peers(share))
        lists = [self._known if peer.knows is None else peer.knows for peer in peers]
        common = self._known.intersection(*lists)
        older = [names for peer, names in zip(peers, lists, strict=True) if peer.id < me]
        uncommon = self._known - common
        self._alone = uncommon.difference(*older) if me else frozenset()
        if uncommon != self._uncommon:
            self._uncommon = uncommon
            self.learn()
        return [peer.share for peer in peers if peer.id != me], len(common)

    @property
    def me(self) -> int:
        """The number of this process among the others; 0 while it is none of them."""
        return self._peers.me

    @property
    def is_steady(self) -> bool:
        """Whether the database was heard for a while."""
        return self._peers.is_steady


class Session:
    """One worker, from its registration to its end."""

    def __init__(
        self, conninfo: str, deck: Deck, clock: Clock, stopping: Callable[[], bool]
    ) -> None:
        self._conninfo, self._deck, self._clock = conninfo, deck, clock
        self._stopping = stopping
        self.held: dict[int, asyncio.Event] = {}
        """Each shard that is ours, and what is set for it to be given back."""
        self._jobs: dict[int, int] = {}
        """The job of each of them."""
        self._strays: frozenset[int] = frozenset()
        """Jobs that were ours at the last comparison, though nobody works on them."""
        self._worker: Worker | None = None
        self._worker_id: int | None = None
        self._taking = asyncio.Lock()
        self._connector = PatientConnector(conninfo, self.interrupted)
        self._broken_at = float("-inf")

    async def run(self) -> None:
        """Take and give back shards until the process is to stop.

        Raises:
            WorkerGivenUp: what the worker holds may be others' by now.
            StoreError: our own store failed.
        """
        connector = self._connector
        app = App(connector=connector)
        app.task(name=TASK, queue=QUEUE, retry=_Again(), pass_context=True)(self._hold)
        rescue = app.task(name=RESCUE, queue=RESCUE, priority=10, pass_context=True)(self._rescue)
        app.periodic(cron=_RESCUED)(rescue)
        self._worker = Worker(
            app,
            concurrency=SHARDS + 16,
            fetch_job_polling_interval=FETCHED_EVERY,
            abort_job_polling_interval=30.0,
            shutdown_graceful_timeout=_GIVING,
            listen_notify=False,
            delete_jobs="successful",
            install_signal_handlers=False,
            update_heartbeat_interval=HEARTBEAT,
            stalled_worker_timeout=4 * STALLED,
        )
        running = asyncio.create_task(self._worker.run())  # type: ignore[no-untyped-call]
        try:
            await self._mind(self._worker, app.job_manager, running)
        except BaseException:
            # Nothing of what is cancelled now is written down: it may be others' by now.
            connector.end()
            raise
        finally:
            running.cancel()
            await asyncio.wait({running})
            await connector.close_async()
            await self._free()

    async def _free(self) -> None:
        """Free what procrastinate still takes for ours; the rescue does where we cannot."""
        connector = PatientConnector(self._conninfo, lambda: None)
        manager = App(connector=connector).job_manager
        try:
            async with asyncio.timeout(_GIVING):
                for job_id in await self._jobs_of_ours(manager):
                    await manager.retry_job_by_id_async(job_id, retry_at=utcnow())
        except (TimeoutError, ConnectorException):
            log.info("fleet.left_to_the_rescue")
        finally:
            await connector.close_async()

    async def _jobs_of_ours(self, manager: JobManager) -> frozenset[int]:
        if self._worker_id is None:
            return frozenset()
        found = await manager.list_jobs_async(
            queue=QUEUE, status=Status.DOING.value, worker_id=self._worker_id
        )
        return frozenset(job.id for job in found if job.id)

    def interrupted(self) -> None:
        """The database could not be reached."""
        self._broken_at = self._clock.monotonic()
        if self._stopping():
            self._connector.end()

    # --- the two tasks

    async def _hold(self, context: JobContext, shard: int) -> None:
        """Hold a shard until it is to be given back."""
        async with self._taking:
            if not await self._takes(shard):
                raise Refused
            give = self.held[shard] = asyncio.Event()
            self._jobs[shard] = context.job.id or 0
        try:
            await give.wait()
        finally:
            if self.held.get(shard) is give:
                del self.held[shard], self._jobs[shard]
        raise GivenBack

    async def _takes(self, shard: int) -> bool:
        if self._stopping() or shard in self.held:
            return False
        if not self._deck.weigh([shard])[shard]:
            return True
        mine = sum(self._deck.weigh(self.held).values())
        try:
            others, total = await asyncio.to_thread(self._deck.look_around, mine)
        except StoreError:
            return False
        return bool(self._deck.me) and may_take(mine, others, total=total)

    async def _rescue(self, context: JobContext, timestamp: int) -> None:
        """Free the jobs of workers that give no sign of life, and clear old events away."""
        # After the database was away, everybody's heartbeat is old.
        if self._clock.monotonic() - self._broken_at < STALLED + HEARTBEAT:
            return
        manager = context.app.job_manager
        stalled = list(await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED))
        if stalled:
            log.info("fleet.rescued", jobs=len(stalled))
        for job in stalled:
            with suppress(ConnectorException):  # another rescue was faster
                await manager.retry_job(job)
        if timestamp % _HOUR < _TIDY:
            await context.app.connector.execute_query_async(_CLEAR)
            await context.app.connector.execute_query_async(MAKE_SHARDS)

    # --- minding

    async def _mind(self, worker: Worker, manager: JobManager, running: asyncio.Task[None]) -> None:
        me, last = self._deck.me, self._clock.monotonic()
        balanced = compared = last
        while not self._stopping():
            done, _ = await asyncio.wait({running}, timeout=_LOOKED_EVERY)
            now = self._clock.monotonic()
            if done:
                raise WorkerGivenUp(f"procrastinate's worker ended: {running.exception()!r}")
            if self._worker_id is None and worker.worker_id is not None:
                self._worker_id = worker.worker_id
                await self._inherit(manager)
            if now - last > STOOD_STILL:
                raise WorkerGivenUp(f"the process stood still for {now - last:.0f} s")
            if me and self._deck.me not in {me, 0}:
                raise WorkerGivenUp("the others held this process for dead")
            me, last = self._deck.me or me, now
            if now - balanced >= BALANCED_EVERY:
                balanced = now
                await self._balance(worker)
            if now - compared >= COMPARED_EVERY:
                compared = now
                await self._compare(manager)
            # What took so long was ours to do.
            last = self._clock.monotonic()
        for give in self.held.values():
            give.set()
        await asyncio.sleep(0)

    async def _inherit(self, manager: JobManager) -> None:
        """Free what dead workers hold where nobody else lives, without waiting for the rescue."""
        held = await manager.list_jobs_async(queue=QUEUE, status=Status.DOING.value)
        # Asked after the list: whoever holds one of these jobs and lives is among the others.
        try:
            others, _ = await asyncio.to_thread(self._deck.look_around, 0)
        except StoreError:
            return
        if others or not self._deck.me or not self._deck.is_steady:
            return
        ours = await self._jobs_of_ours(manager)
        for job_id in {job.id for job in held if job.id} - ours:
            await manager.retry_job_by_id_async(job_id, retry_at=utcnow())

    async def _balance(self, worker: Worker) -> None:
        """Give back what others should have; who has enough leaves the fetching to them."""
        held = self._deck.weigh(self.held)
        mine = sum(held.values())
        try:
            others, total = await asyncio.to_thread(self._deck.look_around, mine)
        except StoreError:
            return
        wants = may_take(mine, others, total=total)
        worker.fetch_job_polling_interval = FETCHED_EVERY if wants else FETCHED_BY_THE_RICH_EVERY
        if not self._deck.is_steady or not self._deck.me:
            return
        settled = mine + sum(others) >= total
        chance = random.random()
        for shard in to_give(held, others, total=total, settled=settled, chance=chance):
            if shard in self.held:
                self.held[shard].set()

    async def _compare(self, manager: JobManager) -> None:
        """See whether procrastinate says of our worker what we believe."""
        with suppress(StoreError):
            await asyncio.to_thread(self._deck.learn)
        before = dict(self._jobs)
        ours = await self._jobs_of_ours(manager)
        lost = [s for s, job in before.items() if job not in ours and self._jobs.get(s) == job]
        if lost:
            raise WorkerGivenUp(f"{len(lost)} of its shards are others' by now")
        # A job whose fetching was not answered is nobody's; one that is just ending is ours.
        strays = ours - frozenset(before.values()) - frozenset(self._jobs.values())
        for job_id in strays & self._strays:
            await manager.retry_job_by_id_async(job_id, retry_at=utcnow())
        self._strays = strays


__all__ = ["Dealer"]
