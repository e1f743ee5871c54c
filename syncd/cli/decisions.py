"""The verbs by which people decide: `retry`, `resolve`, `apply`, `kick`; `undo` has its own module.

Each queues a decision in the store; the next cycle carries it out, the
daemon's where one runs. With `--wait` they end with that cycle (`waiting`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from syncd.cli import candidates
from syncd.cli.command import (
    Verb,
    config_option,
    guard_options,
    link_option,
)
from syncd.cli.waiting import Asked, Waits, app_for, concluded, wait_options

if TYPE_CHECKING:
    from syncd.bootstrap import App
    from syncd.core.model import Hold
    from syncd.ports.store import LinkStore

FULL = frozenset({"apply", "kick"})
"""Decisions that only a full cycle carries out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A link that knows a record, and what it holds of it."""

    name: str
    store: LinkStore
    holds: tuple[Hold, ...]
    ignored: bool = False
    """Whether a person decided to ignore it."""


class Recorded:
    """What a verb recorded, link by link, and the end of it."""

    def __init__(self, app: App, waits: Waits) -> None:
        self._app, self._waits = app, waits
        self._asked: dict[str, Asked] = {}
        self._told: dict[str, str] = {}

    def decide(
        self,
        name: str,
        kind: str,
        payload: Mapping[str, object],
        what: str,
        *,
        then: str | None = None,
    ) -> None:
        """Record a decision; `then` says who carries it out, where that is not the next cycle."""
        at = self._app.clock.now()
        key = self._app.link_store(name).decide(kind, payload, at)
        before = self._asked.get(name)
        self._asked[name] = Asked(
            decisions=frozenset({key}) | (before.decisions if before else frozenset()),
            at=at,
            full=kind in FULL,
        )
        after = next_cycle(self._app, name) if then is None else then
        self.say(name, f"{what}; {after}" if after else what)

    def say(self, name: str, text: str) -> None:
        """Tell a person; what comes of it is told later where it is waited for."""
        from syncd.cli.output.printer import Printer

        self._told[name] = text
        if not self._waits.as_json:
            Printer(sys.stderr if self._waits.wait else None).line(
                f"{name}: {text}" if name else text
            )

    def conclude(self) -> int:
        """End the verb; gives its exit code."""
        return concluded(self._app, self._asked, self._waits, self._told)


def _holding(app: App, record: str, links: tuple[str, ...]) -> list[Found]:
    """The links that hold this record, or ignore it by a person's decision."""
    from syncd.cli.session import selected_links
    from syncd.engine.decisions.pending import ignores

    found = []
    for name in selected_links(app.link_names(), links):
        store = app.link_store(name)
        holds = tuple(h for h in store.holds() if record in {h.ghl_id, h.hubspot_id})
        ignored = ignores(store, record)
        if holds or ignored:
            found.append(Found(name=name, store=store, holds=holds, ignored=ignored))
    return found


def _held_id(app: App, given: str, links: tuple[str, ...]) -> str:
    """The id that was given, or that of the only held record of a contact."""
    from syncd.cli.people import Record, record_id
    from syncd.cli.session import selected_links

    def is_held(record: Record) -> bool:
        ids = {record.ghl_id, record.hubspot_id} - {""}
        return any(_holding(app, each, (record.link,)) for each in ids)

    return record_id(app, selected_links(app.link_names(), links), given, fits=is_held)


def next_cycle(app: App, name: str) -> str:
    """Who carries a decision out, and when."""
    if app.paused(name):
        return f"the link is paused: done after `syncd link resume {name}`"
    holder = app.store.holder(name)
    if holder is not None:
        return f"the running syncd ({holder}) does it in its next cycle"
    return "the next `syncd --sync-now` does it"


@click.command(
    cls=Verb,
    short_help="Retry held records at once.",
    examples=(
        ("syncd retry", "everything that is held, in every link"),
        ("syncd retry 88100000001", "one record, by its id on either side"),
    ),
)
@click.argument("record", metavar="[ID]", default="", shell_complete=candidates.held)
@config_option
@link_option
@wait_options
@click.pass_context
def retry(
    ctx: click.Context,
    /,
    *,
    record: str,
    config: Path | None,
    links: tuple[str, ...],
    **waits: Any,
) -> int:
    """Try held records again in the next cycle, without waiting.

    Only refused writes wait at all; every full cycle checks all others again.
    With an ID it also takes `syncd resolve ID --ignore` back.
    """
    from syncd.cli.session import selected_links
    from syncd.engine.decisions import making

    with app_for(ctx, config, Waits(**waits)) as app:
        told = Recorded(app, Waits(**waits))
        if not record:
            for name in selected_links(app.link_names(), links):
                told.decide(name, "retry", making.retry("", ()), "everything that is held")
            return told.conclude()
        record = _held_id(app, record, links)
        for found in _required(_holding(app, record, links), record):
            told.decide(found.name, "retry", making.retry(record, found.holds), record)
        return told.conclude()


@click.command(
    cls=Verb,
    short_help="Decide about a held record.",
    examples=(
        ("syncd resolve 88100000001 --keep hubspot", "a conflict: HubSpot's value wins"),
        ("syncd resolve 88100000001 --pair g2emAyjmP4IzHcVtAulJ", "these two are one appointment"),
        ("syncd resolve 88100000001 --separate", "it is an appointment of its own"),
        ("syncd resolve 88100000001 --contact 51", "it is for this HubSpot contact"),
        ("syncd resolve 88100000001 --book-anyway", "book it onto the taken slot"),
        ("syncd resolve 88100000001 --ignore", "leave it alone for good"),
    ),
)
@click.argument("record", metavar="ID", shell_complete=candidates.held)
@click.option("--keep", type=click.Choice(["ghl", "hubspot"]), help="A conflict: which side wins.")
@click.option(
    "--pair", "pair_with", metavar="OTHER", help="The record on the other side that it belongs to."
)
@click.option("--separate", is_flag=True, help="It is no duplicate: create it on the other side.")
@click.option("--contact", metavar="ID", help="The HubSpot contact that it is for.")
@click.option("--book-anyway", is_flag=True, help="Book it onto the taken slot.")
@click.option("--ignore", is_flag=True, help="Leave it alone, and stop holding it.")
@config_option
@link_option
@wait_options
@click.pass_context
def resolve(
    ctx: click.Context,
    /,
    *,
    record: str,
    config: Path | None,
    links: tuple[str, ...],
    wait: bool,
    timeout: timedelta,
    as_json: bool,
    **ways: str | bool | None,
) -> int:
    """Decide about a held record; ID is its id on either side.

    The next cycle carries it out if the record still shows what is held now;
    otherwise it reports that, and holds the record again. A decision counts
    once; only --ignore counts until `syncd retry ID`.
    """
    taken = {way: value for way, value in ways.items() if value}
    if len(taken) != 1:
        raise click.UsageError(
            "say one of --keep, --pair, --separate, --contact, --book-anyway, --ignore", ctx
        )
    from syncd.cli.people import contact_id
    from syncd.engine.decisions import making
    from syncd.engine.decisions.pending import WAYS

    (way,) = taken
    waits = Waits(wait=wait, timeout=timeout, as_json=as_json)
    with app_for(ctx, config, waits) as app:
        told = Recorded(app, waits)
        record = _held_id(app, record, links)
        holding = [each for each in _holding(app, record, links) if each.holds]
        for found in _required(holding, record):
            if not any(making.fits(way, hold) for hold in found.holds):
                reasons = {hold.reason for hold in found.holds}
                raise click.UsageError(
                    f"--{_option(way)} is for {' and '.join(WAYS[way])}; "
                    f"{record} is held as {', '.join(sorted(reasons))}"
                )
            if way == "pair_with":
                taken[way] = _held_id(app, str(taken[way]), (found.name,))
                _check_other(found, record, str(taken[way]))
            if way == "contact":
                taken[way] = contact_id(app, found.name, str(taken[way]))
            payload = making.resolve(found.store, record, way, taken[way])
            told.decide(found.name, "resolve", payload, record)
        return told.conclude()


def _check_other(found: Found, record: str, other: str) -> None:
    """Refuse to pair a record with what can have no pair: the decision would stay open for ever."""
    from syncd.core.model import Side
    from syncd.engine.decisions.pending import ignores

    store = found.store
    candidates = sorted({each for hold in found.holds for each in hold.candidates})
    at = {side for side, each in enumerate(found.holds[0].ids) if each == record}
    across = {
        each for hold in store.holds() for side, each in enumerate(hold.ids) if side not in at
    }
    pairs = [pair for side in Side for pair in store.pairs_by_id(side, [other])]
    if pairs:
        why = f"HighLevel {pairs[0].ghl_id} is paired with HubSpot {pairs[0].hubspot_id}"
    elif other in {*candidates, *across} - {""} or ignores(store, other):
        return
    else:
        why = "no such record waits on the other side"
    named = f": {', '.join(candidates)}" if candidates else ", and none fits"
    raise click.UsageError(
        f"--pair {other}: {why}; accepted: a record of the other side without a pair{named}; "
        f"to leave {record} alone: `syncd resolve {record} --ignore`"
    )


def _option(way: str) -> str:
    return {"pair_with": "pair"}.get(way, way.replace("_", "-"))


def _required(found: list[Found], record: str) -> list[Found]:
    if not found:
        raise click.UsageError(f"nothing is held for {record}; to see what is: `syncd held`")
    return found


@click.command(
    cls=Verb,
    short_help="Carry out a saved plan, exactly as shown.",
    examples=(("syncd apply monday.json", "the plan that `syncd plan --out monday.json` saved"),),
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@config_option
@wait_options
@click.pass_context
def apply(ctx: click.Context, /, *, file: Path, config: Path | None, **waits: Any) -> int:
    """Have the next cycle carry out a plan that `syncd plan --out` saved.

    Record by record, exactly as shown; a record that has changed since is left
    out, and the cycle's report lists it.
    """
    from syncd.cli import plan_file
    from syncd.cli.output.formatting import count

    kept = plan_file.read(file)
    with app_for(ctx, config, Waits(**waits)) as app:
        unknown = sorted(set(kept) - set(app.link_names()))
        if unknown:
            raise click.UsageError(f"{file}: no such link: {', '.join(unknown)}")
        told = Recorded(app, Waits(**waits))
        if not kept:
            told.say("", f"{file}: the plan has no writes")
        for name, writes in kept.items():
            if not writes:
                told.say(name, "the plan has no writes")
                continue
            told.decide(name, "apply", {"writes": writes}, count(len(writes), "write"))
        return told.conclude()


@click.command(
    cls=Verb,
    short_help="Ask a running daemon for a full cycle now.",
    examples=(
        ("syncd kick", "every link"),
        ("syncd kick --link clinic --allow-removals", "one link, its removal guard open once"),
        ("syncd kick --approve", "approve a first sync that is waiting for approval"),
    ),
)
@config_option
@link_option
@guard_options
@click.option("--approve", is_flag=True, help="Approve a first sync that is waiting for approval.")
@wait_options
@click.pass_context
def kick(
    ctx: click.Context,
    /,
    *,
    config: Path | None,
    links: tuple[str, ...],
    wait: bool,
    timeout: timedelta,
    as_json: bool,
    **given: bool,
) -> int:
    """Ask a running daemon for a full cycle now; without one it ends with 2.

    With --wait it runs the cycle itself where no daemon does. --allow-… lets pass
    what a guard has kept back until now, and nothing that comes later. --approve
    covers a first sync until it is complete, and up to twice the writes that were
    shown. A paused link is left out; one that is named ends with 2.
    """
    from syncd.cli.session import selected_links
    from syncd.engine.decisions import making

    waits = Waits(wait=wait, timeout=timeout, as_json=as_json)
    with app_for(ctx, config, waits) as app:
        told = Recorded(app, waits)
        names = selected_links(app.link_names(), links)
        paused = [name for name in names if app.paused(name)]
        if paused and (links or len(paused) == len(names)):
            back = f"syncd link resume {paused[0] if len(paused) == 1 else '--all'}"
            raise click.UsageError(f"paused: {', '.join(paused)}; to take it back first: `{back}`")
        idle = [name for name in names if name not in paused and not (wait or app.daemon(name))]
        going = [name for name in names if name not in {*paused, *idle}]
        if not going or (links and idle):
            raise click.UsageError(f"no daemon runs for {', '.join(idle)}: use `syncd --sync-now`")
        for name in paused:
            told.say(name, f"paused, and left out; to take it back: `syncd link resume {name}`")
        for name in going:
            holder = app.store.holder(name)
            does = f"{holder} runs a full cycle now" if holder else "a full cycle runs now"
            payload = making.kick(
                app.link_store(name),
                app.clock.now(),
                allow_removals=given["allow_removals"],
                allow_changes=given["allow_changes"],
                approve=given["approve"],
            )
            told.decide(name, "kick", payload, does, then="")
        for name in idle:
            told.say(name, "no daemon runs for it, and it is left out")
        return told.conclude()
