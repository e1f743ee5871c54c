"""A refresh happens once for everybody, and no chain is lost that the vendor would still renew."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stores import StandingClock
from token_vendor import (
    Chain,
    Crash,
    Refresher,
    connected,
    crash,
    lost,
    make_cipher,
    unwritable,
)

from syncd.connections.cipher import Cipher
from syncd.connections.endpoint import TokenRefused, Why
from syncd.errors import AuthFailed, ConfigError, ProviderError, StoreError, Unavailable
from syncd.store import Store
from syncd.store.engine import open_engine


class Scene:
    """Two processes on one store, and the vendor."""

    def __init__(self, store: Store, clock: StandingClock, *, ends_in: float = 100.0) -> None:
        self.store, self.clock = store, clock
        self.chain = Chain(clock)
        self.cipher: Cipher = make_cipher()
        self.row = connected(store.connections, self.cipher, clock, ends_in=ends_in)
        self.both = [self.process(), self.process()]

    def process(self) -> Refresher:
        return Refresher(self.store, self.clock, self.chain, self.cipher)

    @property
    def stored(self) -> str:
        row = self.store.connections.get(self.row)
        assert row is not None
        return self.cipher.decrypt(row.refresh)

    @property
    def refused(self) -> bool:
        row = self.store.connections.get(self.row)
        assert row is not None
        return row.refused


@pytest.fixture
def scene(store: Store, standing_clock: StandingClock) -> Scene:
    return Scene(store, standing_clock)


def test_a_due_token_is_renewed_once_by_whoever_comes_first(scene: Scene) -> None:
    first, second = scene.both
    seen: list[str] = []
    # The other process asks in mid-refresh: its token is good for a while yet.
    first.troubled(heard=lambda: seen.append(second.token()))
    assert first.token() == "access-1"
    assert seen == ["access-0"]
    scene.clock.tick(11)
    assert second.token() == "access-1"
    assert scene.chain.asked == 1
    assert scene.stored == "refresh-1"


def test_a_process_without_a_token_waits_for_the_other_one(
    store: Store, standing_clock: StandingClock
) -> None:
    scene = Scene(store, standing_clock, ends_in=-1)
    first, second = scene.both
    taken = store.connections.lease(scene.row, 1, 10.0)
    assert taken is not None
    standing_clock.on_sleep = lambda _: None
    assert second.token() == "access-1"  # the other one died: repeated at the end of its lease
    assert 9.5 <= standing_clock.seconds <= 10.5
    assert first.token() == "access-1"
    assert scene.chain.asked == 1


def test_nothing_is_asked_while_the_store_cannot_be_written(scene: Scene) -> None:
    first, _ = scene.both
    first.troubled(before_lease=unwritable)
    with pytest.raises(StoreError):
        first.token()
    assert scene.chain.asked == 0


def test_an_answer_that_cannot_be_committed_is_kept_until_it_can(scene: Scene) -> None:
    first, _ = scene.both
    first.troubled(commit=unwritable)
    with pytest.raises(StoreError):
        first.token()
    scene.clock.tick(3_600)  # long after the vendor's grace
    assert first.token() == "access-1"
    assert (scene.chain.asked, scene.stored) == (1, "refresh-1")


def test_a_lost_answer_is_asked_for_again_with_the_same_token(scene: Scene) -> None:
    first, _ = scene.both
    first.troubled(heard=lost)
    assert first.token() == "access-1"
    assert scene.chain.asked == 2
    assert scene.clock.seconds <= 30


@pytest.mark.parametrize("point", ["lease", "sent", "heard", "commit", "committed"])
def test_another_process_recovers_what_one_died_in(scene: Scene, point: str) -> None:
    first, second = scene.both
    first.troubled(**{point: crash})
    with suppress(Crash):
        first.token()
    scene.clock.tick(12)
    second.tokens.recover()  # as a daemon does now and then
    scene.clock.tick(60)
    assert second.token() == "access-1"
    assert not scene.refused


DEAD = {"started": "never"}
"""A process of this machine that is gone."""
ELSEWHERE = {"machine": "another", "host": "web2"}
"""A process of another machine: of that nothing is known."""


@pytest.mark.parametrize(("asker", "lasts"), [(DEAD, 0.0), (ELSEWHERE, 10.0), ({}, 0.0)])
def test_a_short_command_waits_only_for_what_it_cannot_know(
    scene: Scene, asker: dict[str, str], lasts: float
) -> None:
    first, second = scene.both
    first.rows.asker = asker
    first.troubled(heard=crash)
    with suppress(Crash):
        first.token()
    began = scene.clock.seconds
    if asker is DEAD:
        second.tokens.recover()  # when it begins
    second.tokens.settle()
    assert scene.clock.seconds - began == pytest.approx(lasts, abs=0.5)
    row = scene.store.connections.get(scene.row)
    assert row is not None
    # One of this machine that lives is left to finish it.
    assert (row.asked_at is None) is bool(asker)


def test_a_busy_vendor_makes_no_lost_answer_forgotten(scene: Scene) -> None:
    first, second = scene.both
    first.rows.asker = DEAD
    first.troubled(heard=crash)
    with suppress(Crash):
        first.token()

    def busy() -> None:
        raise TokenRefused(Why.LATER, "slow down", status=429, retry_after=4.0)

    second.troubled(sent=busy)
    second.tokens.recover()
    assert scene.chain.asked == 1
    scene.clock.tick(1)
    second.tokens.recover()  # not before the vendor wants it
    assert scene.chain.asked == 1
    scene.process().tokens.settle()
    assert (scene.chain.asked, scene.stored) == (2, "refresh-1")


def test_too_late_it_is_said_what_happened(scene: Scene) -> None:
    first, second = scene.both
    first.rows.asker = ELSEWHERE
    first.troubled(heard=crash)
    with suppress(Crash):
        first.token()
    scene.clock.tick(45)
    with pytest.raises(AuthFailed) as refused:
        second.token()
    told = str(refused.value)
    assert "asked for at 2026-03-02 12:00:00 UTC by process" in told
    assert "on host web2, and the answer was never stored" in told
    assert "run `syncd connect highlevel` again" in told


def test_a_stopped_process_that_wakes_brings_a_refused_connection_back(scene: Scene) -> None:
    first, second = scene.both
    verdicts: list[type[Exception]] = []

    def stopped() -> None:
        scene.clock.tick(45)
        with pytest.raises(AuthFailed) as refused:
            second.token()
        verdicts.append(refused.type)
        assert scene.refused

    first.troubled(heard=stopped)
    assert first.token() == "access-1"
    assert verdicts == [AuthFailed]
    assert not scene.refused
    assert second.token() == "access-1"


def test_a_late_refusal_is_not_that_of_a_newer_token(scene: Scene) -> None:
    first, second = scene.both

    def overtaken() -> None:
        scene.clock.tick(20)  # the lease is over
        assert second.token() == "access-1"
        raise TokenRefused(Why.DEAD, "used before", status=400)

    first.troubled(sent=overtaken)
    assert first.token() == "access-1"
    assert not scene.refused
    assert scene.stored == "refresh-1"


@pytest.mark.parametrize(
    ("why", "raised"),
    [(Why.APP, AuthFailed), (Why.INACTIVE, AuthFailed), (Why.LATER, Unavailable)],
)
def test_other_refusals_disconnect_nothing(
    store: Store, standing_clock: StandingClock, why: Why, raised: type[Exception]
) -> None:
    scene = Scene(store, standing_clock, ends_in=-1)

    def refuses() -> None:
        raise TokenRefused(why, "no", status=400)

    scene.both[0].troubled(sent=refuses)
    with pytest.raises(raised):
        scene.both[0].token()
    assert not scene.refused
    # What was put right works at once in another command, and within seconds in this process.
    asked = scene.chain.asked
    with pytest.raises(raised):
        scene.both[0].token()
    assert scene.chain.asked == asked
    assert scene.both[1].token() == "access-1"
    standing_clock.tick(6)
    assert scene.both[0].token() == "access-1"


@pytest.mark.parametrize("more", [{}, {"company": "cmp1", "account": "cmp1", "guessed": True}])
def test_an_answer_that_names_no_location_is_the_one_that_was_asked_for(
    scene: Scene, more: dict[str, Any]
) -> None:
    told = replace(scene.chain.grant(), account="", company="", access="access-1")
    scene.chain.grant = lambda: replace(told, **more)  # type: ignore[method-assign]
    assert scene.both[0].token() == "access-1"


def test_a_token_of_another_account_is_not_used(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    strange = replace(scene.chain.grant(), account="loc2")
    scene.chain.grant = lambda: strange  # type: ignore[method-assign]
    monkeypatch.setattr(scene.chain, "renews", bool)
    assert scene.both[0].token() == "access-0"  # the old one, while it is good
    scene.clock.tick(200)
    with pytest.raises(AuthFailed, match="not of loc1"):
        scene.both[0].token()
    assert not scene.refused


def test_another_key_or_app_asks_nothing(scene: Scene) -> None:
    process = Refresher(scene.store, scene.clock, scene.chain, make_cipher())
    with pytest.raises(ConfigError, match=r"store\.secret_key"):
        process.token()
    assert scene.chain.asked == 0


# --- whatever happens

POINTS = ("before_lease", "lease", "sent", "heard", "commit", "committed")
ACTS = {"crash": crash, "lost": lost, "unwritable": unwritable}
STEPS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from((0.0, 1.0, 9.0, 12.0, 25.0, 60.0, 400.0)),
        st.sampled_from([None, *POINTS]),
        st.sampled_from([*ACTS, "other"]),
        st.sampled_from((0.0, 8.0, 15.0, 40.0)),
    ),
    max_size=8,
)


@contextmanager
def _copied(template: Path) -> Iterator[Store]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "syncd.db"
        shutil.copy(template, path)
        engine = open_engine(f"sqlite:///{path}")
        try:
            yield Store(engine, StandingClock())
        finally:
            engine.dispose()


@given(steps=STEPS)
def test_no_chain_is_lost_that_the_vendor_would_still_renew(
    sqlite_template: Path, steps: list[tuple[int, float, str | None, str, float]]
) -> None:
    with _copied(sqlite_template) as store:
        clock = store._database.clock
        assert isinstance(clock, StandingClock)
        scene = Scene(store, clock, ends_in=10.0)
        scene.chain.seconds = 320.0
        for which, wait, point, act, stall in steps:
            clock.tick(wait)
            _step(scene, which, point, act, stall)
            # Each daemon looks every few seconds for what a dead process left behind.
            _sweep(scene)
            _must_hold(scene)
        clock.tick(3.0)
        _sweep(scene)
        _must_hold(scene)
        if not scene.refused and scene.chain.renews(scene.stored):
            clock.tick(330)
            assert scene.process().token() == f"access-{scene.chain.number}"


COMMANDS = st.lists(
    st.tuples(
        st.sampled_from((0.0, 1.0, 9.0, 12.0, 25.0, 45.0, 400.0)),
        st.sampled_from([None, *POINTS]),
        st.sampled_from((crash, lost)),
        st.booleans(),
        st.sampled_from((DEAD, ELSEWHERE)),
    ),
    max_size=8,
)


@given(commands=COMMANDS)
def test_commands_without_a_daemon_finish_what_the_one_before_died_in(
    sqlite_template: Path,
    commands: list[tuple[float, str | None, Callable[[], None], bool, dict[str, str]]],
) -> None:
    with _copied(sqlite_template) as store:
        clock = store._database.clock
        assert isinstance(clock, StandingClock)
        scene = Scene(store, clock, ends_in=10.0)
        scene.chain.seconds = 320.0
        for wait, point, act, works, asker in commands:
            clock.tick(wait)
            living = scene.chain.renews(scene.stored)
            process = scene.process()
            process.rows.asker = asker
            if point is not None and (act is crash or point in {"sent", "heard"}):
                process.troubled(**{point: act})
            try:
                process.tokens.recover()
                if works:
                    with suppress(ProviderError):
                        process.token()
                process.tokens.settle()
            except Crash:
                continue
            if living:
                row = store.connections.get(scene.row)
                assert row is not None
                assert row.asked_at is None
                assert not scene.refused
                assert scene.chain.renews(scene.stored)


def _step(scene: Scene, which: int, point: str | None, act: str, stall: float) -> None:
    process, other = scene.both[which], scene.both[1 - which]

    def meanwhile() -> None:
        scene.clock.tick(stall)
        with suppress(ProviderError, StoreError):
            other.token()

    if point is not None:
        is_answer = point in {"sent", "heard"}
        deed = meanwhile if act == "other" or (act == "lost" and not is_answer) else ACTS[act]
        process.troubled(**{point: deed})
    try:
        process.token()
    except Crash:
        scene.both[which] = scene.process()
    except (ProviderError, StoreError):
        pass
    process.troubled()


def _sweep(scene: Scene) -> None:
    for _ in range(12):
        with suppress(StoreError):
            scene.both[0].tokens.recover()
        row = scene.store.connections.get(scene.row)
        assert row is not None
        if row.asked_at is None or row.leased(scene.clock.now()) == 0:
            return
        scene.clock.tick(1.0)


def _must_hold(scene: Scene) -> None:
    alive = any(
        process.tokens.renewing.unsaved
        and scene.chain.number == int(grant.refresh.rpartition("-")[2])
        for process in scene.both
        for grant, _ in process.tokens.renewing.unsaved.values()
    )
    if scene.chain.renews(scene.stored) or alive:
        assert not scene.refused or alive
        return
    raise AssertionError("the chain is lost")
