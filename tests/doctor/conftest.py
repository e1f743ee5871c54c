"""Two vendors on loopback, set up, and the doctor who looks at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from harness import HarnessClock
from vendor_accounts import VendorAccounts

from syncd.bootstrap import open_app
from syncd.config import LinkSettings, load
from syncd.doctor import Finding, examine
from syncd.sandbox import SandboxSettings, empty, serve

TOKENS = {
    "GHL_TOKEN": SandboxSettings().ghl_token,
    "HUBSPOT_TOKEN": SandboxSettings().hubspot_token,
}


class Practice:
    """A clinic whose doctor can be asked."""

    def __init__(self, clinic: VendorAccounts, folder: Path, clock: HarnessClock) -> None:
        self.clinic, self.folder, self.clock = clinic, folder, clock
        self.world, self.ghl, self.hubspot = clinic.world, clinic.ghl, clinic.hubspot

    def setup(self) -> None:
        """Make the store, and what HubSpot needs."""
        with open_app(self.settings(), make_store=True, clock=self.clock, env=TOKENS) as app:
            app.setup("clinic")
        self.world.reset_requests()

    def settings(self, more: str = "") -> Any:
        """What config.toml says, with these lines added."""
        file = self.clinic.configure(more)
        file.chmod(0o600)
        return load(file, TOKENS, self.folder)

    def become(self, **settings: Any) -> None:
        """Change what kind of accounts they are."""
        self.world.settings = replace(self.world.settings, **settings)

    def findings(
        self, more: str = "", env: dict[str, str] | None = None, names: Sequence[str] = ("clinic",)
    ) -> list[Finding]:
        """Everything that the doctor says."""
        return [*examine(self.settings(more), names, clock=self.clock, env=env or TOKENS)]

    def bad(self, more: str = "", env: dict[str, str] | None = None) -> list[Finding]:
        """What the doctor does not find well."""
        return [each for each in self.findings(more, env) if each.mark != "ok"]


@pytest.fixture
def raw(tmp_path: Path) -> Iterator[Practice]:
    """Accounts that nobody has prepared."""
    clock = HarnessClock()
    with serve(empty(clock.now, SandboxSettings())) as server:
        yield Practice(VendorAccounts(server, tmp_path), tmp_path, clock)


@pytest.fixture
def practice(raw: Practice, sqlite_store_url: str) -> Practice:
    """Accounts that are prepared, and a store."""
    store = Path(sqlite_store_url.removeprefix("sqlite:///"))
    store.rename(raw.folder / "syncd.db").chmod(0o600)
    raw.setup()
    return raw


@pytest.fixture
def a_link() -> Callable[..., LinkSettings]:
    """`a_link(ghl={…}, sync={…})`: a link's settings, by hand."""

    def make(**sections: Any) -> LinkSettings:
        sections["ghl"] = {"location_id": "loc-1"} | sections.get("ghl", {})
        link = LinkSettings.model_validate(sections)
        link._name = "clinic"
        return link

    return make
