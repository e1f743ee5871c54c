"""Checks the files that only their owner should read: configuration, tokens, store.

`examine` calls this first; no request is sent.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from syncd.config import Settings
from syncd.config.addresses import host_and_port, is_loopback
from syncd.doctor.finding import Finding, error, ok, raised, warning
from syncd.errors import StoreError, SyncdError
from syncd.store import migrate, open_engine
from syncd.store.engine import sqlite_path

STORE = "store"


def configuration(settings: Settings) -> Iterable[Finding]:
    """The configuration files, which have been read already."""
    count = len(settings.links)
    links = f"{count} link{'' if count == 1 else 's'}"
    yield ok("configuration", f"{settings.path} ({links})" if settings.path else links)
    for variable in settings.foreign:
        remedy = "nothing to do if another program uses it; else see docs/configuration.md"
        yield warning("configuration", f"{variable} names no key and is passed over", remedy)
    for table, listener in (("http", settings.http), ("live", settings.live)):
        if not listener.listen or is_loopback(host_and_port(listener.listen)[0]):
            continue
        if not listener.public_url.startswith("https://"):
            yield warning(
                "configuration",
                f"{table}.listen {listener.listen} is reached from other machines, without TLS",
                f"put a proxy before it that ends TLS, and name its address: {table}.public_url = "
                '"https://…" (docs/live.md)',
            )
    for path in settings.files:
        if _mode(path) & (stat.S_IWGRP | stat.S_IWOTH):
            what = f"{path} can be changed by other users, who could send the records anywhere"
            yield warning("configuration", what, f"chmod go-w {path}")
    # The service's user must read the file and is not its owner, so it is readable for all.
    readable = any(_open_to_others(path) for path in settings.files)
    for secret, remedy in _secrets(settings) if readable else ():
        yield warning("configuration", f"{secret} is in a file that others can read", remedy)


def _secrets(settings: Settings) -> Iterator[tuple[str, str]]:
    """Secrets in the configuration file, each with a better place for it."""
    if _holds_password(settings.store.url):
        yield "the password in store.url", "remove it there, and keep it in a .pgpass file"
    links = settings.links.values()
    if any(link.notify.webhook.url is not None for link in links):
        yield (
            "the address of a webhook",
            "put it into a file that only the service can read: webhook = { file = … }",
        )
    if any(each.url is not None for link in links for each in link.notify.urls):
        yield (
            "an address of notify.urls",
            "put it into a file that only the service can read: urls = [{ file = … }]",
        )


def _holds_password(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.password) or "password=" in parts.query


def store(url: str) -> tuple[list[Finding], bool]:
    """The store, and whether it is usable as it is; it is neither created nor migrated here."""
    try:
        engine = open_engine(url)
    except StoreError as fault:
        return raised(STORE, fault), False
    try:
        found = migrate.current(engine)
        return _judged(found, sqlite_path(engine))
    except SyncdError as fault:
        return raised(STORE, fault), False
    finally:
        engine.dispose()


def _judged(found: str, path: Path | None) -> tuple[list[Finding], bool]:
    place = str(path) if path else "the PostgreSQL database"
    if not found:
        return [_missing(place, path)], False
    if found != migrate.HEAD:
        return [_other_version(place, found, path)], False
    if path is not None and _open_to_others(path):
        what = f"{path} can be read by others; it contains appointments and names"
        return [warning(STORE, what, f"chmod 600 {path}")], True
    return [ok(STORE, f"{place} exists and is up to date")], True


def _missing(place: str, path: Path | None) -> Finding:
    folder = path.parent if path else None
    if folder is not None and not _writable(folder):
        return error(
            STORE,
            f"{place} does not exist, and this user may not create it",
            f"make the folder {folder} writable for this user, or change store.url",
        )
    return warning(
        STORE,
        f"{place} does not exist yet",
        "nothing to do: `syncd setup` or the first sync creates it",
    )


def _other_version(place: str, found: str, path: Path | None) -> Finding:
    if not found.isdigit() or int(found) > int(migrate.HEAD):
        remedy = "install that version again, or restore a backup from before it"
        return error(STORE, f"{place} was written by a newer syncd ({found})", remedy)
    if path is None:
        return error(STORE, f"{place} is from an older syncd ({found})", "run `syncd db upgrade`")
    remedy = "nothing to do: the next command that needs it migrates it"
    return warning(STORE, f"{place} is from an older syncd ({found})", remedy)


def _writable(folder: Path) -> bool:
    """Whether a folder, which may be created with the file, is writable."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)


def _open_to_others(path: Path) -> bool:
    return bool(_mode(path) & (stat.S_IRGRP | stat.S_IROTH))


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0
