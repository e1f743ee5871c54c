"""The table `links.NAME`: one HighLevel location and one HubSpot account, with all their keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import (
    PrivateAttr,
)

from syncd.config import values
from syncd.config.notify_settings import NotifySettings
from syncd.config.section import Section
from syncd.config.sync_settings import FieldMap, FieldSettings, StatusSettings, SyncSettings
from syncd.config.values import Accepts
from syncd.config.vendor_settings import GhlSettings, HubSpotSettings

_VARIANTS = 8
"""How many different tables of a kind, the newest, are kept to be shared."""

_kept: dict[type, list[Section]] = {}

_names: dict[frozenset[str], set[str]] = {}


def _keep_once(table: Section) -> None:
    """Replace each table within this one by an equal one that is kept already.

    Thousands of links mostly differ in ids and tokens: of 6 KiB each, 2 stay.
    Tables are frozen, so nobody can tell.
    """
    given = table.model_fields_set
    table.__pydantic_fields_set__ = _names.setdefault(frozenset(given), given)
    for name, value in table.__dict__.items():
        if not isinstance(value, Section):
            continue
        _keep_once(value)
        alike = _kept.setdefault(type(value), [])
        for each in alike:
            # What was given counts as well (`StatusSettings.given`).
            if each == value and each.model_fields_set == value.model_fields_set:
                table.__dict__[name] = each
                break
        else:
            alike.insert(0, value)
            del alike[_VARIANTS:]


class LinkSettings(Section):
    """One link: one HighLevel location and one HubSpot account."""

    groups: ClassVar[bool] = True

    _name: str = PrivateAttr(default="")

    ghl: GhlSettings
    hubspot: HubSpotSettings = HubSpotSettings()
    sync: SyncSettings = SyncSettings()
    fields: FieldSettings = FieldSettings()
    status: StatusSettings = StatusSettings()
    notify: NotifySettings = NotifySettings()
    map: Annotated[
        Mapping[values.MapName, FieldMap],
        Accepts(words='tables [links.NAME.map.FIELD] with ghl = "…" and hubspot = "…"'),
    ] = {}

    def model_post_init(self, context: object, /) -> None:
        """Keep the tables once that this link has in common with others."""
        super().model_post_init(context)  # the name's place
        _keep_once(self)

    @property
    def name(self) -> str:
        """What the link is called: the NAME of `[links.NAME]`."""
        return self._name
