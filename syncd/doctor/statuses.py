"""Compares the status tables with the account's values; pure.

A value of the user's own table must exist; a missing value of the default table
only holds the records that need it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from syncd.config import LinkSettings
from syncd.core import translate
from syncd.core.status import StatusTable
from syncd.doctor.finding import Finding, error, ok, warning

AREA = "status"


def judge(
    link: LinkSettings, name: str, values: Collection[str], labels: Mapping[str, str] | None = None
) -> Iterator[Finding]:
    """Values of the tables that the property `name` lacks, and the other way round.

    `labels` are the names of values that are only numbers: a stage's id.
    """
    if link.fields.status == "off":
        yield ok(AREA, "statuses are not synced (fields.status is off)")
        return
    if not values:
        remedy = "add the values of [status] to the property, or name another property"
        yield warning(AREA, f"{name} has no values: the tables cannot be checked", remedy)
        return
    table = StatusTable(to_hubspot=dict(link.status.to_hubspot), to_ghl=dict(link.status.to_ghl))
    shown = {each: _with_label(each, labels or {}) for each in values}
    found = [*_to_hubspot(link, table, name, shown), *_to_ghl(link, table, name, shown)]
    yield from found
    if not found:
        yield ok(AREA, f"{name} has every value of the tables: {', '.join(shown.values())}")


def _with_label(value: str, labels: Mapping[str, str]) -> str:
    label = labels.get(value, "")
    return f"{value} ({label})" if label else value


def _to_hubspot(
    link: LinkSettings, table: StatusTable, name: str, values: Mapping[str, str]
) -> Iterator[Finding]:
    there = ", ".join(values.values())
    for wanted in dict.fromkeys(table.to_hubspot.values()):
        if translate.spelled(wanted, values) is not None:
            continue
        needed_by = ", ".join(key for key, value in table.to_hubspot.items() if value == wanted)
        if link.status.given:
            yield error(
                AREA,
                f"status.to_hubspot: {name} has no value {wanted!r} (for {needed_by})",
                f"it has: {there}; correct the table, or add the value in HubSpot",
            )
        else:
            yield warning(
                AREA,
                f"{name} has no value {wanted!r}: HighLevel appointments that are {needed_by} "
                "are held (unknown_status)",
                f"add the value in HubSpot, or give a [status.to_hubspot] table; it has: {there}",
            )


def _to_ghl(
    link: LinkSettings, table: StatusTable, name: str, values: Mapping[str, str]
) -> Iterator[Finding]:
    wanted = {*table.to_hubspot.values()} if not link.status.given else set[str]()
    for key in table.to_ghl:
        # A value that the default table lacks is reported once, for the other direction.
        if key not in wanted and translate.spelled(key, values) is None:
            yield warning(
                AREA,
                f"status.to_ghl: {name} has no value {key!r}, so this line is never used",
                "correct the spelling, or remove the line",
            )
    resolved, _ = translate.resolve(table, values)
    untranslated = [shown for each, shown in values.items() if each not in resolved.to_ghl]
    if untranslated and link.sync.direction != "ghl_to_hubspot":
        yield warning(
            AREA,
            f"{name} has values that no table translates: {', '.join(untranslated)}; a record "
            "set to one is held (unknown_status) unless HighLevel's status maps to it",
            "name them in [status.to_ghl], together with the default ones",
        )
