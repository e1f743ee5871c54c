"""Writes config.example.toml: what a first user needs, then every other key.

Run as `python -m syncd.config.example FILE` after a key was added or changed;
a test proves that the file in the repository is up to date, and that it still
loads with every comment mark taken off. A line that begins with `#` and no
blank is a key at its default; one that begins with `# ` is prose.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from syncd.config import toml
from syncd.config.describe import meanings
from syncd.config.key_tree import DEFAULTS, NOTIFY, node_at
from syncd.config.link_settings import LinkSettings
from syncd.config.section import Section
from syncd.config.settings import Settings, StoreSettings
from syncd.config.show import plain
from syncd.config.sync_settings import FieldMap
from syncd.config.vendor_settings import GhlSettings, HubSpotSettings
from syncd.core.mapped_fields import FIELDS

_FIRST = """\
# syncd keeps HighLevel appointments and HubSpot appointments in step.
# Fill in this part, then run: syncd doctor, syncd setup, syncd plan, syncd run

# More files that belong to this configuration, such as one for each link.
#include = ["links.d/*.toml"]

[store]
url = "sqlite:///syncd.db"              # what the two sides agreed on; or PostgreSQL:
                                        # "postgresql+psycopg://user@host/dbname"
secret_key = { file = "syncd.key" }     # encrypts OAuth tokens; `syncd connect` makes the file

[links.clinic]                          # one link = one HighLevel location and one HubSpot account

[links.clinic.ghl]
location_id = "your-location-id"        # Settings, Business Profile, Location ID
token = { env = "GHL_TOKEN" }           # or { file = "/path" } or { credential = "ghl-token" }
default_calendar = ""                   # where appointments created in HubSpot are booked (always
                                        # synced too); "" holds them

[links.clinic.hubspot]
token = { env = "HUBSPOT_TOKEN" }       # a service key or private app token

# Everything below is a reference: every other key with its meaning and its default.
# Take the # off a key, and off the table above it, to change it. Durations are numbers of
# seconds or texts such as "90s", "5m", "6h", "30d". A relative path is relative to the file
# that it stands in. The environment overrides any key: SYNCD_STORE__URL,
# SYNCD_LINKS__CLINIC__GHL__LOCATION_ID, ...
"""

_SHARED = """
# [defaults.ghl], [defaults.hubspot], [defaults.sync], ... apply to every link.
# The same keys in a link itself, as in [links.clinic.sync], take precedence.
# Here {link} stands for the link's name in a token's file, credential or env (in upper case
# there), so that one line is enough for every link: token = { file = "tokens/{link}.ghl" }
"""

_MAPS = """
# Mapped fields of HighLevel, each to a HubSpot property that you have made; none by default.
# `ghl` is the field, one of
# {fields}.
# `hubspot` is the property. Whatever HighLevel does not take goes one way.
{meanings}
# Some that people filter by and click on in HubSpot:
#   [defaults.map.ghl_status]             # HighLevel's own word: new and confirmed told apart
#   ghl = "appointmentStatus"
#   hubspot = "highlevel_status"
#
#   [defaults.map.calendar_name]
#   ghl = "calendarName"
#   hubspot = "highlevel_calendar"
#
#   [defaults.map.ghl_link]               # the contact's page, which lists its appointments
#   ghl = "highlevelLink"
#   hubspot = "highlevel_link"
#
#   [defaults.map.record_link]            # two requests more for every hundred new records
#   ghl = "hubspotLink"
#   hubspot = "record_link"
#
#   [defaults.map.notes]                  # both ways, with fields.description = "off"
#   ghl = "description"
#   hubspot = "visit_notes"
#   direction = "both"
"""

_IN_FIRST_PART: dict[type[Section], tuple[str, ...]] = {
    StoreSettings: ("url", "secret_key"),
    GhlSettings: ("location_id", "token", "default_calendar"),
    HubSpotSettings: ("token",),
}


def example() -> str:
    """The text of config.example.toml."""
    lines = _FIRST.splitlines()
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, Section):
            lines += _tables(name, type(field.default))
    lines += _SHARED.splitlines()
    for name in LinkSettings.model_fields:
        node = node_at((DEFAULTS, name))
        # [notify] is above already: it is the default of every link.
        if node is not None and node.section is not None and name != NOTIFY:
            lines += _table(f"{DEFAULTS}.{name}", node.section)
    lines += _maps()
    return "\n".join(lines) + "\n"


def _tables(header: str, section: type[Section]) -> Iterator[str]:
    """One table of the reference, or those of a section that groups them."""
    if not section.groups:
        yield from _table(header, section)
        return
    for name, field in section.model_fields.items():
        yield from _table(f"{header}.{name}", type(field.default))


def _table(header: str, section: type[Section]) -> Iterator[str]:
    """One table of the reference; a table inside of it comes after its single keys."""
    written = _IN_FIRST_PART.get(section, ())
    left = {
        name: field.default for name, field in section.model_fields.items() if name not in written
    }
    inner = {name: value for name, value in left.items() if isinstance(value, Mapping) and value}
    single = [name for name in left if name not in inner]
    if single:
        yield from ("", f"# {section.__doc__}", f"#[{header}]")
    for name in single:
        yield from _prose(meanings(section)[name])
        yield f"#{name} = {toml.value(plain(left[name]))}"
    for name, table in inner.items():
        yield ""
        yield from _prose(meanings(section)[name])
        yield f"#[{header}.{name}]"
        yield from (f"#{toml.key(key)} = {toml.value(value)}" for key, value in table.items())


def _maps() -> list[str]:
    """The mapped fields, as prose: what stands there is no default of anything."""
    fields = textwrap.wrap(", ".join(sorted(FIELDS)), 90)
    texts = meanings(FieldMap)
    keys = [f"# `{name}`: {texts[name]}" for name in ("direction", "conflict", "template")]
    return _MAPS.format(
        fields="\n# ".join(fields), meanings="\n".join(key.replace("\n", "\n# ") for key in keys)
    ).splitlines()


def _prose(text: str) -> list[str]:
    return [f"# {line}" for line in text.splitlines()]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(example(), encoding="utf-8")
