"""From files and environment to `Settings`, with all problems at once.

The entry to this package for the program; it reads the environment only where
the caller gives none.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from importlib.util import find_spec
from pathlib import Path

from pydantic import ValidationError

from syncd.config.key_tree import DEFAULTS, LINKS
from syncd.config.layers import Layers
from syncd.config.link_settings import LinkSettings
from syncd.config.mapped_fields import colliding
from syncd.config.masking import masked
from syncd.config.overlaps import conflicting
from syncd.config.problems import problems_of
from syncd.config.settings import Settings
from syncd.config.sources import find_config, gather
from syncd.errors import ConfigError

NO_LINK = "links: missing; at least one table [links.NAME.ghl] is needed"


def load(
    path: Path | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    *,
    linkless: bool = False,
) -> Settings:
    """Read the configuration; `path` is the value of `--config`, `linkless` lets it have no link.

    Raises ConfigError with one line for each problem. Tokens are not read:
    see `resolve_token`.
    """
    env = os.environ if env is None else env
    cwd = working_directory() if cwd is None else cwd
    layers = gather(find_config(path, env=env, cwd=cwd), env=env, cwd=cwd)
    return _loaded(layers, linkless=linkless)


def load_text(path: Path, text: str) -> Settings:
    """The configuration that a file of this name would be with this text; raises as `load`."""
    cwd = working_directory()
    return _loaded(gather(cwd / path, env=os.environ, cwd=cwd, planned={cwd / path: text}))


def _loaded(layers: Layers, *, linkless: bool = False) -> Settings:
    settings, problems = validated(layers)
    if linkless:
        problems = [each for each in problems if each != NO_LINK]
    if problems or settings is None:
        raise ConfigError([masked(problem) for problem in problems])
    return settings


def working_directory() -> Path:
    """Where relative names begin; a folder that is not there where it was taken away."""
    try:
        return Path.cwd()
    except OSError:
        return Path("/the working directory was deleted")


def validated(layers: Layers) -> tuple[Settings | None, list[str]]:
    """The settings, None where they are no such; and every problem."""
    problems = [*layers.problems, *_shape_problems(layers)]
    try:
        settings = Settings.model_validate(layers.tree())
    except ValidationError as error:
        problems += problems_of(error, layers)
        return None, [*problems, *_link_conflicts(_sound_links(layers))]
    settings._files = tuple(layers.files)  # noqa: SLF001 - where it came from is no key of the file
    settings._foreign = tuple(layers.foreign)  # noqa: SLF001
    return settings, [
        *problems,
        *_link_conflicts(settings.links.values()),
        *_missing_extras(settings),
        *_missing_apps(settings),
    ]


def _missing_extras(settings: Settings) -> list[str]:
    """What is configured and was not installed along."""
    if not any(link.notify.urls for link in settings.links.values()) or find_spec("apprise"):
        return []
    return ["notify.urls: needs Apprise, which is not installed: pip install 'syncd[notify]'"]


def _missing_apps(settings: Settings) -> list[str]:
    """What a token of a connection needs besides."""
    problems = []
    for link in settings.links.values():
        for side, uses, app, client_id in (
            ("ghl", link.ghl.token.oauth, "highlevel", settings.apps.highlevel.client_id),
            ("hubspot", link.hubspot.token.oauth, "hubspot", settings.apps.hubspot.client_id),
        ):
            if uses and not client_id:
                problems.append(
                    f"links.{link.name}.{side}.token: {{ oauth = true }} needs your own app: put "
                    f"its client id into apps.{app}.client_id"
                )
        if link.hubspot.token.oauth and not link.hubspot.hub_id:
            problems.append(
                f"links.{link.name}.hubspot.hub_id: missing; {{ oauth = true }} needs the number "
                "of the HubSpot account, which `syncd connections` shows"
            )
    return problems


def _link_conflicts(links: Collection[LinkSettings]) -> list[str]:
    """Conflicts within and between links that are valid on their own."""
    return [*colliding(links), *conflicting(links)]


def _shape_problems(layers: Layers) -> list[str]:
    """What the models cannot see: that there is no link, and a `defaults` that is no table."""
    problems = []
    if not layers.links and ((LINKS,) not in layers.given or layers.given[LINKS,].value == {}):
        problems.append(NO_LINK)
    if (given := layers.given.get((DEFAULTS,))) and given.value != {}:
        problems.append("defaults: accepted: tables such as [defaults.sync]")
    return problems


def _sound_links(layers: Layers) -> list[LinkSettings]:
    """The links that are valid on their own, so that their conflicts are reported, too."""
    tables = layers.tree().get(LINKS)
    sound: list[LinkSettings] = []
    for name, table in tables.items() if isinstance(tables, dict) else ():
        try:
            sound.extend(Settings.model_validate({LINKS: {name: table}}).links.values())
        except ValidationError:
            continue  # Reported already, by the validation of the whole.
    return sound
