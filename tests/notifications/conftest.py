"""A notifier that tells people of a link, over a real store."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stores import StandingClock

from syncd.config import Settings
from syncd.notifications import Notifier
from syncd.store import Store, open_engine


@pytest.fixture
def store(sqlite_store_url: str, standing_clock: StandingClock) -> Iterator[Store]:
    with Store(open_engine(sqlite_store_url), standing_clock) as store:
        yield store


@pytest.fixture
def notifier(store: Store, standing_clock: StandingClock) -> Callable[..., Notifier]:
    """`notifier(webhook=…, command=…)` tells people of the link `clinic` in these ways."""

    def make(**notify: object) -> Notifier:
        link = {"ghl": {"location_id": "loc-1"}, "notify": notify}
        settings = Settings.model_validate({"links": {"clinic": link}})
        env = {"PATH": "/usr/bin:/bin", "GHL_TOKEN": "pit-hush-hush"}
        return Notifier(
            outbox=store.outbox, clock=standing_clock, env=env, links=lambda: settings.links
        )

    return make


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    """`script(text)` gives the path of a shell script that says so."""

    def write(text: str) -> str:
        path = tmp_path / "page"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o700)
        return str(path)

    return write
