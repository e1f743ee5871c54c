"""Asks every question of both accounts of a link, and cleans up.

The verb calls `probe` after the doctor found no error. One question's failure
ends no other; what could not be removed is told as an answer of its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import TypeVar
from zoneinfo import ZoneInfo

from syncd.bootstrap.providers import ProviderFactory
from syncd.config import LinkSettings, Settings
from syncd.core.model import Calendar
from syncd.doctor.examine import GHL, HUBSPOT, accounts_of, bare
from syncd.doctor.files import store
from syncd.doctor.probing import ghl, hubspot
from syncd.doctor.probing.answer import Answer, State
from syncd.doctor.probing.scratch import Scratch, Unasked
from syncd.errors import SyncdError
from syncd.ports.clock import Clock
from syncd.providers.hubspot.protocol import Api

BEYOND = timedelta(days=30)
"""How far behind a link's window scratch appointments start: a daemon beside us leaves them."""

ProbeContext = TypeVar("ProbeContext")
Questions = Sequence[tuple[str, Callable[[ProbeContext], str]]]


def probe(
    settings: Settings, names: Sequence[str], *, clock: Clock, env: Mapping[str, str] | None
) -> Generator[Answer]:
    """Ask about these links; every answer as it comes. Scratch records are gone at the end."""
    _, usable = store(settings.store.url)
    with accounts_of(settings, clock=clock, env=env, shared=usable) as accounts:
        for name in names:
            link = settings.links[name]
            for asked in (_highlevel, _hubspot):
                for each in asked(link, accounts, clock):
                    yield replace(each, link=name)


def _highlevel(link: LinkSettings, accounts: ProviderFactory, clock: Clock) -> Iterator[Answer]:
    provider, client = accounts.ghl(bare(link))
    with closing(provider):
        account = provider.prepare()
        with Scratch(client) as scratch:
            context = ghl.ProbeContext(
                scratch=scratch,
                location=link.ghl.location_id,
                calendars=_calendars(link, account.calendars),
                zone=ZoneInfo(account.timezone),
                clock=clock,
                start=_start(link, clock.now()),
                tag=_tag(link),
            )
            scratch.find_lost = context.lost
            yield from _left_before(GHL, scratch)
            yield from _answers(GHL, ghl.QUESTIONS, context)
            scratch.clean()
            yield from _left(GHL, scratch, context.tag)


def _hubspot(link: LinkSettings, accounts: ProviderFactory, clock: Clock) -> Iterator[Answer]:
    provider, client = accounts.hubspot(link)
    with closing(provider), Scratch(client) as scratch:
        context = hubspot.ProbeContext(
            scratch=scratch,
            api=Api(version=link.hubspot.api_version, object_type=link.hubspot.object_type),
            clock=clock,
            start=_start(link, clock.now()),
            tag=_tag(link),
            once=secrets.token_hex(4),
        )
        scratch.find_lost = context.lost
        yield from _left_before(HUBSPOT, scratch)
        yield from _answers(HUBSPOT, hubspot.QUESTIONS, context)
        scratch.clean()
        yield from _left(HUBSPOT, scratch, context.tag)


def _answers(
    side: str, questions: Questions[ProbeContext], context: ProbeContext
) -> Iterator[Answer]:
    for question, ask in questions:
        state = State.LEARNT
        try:
            told = ask(context)
        except Unasked as reason:
            state, told = State.UNASKED, str(reason)
        except SyncdError as fault:
            state, told = State.FAILED, str(fault)
        yield Answer(side=side, question=question, state=state, answer=told)


def _tag(link: LinkSettings) -> str:
    return blake2b(link.ghl.location_id.encode(), digest_size=4).hexdigest()


def _left_before(side: str, scratch: Scratch) -> Iterable[Answer]:
    """A probe that was killed could remove nothing: the next one does."""
    found = scratch.take_over()
    if not found:
        return []
    told = f"yes, {found}; {'removed' if not scratch.left else '; '.join(scratch.left)}"
    question = "Did an earlier probe leave records behind?"
    return [Answer(side=side, question=question, state=State.LEARNT, answer=told)]


def _left(side: str, scratch: Scratch, tag: str) -> Iterable[Answer]:
    question = "Is everything removed again?"
    if not scratch.left:
        return [Answer(side=side, question=question, state=State.LEARNT, answer="yes")]
    told = f"no: {'; '.join(scratch.left)}; remove what is called `syncd probe {tag}` by hand"
    return [Answer(side=side, question=question, state=State.FAILED, answer=told)]


def _calendars(link: LinkSettings, calendars: Sequence[Calendar]) -> list[Calendar]:
    """The active calendars, the link's default first."""
    active = [each for each in calendars if each.active]
    return sorted(active, key=lambda each: each.id != link.ghl.default_calendar)


def _start(link: LinkSettings, now: datetime) -> datetime:
    """An odd minute of the night, beyond the link's window."""
    day = now + link.sync.future + BEYOND
    return day.replace(hour=3, minute=7, second=0, microsecond=0)
