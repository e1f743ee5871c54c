"""Reads tokens from the places that the configuration names.

Called by bootstrap when a provider is built, by the daemon for its listener,
and by no verb that only reads the store. The configuration names the place;
only here is the secret read, and it leaves as a SecretStr.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from syncd.config.app_settings import AppsSettings
from syncd.config.link_settings import LinkSettings
from syncd.config.masking import masked
from syncd.config.references import Reference
from syncd.config.settings import HttpSettings, StoreSettings
from syncd.errors import ConfigError


def resolve_token(
    link: LinkSettings, side: Literal["ghl", "hubspot"], env: Mapping[str, str] | None = None
) -> SecretStr:
    """The token of one side of a link.

    Raises ConfigError naming the variable, file or credential where it is
    missing, empty, no token at all, or a file that others can read.
    """
    reference = (link.ghl if side == "ghl" else link.hubspot).token
    return _resolved(reference, f"links.{link.name}.{side}.token", env)


def resolve_http_tokens(
    http: HttpSettings, env: Mapping[str, str] | None = None
) -> tuple[SecretStr | None, SecretStr | None]:
    """The token of the daemon's own listener that decides, and the one that only reads.

    Raises ConfigError as `resolve_token` does, and where both are the same.
    """
    place = http.token_place
    token = _resolved(place, "http.token", env) if place is not None else None
    reads = None
    if http.read_token.given:
        reads = _resolved(http.read_token, "http.read_token", env)
    if token is not None and token == reads:
        raise ConfigError(
            ["http.read_token: it is the same as http.token, and would decide; make another one"]
        )
    return token, reads


def resolve_hook_secret(
    link: LinkSettings, env: Mapping[str, str] | None = None
) -> SecretStr | None:
    """What a workflow's webhook for this link has to show; None where it has none.

    Raises as `resolve_token` does.
    """
    if not link.ghl.hook_secret.given:
        return None
    return _resolved(link.ghl.hook_secret, f"links.{link.name}.ghl.hook_secret", env)


def resolve_client_secret(
    apps: AppsSettings, app: Literal["highlevel", "hubspot"], env: Mapping[str, str] | None = None
) -> SecretStr | None:
    """The client secret of one of the user's apps; None where there is no such app.

    An app is there where its `client_id` or the place of its secret was given,
    or where the usual variable holds a secret. Raises as `resolve_token` does.
    """
    if not has_app(apps, app, env):
        return None
    given = apps.highlevel if app == "highlevel" else apps.hubspot
    return _resolved(given.client_secret, f"apps.{app}.client_secret", env)


def has_app(
    apps: AppsSettings, app: Literal["highlevel", "hubspot"], env: Mapping[str, str] | None = None
) -> bool:
    """Whether there is such an app with a secret, as `resolve_client_secret` says."""
    given = apps.highlevel if app == "highlevel" else apps.hubspot
    place = given.client_secret
    if given.client_id or "client_secret" in given.model_fields_set:
        return place.given
    variables = os.environ if env is None else env
    return bool(variables.get(place.env or "", "").strip())


def resolve_secret_keys(
    store: StoreSettings, env: Mapping[str, str] | None = None
) -> list[SecretStr]:
    """The keys that encrypt what the store keeps in secret; raises as `resolve_token` does."""
    return [_resolved(key, "store.secret_key", env) for key in store.secret_key]


def resolve_address(
    link: LinkSettings, channel: str, env: Mapping[str, str] | None = None
) -> SecretStr:
    """Where one of a link's channels leads to; raises as `resolve_token` does.

    Only for a channel that has an address: see `NotifySettings.addresses`.
    """
    address = link.notify.addresses[channel]
    if address.url is not None:
        return address.url
    key = f"links.{link.name}.notify.{'webhook' if channel == 'webhook' else 'urls'}"
    kept = _resolved(address, key, env)
    if not address.fits(kept.get_secret_value()):
        kind, name = address.place
        raise ConfigError([f"{key}: {_KINDS[kind]} {name} has no address; put one there"])
    return kept


def _resolved(reference: Reference, key: str, env: Mapping[str, str] | None) -> SecretStr:
    kind, name = reference.place
    try:
        token = _READERS[kind](name, os.environ if env is None else env).strip()
        _check(token, f"{_KINDS[kind]} {name}")
    except _Unusable as unusable:
        raise ConfigError([masked(f"{key}: {unusable}")]) from unusable
    return SecretStr(token)


class _Unusable(Exception):  # noqa: N818 - never leaves this module
    """Why there is no token, and what to do."""


def _from_variable(name: str, env: Mapping[str, str]) -> str:
    if not env.get(name, "").strip():
        raise _Unusable(f"the environment variable {name} is not set; put the token there")
    return env[name]


def _from_file(name: str, env: Mapping[str, str]) -> str:
    del env
    path = Path(name)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise _Unusable(_unread(path, error)) from error
    if stat.S_ISDIR(mode):
        raise _Unusable(f"{path} cannot be read: it is a folder; name the file in it")
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        raise _Unusable(f"the file {path} can be read by others; run: chmod 600 {path}")
    return _text(path)


def _from_credential(name: str, env: Mapping[str, str]) -> str:
    # systemd protects the folder itself; the modes of its files mean nothing.
    folder = env.get("CREDENTIALS_DIRECTORY", "")
    if not folder:
        raise _Unusable(
            f"the credential {name} is not there: $CREDENTIALS_DIRECTORY is not set; "
            f"start syncd from a unit with LoadCredential={name}:/path"
        )
    path, (unit, _, file) = Path(folder) / name, name.partition("_")
    # systemd calls the files of a folder ID_FILE; in the folder itself they stand as ID/FILE.
    inside = Path(folder) / unit / file
    return _text(inside if file and not path.exists() and inside.is_file() else path)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise _Unusable(_unread(path, error)) from error
    except UnicodeDecodeError as error:
        raise _Unusable(f"the file {path} holds no text") from error


def _unread(path: Path, error: OSError) -> str:
    absent = isinstance(error, FileNotFoundError)
    todo = "put the token there, or correct the path" if absent else "let this user read it"
    return f"the file {path} cannot be read: {error.strerror}; {todo}"


def _check(token: str, place: str) -> None:
    """A header can carry no white space and nothing beyond ASCII."""
    if not token:
        raise _Unusable(f"{place} is empty; put the token there")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise _Unusable(f"{place} holds more than one token, or none: one word is expected")


_READERS = {"env": _from_variable, "file": _from_file, "credential": _from_credential}
_KINDS = {"env": "the environment variable", "file": "the file", "credential": "the credential"}
