"""Writes the effective configuration as TOML, secrets masked.

Called by `syncd config show`. Every key is written, defaults included, in the
order of the models; tokens are references and stay, an address loses its user
and password. What it prints loads again to equal settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from syncd.config import toml
from syncd.config.key_tree import LINKS
from syncd.config.masking import MASK, masked
from syncd.config.references import SecretReference, WebhookReference
from syncd.config.section import Section
from syncd.config.settings import Settings
from syncd.config.sync_settings import ConflictSettings, StatusSettings


def show(settings: Settings) -> str:
    """The effective configuration as TOML text."""
    tables: list[str] = []
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if name == LINKS:
            for link, section in value.items():
                tables += _tables(f"{LINKS}.{toml.key(link)}", section)
        else:
            tables += _tables(name, value)
    return masked("\n\n".join(tables)) + "\n"


def _tables(header: str, section: Section) -> Iterator[str]:
    lines = []
    given = section.model_fields_set
    inner: list[tuple[str, Section]] = []
    for name in type(section).model_fields:
        value = getattr(section, name)
        if section.groups and isinstance(value, Section):
            inner.append((f"{header}.{name}", value))
        else:
            # A translation table that is written counts as given, so a default one is a comment.
            mark = "# " if isinstance(section, StatusSettings) and name not in given else ""
            lines.append(f"{mark}{toml.key(name)} = {toml.value(plain(value))}")
    if lines:
        yield "\n".join([f"[{header}]", *lines])
    for below, value in inner:
        yield from _tables(below, value)


def plain(value: object) -> object:
    """A value as it would be written: sections as tables, in the short form where there is one."""
    match value:
        case Section():
            return _section(value)
        case list() | tuple():
            return [plain(item) for item in value]
        case Mapping():
            return {name: plain(item) for name, item in value.items()}
        case _:
            return value


def _section(section: Section) -> object:
    match section:
        case ConflictSettings():
            words = {getattr(section, name) for name in ConflictSettings.model_fields}
            return words.pop() if len(words) == 1 else _table(section)
        case WebhookReference() if section.url is not None:
            return MASK
        case WebhookReference() | SecretReference() if not section.given:
            return ""
        case _:
            return _table(section)


def _table(section: Section) -> dict[str, object]:
    fields = ((name, plain(getattr(section, name))) for name in type(section).model_fields)
    return {name: value for name, value in fields if value is not None}
