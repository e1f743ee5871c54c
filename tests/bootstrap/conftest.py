"""Two vendors on loopback, and the program that a configuration file makes of them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from vendor_accounts import VendorAccounts

from syncd.bootstrap import App, SystemClock, open_app
from syncd.config import load
from syncd.sandbox import SandboxSettings, empty, serve

TOKENS = {
    "GHL_TOKEN": SandboxSettings().ghl_token,
    "HUBSPOT_TOKEN": SandboxSettings().hubspot_token,
}


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[VendorAccounts]:
    """Two vendors on loopback."""
    with serve(empty(SystemClock().now, SandboxSettings())) as server:
        yield VendorAccounts(server, tmp_path)


@pytest.fixture
def opened(clinic: VendorAccounts, tmp_path: Path) -> Iterator[Callable[..., App]]:
    """`opened(more)` opens the program that config.toml, with these lines added, describes."""
    with ExitStack() as stack:

        def act(more: str = "") -> App:
            settings = load(clinic.configure(more), TOKENS, tmp_path)
            return stack.enter_context(open_app(settings, make_store=True, env=TOKENS))

        yield act
