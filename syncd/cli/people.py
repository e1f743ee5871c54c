"""An e-mail address where an id is taken: the contact's records, asked of both vendors.

Every verb that takes an id calls `record_id`; `history` and `forget` take all
that belongs to the contact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from syncd.bootstrap import App
    from syncd.ports.store import LinkReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An appointment of a contact."""

    link: str
    ghl_id: str = ""
    hubspot_id: str = ""
    about: str = ""
    """Its title and start, as far as they are stored."""

    @property
    def id(self) -> str:
        """As the verbs take it."""
        return self.hubspot_id or self.ghl_id


def is_email(given: str) -> bool:
    """Whether an argument is an e-mail address: no id has an `@`."""
    return "@" in given


def record_id(
    app: App, links: Iterable[str], given: str, *, fits: Callable[[Record], bool] = lambda _: True
) -> str:
    """The id that was given, or that of the only record of the contact with this address.

    Raises:
        UsageError: the contact has several records, or none that `fits`.
        SyncdError: a vendor cannot be asked.
    """
    given = given.strip() or given
    if not is_email(given):
        return given
    found = _distinct(each for name in links for each in records_of(app, name, given) if fits(each))
    if not found:
        raise click.UsageError(f"{given}: no such record of this contact is known")
    if len(found) > 1:
        raise click.UsageError(
            "\n".join([f"{given} has several records: give the ID of one", *_listed(found)])
        )
    return found[0].id


def record_given(path: Path | None, links: Sequence[str], given: str) -> str:
    """`record_id` for a verb that only reads: an e-mail address needs the whole program."""
    given = given.strip() or given
    if not is_email(given):
        return given
    from syncd.bootstrap import open_app
    from syncd.cli.session import begin, selected_links

    with open_app(begin(path)) as app:
        return record_id(app, selected_links(app.link_names(), links), given)


def ids_given(path: Path | None, links: Sequence[str], given: str) -> list[str]:
    """The id that was given, or every id that belongs to the contact with this address.

    Raises:
        UsageError: nothing does.
        SyncdError: a vendor cannot be asked.
    """
    given = given.strip() or given
    if not is_email(given):
        return [given]
    from syncd.bootstrap import open_app
    from syncd.cli.session import begin, selected_links

    found: list[str] = []
    with open_app(begin(path)) as app:
        for name in selected_links(app.link_names(), links):
            found += [each.ghl_id or each.hubspot_id for each in records_of(app, name, given)]
            found += contacts_of(app, name, given)
    if not found:
        raise click.UsageError(f"{given}: no contact with this address is known")
    return [*dict.fromkeys(found)]


def _listed(found: Sequence[Record]) -> list[str]:
    from syncd.cli.output import formatting

    return [
        f"  {each.id}: {each.link}, {formatting.named(each.ghl_id, each.hubspot_id)}{each.about}"
        for each in found
    ]


def records_of(app: App, name: str, email: str) -> list[Record]:
    """Every record of a contact in one link: pairs, and what has no pair.

    Raises:
        SyncdError: a vendor cannot be asked.
    """
    from syncd.core.model import Side

    store = app.link_store(name)
    with app.look_up(name) as lookup:
        contacts = lookup.contacts(email)
        living = lookup.appointments(contacts)
    pairs = {
        pair.key: pair
        for side in Side
        for contact in contacts[side]
        for pair in store.pairs_of_contact(side, contact)
    }
    found = [
        Record(
            link=name,
            ghl_id=pair.ghl_id,
            hubspot_id=pair.hubspot_id,
            about=_about(store, pair.ghl.title, pair.ghl.start),
        )
        for pair in pairs.values()
    ]
    known = {each for pair in pairs.values() for each in (pair.ghl_id, pair.hubspot_id)}
    held = {each: hold for hold in store.holds() for each in (hold.ghl_id, hold.hubspot_id)}
    for side, record in living:
        if record not in known:
            hold = held.get(record)
            about = _about(store, hold.title, hold.starts_at) if hold else ""
            ids = {side: record, side.other: ""}
            found.append(
                Record(link=name, ghl_id=ids[Side.GHL], hubspot_id=ids[Side.HUBSPOT], about=about)
            )
    return found


def _distinct(found: Iterable[Record]) -> list[Record]:
    """Each record once: links that share an account may both see it, and one has its pair."""
    known: dict[str, Record] = {}
    for each in found:
        before = known.get(each.id)
        if before is None or not (before.ghl_id and before.hubspot_id):
            known[each.id] = each
    return [*known.values()]


def contact_id(app: App, name: str, given: str) -> str:
    """The id of the HubSpot contact that was given, or of the only one with this address.

    Raises:
        UsageError: none or several have it.
        SyncdError: a vendor cannot be asked.
    """
    from syncd.core.model import Side

    given = given.strip() or given
    if not is_email(given):
        return given
    with app.look_up(name) as lookup:
        found = lookup.contacts(given)[Side.HUBSPOT]
    if len(found) != 1:
        several = f"several HubSpot contacts have it: {', '.join(found)}"
        raise click.UsageError(f"{given}: {several if found else 'no HubSpot contact has it'}")
    return found[0]


def contacts_of(app: App, name: str, email: str) -> list[str]:
    """The id that was given, or those of every contact with this address, now or once.

    Raises:
        SyncdError: a vendor cannot be asked.
    """
    email = email.strip() or email
    if not is_email(email):
        return [email]
    with app.look_up(name) as lookup:
        contacts = lookup.contacts(email)
    made = app.link_store(name).contacts_made(email)
    return [*dict.fromkeys([*(each for ids in contacts.values() for each in ids), *made])]


def _about(store: LinkReader, title: str, start: object) -> str:
    from datetime import datetime

    from syncd.cli.output import formatting
    from syncd.cli.session import timezone_of

    name = f", {formatting.strip_control_chars(title)}" if title else ""
    if not isinstance(start, datetime):
        return name
    zone = timezone_of(store)
    return f"{name}, {formatting.when(start, formatting.zone_of(zone))} ({zone or 'UTC'})"
