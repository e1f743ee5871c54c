"""Members of a PostgreSQL store: one owner per link, whoever sleeps, dies and wakes."""

import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import timedelta

import pytest
from other_process import Instance
from postgres_server import PostgresServer
from sqlalchemy import event, text
from stores import StandingClock

from syncd.errors import LinkLocked, StoreError, StoreInterrupted
from syncd.store import Store, open_engine
from syncd.store import holder as holders
from syncd.store.leases import Lease
from syncd.store.members import BEAT, LEASE, STOPS_AFTER, Card, Members, differing

pytestmark = pytest.mark.postgres

Open = Callable[..., Store]


@pytest.fixture
def another(postgres_store_url: str) -> Iterator[Open]:
    """The same store as one more program opens it, with a clock of its own unless given."""
    with ExitStack() as stack:

        def opened(clock: StandingClock | None = None) -> Store:
            return stack.enter_context(
                Store(open_engine(postgres_store_url), clock or StandingClock())
            )

        yield opened


@pytest.fixture
def first(another: Open, standing_clock: StandingClock) -> Store:
    return another(standing_clock)


@pytest.fixture
def second(another: Open) -> Store:
    return another()


def members(store: Store) -> Members:
    assert store.members is not None
    return store.members


def run(store: Store, statement: str, **values: object) -> None:
    with store._database.engine.begin() as connection:
        connection.execute(text(statement), values)


def pass_time(store: Store, seconds: float) -> None:
    """Have every lease end sooner, as if so much time had passed in the database."""
    run(
        store,
        "UPDATE member SET lease_until = lease_until - make_interval(secs => :s)",
        s=seconds,
    )


def go_elsewhere(store: Store) -> None:
    """Make all members processes of another machine, of which nothing is known."""
    run(
        store,
        "UPDATE member SET holder = replace(holder, :here, :there)",
        here='"machine":"',
        there='"machine":"elsewhere',
    )


@contextmanager
def statements(store: Store) -> Iterator[list[str]]:
    """The statements that a store sends meanwhile."""
    seen: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        seen.append(statement)

    event.listen(store._database.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(store._database.engine, "before_cursor_execute", note)


def test_a_confirmed_lease_is_checked_without_a_statement(first: Store) -> None:
    with first.acquire("clinic", "run") as lease, statements(first) as sent:
        for _ in range(3):
            lease.check()
            lease.renew()
    assert sent == []


def test_many_links_are_taken_with_one_statement_and_kept_with_one(first: Store) -> None:
    names = [f"link_{number}" for number in range(100)]
    taken, _ = first.acquire_all(names, "run")
    first.release_all(taken.values())
    with statements(first) as sent:
        taken, refused = first.acquire_all(names, "run")
    assert (len(taken), refused, len(sent)) == (100, {}, 1)
    with statements(first) as sent:
        members(first).beat()
    assert len(sent) == 1
    with statements(first) as sent:
        first.release_all(taken.values())
    assert len(sent) == 1


def test_of_links_that_others_hold_it_is_said_who(first: Store, second: Store) -> None:
    with first.acquire("clinic", "run"):
        taken, refused = second.acquire_all(["clinic", "praxis"], "run")
    assert list(taken) == ["praxis"]
    assert f"process {os.getpid()}" in refused["clinic"]


def test_a_lease_that_ended_is_anybodys_and_its_holder_stops(
    first: Store, second: Store, standing_clock: StandingClock
) -> None:
    lease = first.acquire("clinic", "run")
    go_elsewhere(first)
    pass_time(first, LEASE)
    standing_clock.tick(LEASE)
    with second.acquire("clinic", "run") as taken:
        assert taken.fence == lease.fence + 1
        with pytest.raises(LinkLocked):
            lease.check()
        with pytest.raises(LinkLocked), first.link("clinic", lease).begin() as transaction:
            transaction.set_state("hubspot", "1")


def test_with_one_of_its_links_a_member_loses_all(first: Store, second: Store) -> None:
    taken, _ = first.acquire_all(["clinic", "praxis"], "run")
    go_elsewhere(first)
    pass_time(first, LEASE)
    second.acquire("clinic", "run")
    members(first).beat()
    with pytest.raises(LinkLocked):
        taken["praxis"].renew()
    assert second.acquire("praxis", "run").fence == 2


def test_a_member_that_wakes_before_anybody_wants_its_links_keeps_them(
    first: Store, second: Store, standing_clock: StandingClock
) -> None:
    with first.acquire("clinic", "run") as lease:
        pass_time(first, 2 * LEASE)
        standing_clock.tick(2 * LEASE)
        lease.check()
        with pytest.raises(LinkLocked):
            second.acquire("clinic", "run")


def test_a_process_that_was_removed_joins_anew(first: Store, second: Store) -> None:
    first.acquire("clinic", "run")
    go_elsewhere(first)
    pass_time(first, LEASE)
    second.acquire("clinic", "run").release()
    members(first).beat()
    assert first.acquire("praxis", "run").fence == 1
    assert first.acquire("clinic", "run").fence == 3
    ages = {each.id: each.age for each in members(second).members()}
    assert ages[members(first).me] > ages[members(second).me]


def test_a_check_asks_where_only_the_wall_clock_knows_that_time_passed(
    first: Store, second: Store, standing_clock: StandingClock
) -> None:
    """A machine that was paused counts nothing by its other clock."""
    lease = first.acquire("clinic", "run")
    go_elsewhere(first)
    pass_time(first, LEASE)
    with second.acquire("clinic", "sync-now"):
        lease.check()
        standing_clock.instant += timedelta(seconds=STOPS_AFTER)
        with pytest.raises(LinkLocked, match="sync-now"):
            lease.check()


def test_the_age_of_a_lease_counts_from_before_the_beat_was_sent(
    first: Store, standing_clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer may have been on its way for as long as the holder slept."""
    lease = first.acquire("clinic", "run")
    asked = members(first)._quick.read

    def slowly(act: Callable[..., object]) -> object:
        done = asked(act)
        standing_clock.tick(STOPS_AFTER)
        return done

    monkeypatch.setattr(members(first)._quick, "read", slowly)
    members(first).beat()
    assert lease.left() == LEASE - STOPS_AFTER


def test_a_write_may_last_as_long_as_no_successor_can_come(
    first: Store, standing_clock: StandingClock
) -> None:
    with first.acquire("clinic", "run") as lease:
        standing_clock.tick(STOPS_AFTER - 1)
        lease.check()
        assert lease.left() == LEASE - STOPS_AFTER + 1


def test_a_holder_without_its_database_stops_before_anybody_else_may_start(
    postgres: PostgresServer, first: Store, standing_clock: StandingClock
) -> None:
    if not postgres.can_restart:
        pytest.skip("the server is not the tests' own to stop")
    lease = first.acquire("clinic", "run")
    postgres.stop()
    try:
        lease.check()
        standing_clock.tick(STOPS_AFTER)
        with pytest.raises(StoreInterrupted, match="check that the server runs"):
            lease.check()
        assert standing_clock.seconds < LEASE
    finally:
        postgres.start()


def test_after_a_restart_of_the_server_nobody_is_held_for_dead_too_soon(
    postgres: PostgresServer, first: Store, second: Store
) -> None:
    if not postgres.can_restart:
        pytest.skip("the server is not the tests' own to stop")
    lease = first.acquire("clinic", "run")
    go_elsewhere(first)
    pass_time(first, 4 * LEASE)
    postgres.stop()
    postgres.start()
    with pytest.raises(LinkLocked):
        second.acquire("clinic", "run")
    members(first).beat()
    lease.check()


def test_who_did_not_hear_the_server_holds_nobody_for_dead(
    first: Store, second: Store, standing_clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that was away for both would make each the other's murderer."""
    second.acquire("clinic", "run")
    first.acquire("praxis", "run")
    go_elsewhere(first)

    def away(_: object) -> None:
        raise StoreInterrupted("away")

    with monkeypatch.context() as broken:
        broken.setattr(members(first)._quick, "read", away)
        with pytest.raises(StoreError):
            members(first).beat()
    members(first).beat()
    run(
        second,
        "UPDATE member SET lease_until = clock_timestamp() WHERE id = :it",
        it=members(second).me,
    )
    with pytest.raises(LinkLocked):
        first.acquire("clinic", "run")
    standing_clock.tick(LEASE + 1)
    assert first.acquire("clinic", "run").fence == 2


def test_sync_now_waits_for_the_lease_of_a_silent_holder_elsewhere(
    first: Store, another: Open
) -> None:
    first.acquire("clinic", "run")
    go_elsewhere(first)
    pass_time(first, LEASE - 8)
    clock = StandingClock()
    clock.on_sleep = lambda seconds: pass_time(first, seconds)
    another(clock).acquire("clinic", "sync-now", wait=True).release()
    assert 6 < sum(clock.slept) <= LEASE


def test_a_living_holder_elsewhere_is_not_waited_for(first: Store, another: Open) -> None:
    first.acquire("clinic", "run")
    go_elsewhere(first)
    pass_time(first, BEAT)
    clock = StandingClock()
    with pytest.raises(LinkLocked):
        another(clock).acquire("clinic", "sync-now", wait=True)
    assert clock.slept == []


def test_a_stopped_process_of_this_machine_is_waited_for(
    postgres_store_url: str, first: Store, standing_clock: StandingClock
) -> None:
    with closing(Instance(postgres_store_url)) as holder:
        holder.tell()
        assert holder.heard() == "held 1"
        holder.process.send_signal(signal.SIGSTOP)
        standing_clock.on_sleep = lambda seconds: pass_time(first, seconds)
        with pytest.raises(LinkLocked):
            first.acquire("clinic", "run")
        assert first.acquire("clinic", "sync-now", wait=True).fence == 2
        assert sum(standing_clock.slept) <= LEASE + 1


def test_a_killed_holder_is_replaced_without_a_wait(
    postgres_store_url: str, first: Store, standing_clock: StandingClock
) -> None:
    with closing(Instance(postgres_store_url)) as holder:
        holder.tell()
        assert holder.heard() == "held 1"
        holder.kill()
    taken, _ = first.acquire_all(["clinic"], "run")
    assert list(taken) == ["clinic"]
    assert standing_clock.slept == []


def test_the_members_say_what_they_are_and_what_they_own(first: Store, second: Store) -> None:
    members(first).announce("run", Card(version="9", digest="d", knows=("clinic", "praxis")))
    members(first).announce("run", Card(version="9", digest="e", knows=("clinic",)))
    first.acquire("clinic", "run")
    second.acquire("praxis", "sync-now")
    older, younger = members(second).members()
    assert (older.card.digest, older.card.knows, older.links) == ("e", ("clinic",), ("clinic",))
    assert (younger.holder.verb, younger.links) == ("sync-now", ("praxis",))
    assert older.lives
    assert 0 <= older.age < 60


def test_who_leaves_gives_everything_back(first: Store, second: Store) -> None:
    first.acquire_all(["clinic", "praxis"], "run")
    members(first).leave()
    assert [member.links for member in members(second).members()] == []
    assert set(second.acquire_all(["clinic", "praxis"], "run")[0]) == {"clinic", "praxis"}


def test_the_daemons_know_each_others_shares_and_links(first: Store, second: Store) -> None:
    members(first).announce("run", Card(digest="d", knows=("clinic",)))
    members(second).announce("run", Card(digest="e", knows=("praxis",)))
    members(first).peers(5)
    older, younger = members(second).peers(7)
    assert (older.id, older.share, older.knows) == (members(first).me, 5, frozenset({"clinic"}))
    assert (younger.id, younger.share, younger.knows) == (members(second).me, 7, None)


def test_a_daemon_of_this_machine_that_was_killed_is_none_any_more(
    first: Store, second: Store
) -> None:
    members(first).announce("run", Card(digest="d", knows=("clinic",)))
    members(second).announce("run", Card(digest="d", knows=("clinic",)))
    # Another process has its number by now: its lease lasts, but it cannot.
    run(
        first,
        "UPDATE member SET holder = replace(holder, :ours, :theirs) WHERE id = :first",
        ours='"started":"',
        theirs='"started":"0',
        first=members(first).me,
    )
    assert [peer.id for peer in members(second).peers(0)] == [members(second).me]


def test_a_link_is_held_by_who_lives_and_else_by_nobody(first: Store, second: Store) -> None:
    members(first).announce("run", Card(knows=("clinic", "praxis")))
    second.acquire_all(["clinic"], "run")
    assert members(first).unheld(["clinic", "praxis"]) == (1, {"praxis"})
    pass_time(first, LEASE)
    members(first).beat()
    assert members(first).unheld(["clinic", "praxis"]) == (1, {"clinic", "praxis"})


def test_a_process_that_the_kernel_hides_is_not_held_for_dead(
    first: Store, second: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first.acquire("clinic", "run")
    monkeypatch.setattr(holders, "_fields", lambda _: [])
    with pytest.raises(LinkLocked):
        second.acquire("clinic", "run")


def test_a_configuration_is_held_against_the_newest_daemons(first: Store, second: Store) -> None:
    members(first).announce("run", Card(digest="d", knows=()))
    assert differing(members(second).members()) == []
    members(second).announce("run", Card(digest="e", knows=()))
    assert [each.card.digest for each in differing(members(second).members())] == ["d"]


def test_a_verb_is_no_daemon(first: Store, second: Store) -> None:
    members(first).announce("run", Card(knows=("clinic",)))
    second.acquire("praxis", "sync-now")
    assert [peer.id for peer in members(first).peers(0)] == [members(first).me]


class Company:
    """Three members and four links, whoever sleeps, wakes, takes and gives back."""

    NAMES = tuple(f"link_{number}" for number in range(4))

    def __init__(self, another: Open) -> None:
        self.clocks = [StandingClock() for _ in range(3)]
        self.stores = [another(clock) for clock in self.clocks]
        self.held: list[dict[str, Lease]] = [{} for _ in self.stores]
        self.asleep = [False] * 3
        self.fences = dict.fromkeys(self.NAMES, 0)

    def pass_time(self, seconds: float) -> None:
        step = min(seconds, BEAT)
        for _ in range(round(seconds / step)):
            pass_time(self.stores[0], step)
            for number, clock in enumerate(self.clocks):
                clock.tick(step)
                if not self.asleep[number]:
                    members(self.stores[number]).beat()

    def take(self, number: int) -> None:
        go_elsewhere(self.stores[0])
        writes = self.may_write(number)
        lost = [lease for name, lease in self.held[number].items() if name not in writes]
        self.stores[number].release_all(lost)
        taken, _ = self.stores[number].acquire_all(self.NAMES, "run")
        for name, lease in taken.items():
            assert lease.fence > self.fences[name]
            self.fences[name] = lease.fence
        self.held[number] = {n: self.held[number][n] for n in writes} | dict(taken)

    def give(self, number: int) -> None:
        self.stores[number].release_all(self.held[number].values())
        self.held[number] = {}

    def may_write(self, number: int) -> set[str]:
        found = set()
        for name, lease in self.held[number].items():
            with suppress(LinkLocked):
                lease.check()
                found.add(name)
        return found


@pytest.mark.parametrize("seed", range(10))
def test_a_link_is_never_two_members_and_never_nobodys_for_long(seed: int, another: Open) -> None:
    chance = random.Random(seed)
    company = Company(another)
    for _ in range(30):
        company.pass_time(chance.choice([0.5, BEAT, BEAT, STOPS_AFTER, LEASE]))
        number = chance.randrange(3)
        match chance.choice(["sleep", "wake", "take", "take", "give"]):
            case "take" if not company.asleep[number]:
                company.take(number)
            case "give" if not company.asleep[number]:
                company.give(number)
            case act:
                company.asleep[number] = act == "sleep"
        # One that sleeps writes when it wakes, if it may: so everybody is asked.
        writers = [company.may_write(each) for each in range(3)]
        assert sum(map(len, writers)) == len(set().union(*writers)), writers
    company.asleep = [True, True, False]
    company.pass_time(LEASE)
    company.take(2)
    assert company.may_write(2) == set(Company.NAMES)
