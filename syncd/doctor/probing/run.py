"""Asks every question of both accounts of a link, and cleans up.

The verb calls `probe` if the doctor found no error. A failing question
does not stop the others; records that could not be removed are an answer of their own.
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
from syncd.doctor.examine import GHL, HUBSPOT, open_accounts, without_calendars
from syncd.doctor.files import store
from syncd.doctor.probing import ghl, hubspot
from syncd.doctor.probing.answer import Answer, State
from syncd.doctor.probing.interruption import Interruption
from syncd.doctor.probing.scratch import CannotAsk, Scratch
from syncd.errors import SyncdError
from syncd.ports.clock import Clock
from syncd.providers.hubspot.protocol import Api

BEYOND = timedelta(days=30)
"""How long after a link's window scratch appointments start, so that a daemon ignores them."""

ProbeContext = TypeVar("ProbeContext")
Questions = Sequence[tuple[str, Callable[[ProbeContext], str]]]


def probe(
    settings: Settings,
    names: Sequence[str],
    *,
    clock: Clock,
    env: Mapping[str, str] | None,
    interruption: Interruption | None = None,
) -> Generator[Answer]:
    """Ask about these links; yields each answer at once. Scratch records are removed at the end."""
    interruption = interruption or Interruption()
    _, usable = store(settings.store.url)
    with open_accounts(settings, clock=clock, env=env, shared=usable) as accounts:
        for name in names:
            link = settings.links[name]
            for asked in (_highlevel, _hubspot):
                for each in asked(link, accounts, clock, interruption):
                    interruption.check()
                    yield replace(each, link=name)


def _highlevel(
    link: LinkSettings, accounts: ProviderFactory, clock: Clock, interruption: Interruption
) -> Iterator[Answer]:
    provider, client = accounts.ghl(without_calendars(link))
    with closing(provider):
        account = provider.prepare()
        with Scratch(client, interruption) as scratch:
            context = ghl.ProbeContext(
                scratch=scratch,
                location=link.ghl.location_id,
                calendars=_calendars(link, account.calendars),
                zone=ZoneInfo(account.timezone),
                clock=clock,
                start=_start(link, clock.now()),
                tag=_tag(link),
            )
            scratch.find_leftovers = context.leftovers
            yield from _earlier_leftovers(GHL, scratch)
            yield from _answers(GHL, ghl.QUESTIONS, context)
            scratch.clean()
            yield from _not_removed(GHL, scratch, context.tag)


def _hubspot(
    link: LinkSettings, accounts: ProviderFactory, clock: Clock, interruption: Interruption
) -> Iterator[Answer]:
    provider, client = accounts.hubspot(link)
    with closing(provider), Scratch(client, interruption) as scratch:
        context = hubspot.ProbeContext(
            scratch=scratch,
            api=Api(version=link.hubspot.api_version, object_type=link.hubspot.object_type),
            clock=clock,
            start=_start(link, clock.now()),
            tag=_tag(link),
            once=secrets.token_hex(4),
        )
        scratch.find_leftovers = context.leftovers
        yield from _earlier_leftovers(HUBSPOT, scratch)
        yield from _answers(HUBSPOT, hubspot.QUESTIONS, context)
        scratch.clean()
        yield from _not_removed(HUBSPOT, scratch, context.tag)


def _answers(
    side: str, questions: Questions[ProbeContext], context: ProbeContext
) -> Iterator[Answer]:
    for question, ask in questions:
        state = State.LEARNT
        try:
            answer = ask(context)
        except CannotAsk as reason:
            state, answer = State.UNASKED, str(reason)
        except SyncdError as fault:
            state, answer = State.FAILED, str(fault)
        yield Answer(side=side, question=question, state=state, answer=answer)


def _tag(link: LinkSettings) -> str:
    return blake2b(link.ghl.location_id.encode(), digest_size=4).hexdigest()


def _earlier_leftovers(side: str, scratch: Scratch) -> Iterable[Answer]:
    """Removes the records of an earlier probe that was killed."""
    found = scratch.remove_leftovers()
    if not found:
        return []
    answer = (
        f"yes, {found}; {'removed' if not scratch.not_removed else '; '.join(scratch.not_removed)}"
    )
    question = "Did an earlier probe leave records behind?"
    return [Answer(side=side, question=question, state=State.LEARNT, answer=answer)]


def _not_removed(side: str, scratch: Scratch, tag: str) -> Iterable[Answer]:
    question = "Is everything removed again?"
    if not scratch.not_removed:
        return [Answer(side=side, question=question, state=State.LEARNT, answer="yes")]
    remaining = "; ".join(scratch.not_removed)
    answer = f"no: {remaining}; remove the records named `syncd probe {tag}` by hand"
    return [Answer(side=side, question=question, state=State.FAILED, answer=answer)]


def _calendars(link: LinkSettings, calendars: Sequence[Calendar]) -> list[Calendar]:
    """The active calendars, the link's default first."""
    active = [each for each in calendars if each.active]
    return sorted(active, key=lambda each: each.id != link.ghl.default_calendar)


def _start(link: LinkSettings, now: datetime) -> datetime:
    """An odd minute at night, after the link's window."""
    day = now + link.sync.future + BEYOND
    return day.replace(hour=3, minute=7, second=0, microsecond=0)
