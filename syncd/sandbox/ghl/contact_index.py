"""The contacts of one HighLevel location, findable by e-mail and phone, with their search index.

Used by `location` and by the contact handlers. Searching lags behind (`contact_search_lag`); a
look-up by id or for duplicates never does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from syncd.sandbox.ghl.records import GhlContact
from syncd.sandbox.timestamps import to_milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from syncd.sandbox.context import SandboxContext


def digits(phone: str | None) -> str:
    """A phone number as it is compared: its digits."""
    return "".join(character for character in phone or "" if character.isdigit())


class ContactIndex:
    """Contacts by id, e-mail and phone."""

    def __init__(
        self,
        context: SandboxContext,
        told: Callable[[str, GhlContact], None] | None = None,
    ) -> None:
        self._context = context
        self._told = told or (lambda _word, _row: None)
        self._rows: dict[str, GhlContact] = {}
        self._by_email: dict[str, dict[str, None]] = {}
        self._by_phone: dict[str, dict[str, None]] = {}
        self._earlier: dict[str, list[tuple[datetime, GhlContact | None]]] = {}

    def __getitem__(self, contact: str) -> GhlContact:
        return self._rows[contact]

    def __contains__(self, contact: object) -> bool:
        return contact in self._rows

    def __iter__(self) -> Iterator[GhlContact]:
        return iter(list(self._rows.values()))

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, contact: str | None) -> GhlContact | None:
        """A contact, or None."""
        return self._rows.get(contact or "")

    def add(self, values: Mapping[str, Any]) -> GhlContact:
        """Makes a contact from values under the API's names."""
        stamp = to_milliseconds(self._context.now())
        row = GhlContact(
            id=self._context.ids.ghl(),
            first_name="",
            last_name="",
            email=None,
            phone=None,
            added=stamp,
            updated=stamp,
        )
        self._remember(row.id, None, stamp)
        self._rows[row.id] = row
        self._set(row, values)
        self._told("ContactCreate", row)
        return row

    def change(self, row: GhlContact, values: Mapping[str, Any]) -> None:
        """Sets values under the API's names and moves the stamp."""
        stamp = to_milliseconds(self._context.now())
        self._remember(row.id, row, stamp)
        self._unfile(row)
        self._set(row, values)
        row.updated = stamp
        self._told("ContactUpdate", row)

    def remove(self, contact: str) -> None:
        """Forgets a contact."""
        row = self._rows.pop(contact)
        self._unfile(row)
        self._told("ContactDelete", row)

    def by_email(self, email: str | None) -> list[GhlContact]:
        """Contacts with this address, primary or additional, oldest first."""
        return [self._rows[key] for key in self._by_email.get((email or "").strip().lower(), ())]

    def by_phone(self, phone: str | None) -> list[GhlContact]:
        """Contacts with this number, oldest first."""
        return [self._rows[key] for key in self._by_phone.get(digits(phone), ())]

    def indexed(self) -> Iterator[GhlContact]:
        """The contacts as the search index shows them now."""
        lag = self._context.settings().contact_search_lag
        if not lag:
            yield from self
            return
        horizon = self._context.now() - lag
        for row in self:
            shown: GhlContact | None = row
            for changed_at, before in reversed(self._earlier.get(row.id, [])):
                if changed_at <= horizon:
                    break
                shown = before
            if shown is not None:
                yield shown

    def _remember(self, contact: str, row: GhlContact | None, stamp: datetime) -> None:
        if self._context.settings().contact_search_lag:
            before = (
                None if row is None else replace(row, tags=list(row.tags), fields=dict(row.fields))
            )
            self._earlier.setdefault(contact, []).append((stamp, before))

    def _set(self, row: GhlContact, values: Mapping[str, Any]) -> None:
        values = dict(values)
        name = values.pop("name", None)
        if name and not values.get("firstName") and not values.get("lastName"):
            values["firstName"], _, values["lastName"] = name.partition(" ")
        row.first_name = values.pop("firstName", row.first_name) or ""
        row.last_name = values.pop("lastName", row.last_name) or ""
        row.email = values.pop("email", row.email) or None
        if "phone" in values:
            row.phone = _kept_phone(values.pop("phone"))
        row.additional_emails = list(values.pop("additionalEmails", row.additional_emails))
        row.tags = list(values.pop("tags", row.tags) or ())
        row.fields.update(values)
        for email in self._emails(row):
            self._by_email.setdefault(email, {})[row.id] = None
        if row.phone:
            self._by_phone.setdefault(digits(row.phone), {})[row.id] = None

    def _unfile(self, row: GhlContact) -> None:
        for email in self._emails(row):
            self._by_email.get(email, {}).pop(row.id, None)
        self._by_phone.get(digits(row.phone), {}).pop(row.id, None)

    def _emails(self, row: GhlContact) -> list[str]:
        return [email.lower() for email in [row.email, *row.additional_emails] if email]


def _kept_phone(phone: str | None) -> str | None:
    """The service keeps numbers without the blanks and signs between their digits."""
    if not phone:
        return None
    return ("+" if phone.strip().startswith("+") else "") + digits(phone)
