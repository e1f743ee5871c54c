"""`syncd forget CONTACT` on a real store."""

from collections.abc import Callable
from typing import Any

import pytest
from vendor_accounts import VendorAccounts

Syncd = Callable[..., Any]


@pytest.fixture
def synced(syncd: Syncd, clinic: VendorAccounts) -> VendorAccounts:
    """A clinic with one pair in its store."""
    assert syncd("setup").code == 0
    clinic.book("Hush-hush")
    assert syncd("--sync-now").code == 0
    return clinic


def test_everything_of_a_contact_leaves_the_store(syncd: Syncd, synced: VendorAccounts) -> None:
    contact = next(iter(synced.ghl.contacts)).id
    assert "Hush-hush" in syncd("history").out
    synced.world.reset_requests()
    gone = syncd("forget", contact, "--yes")
    assert gone.code == 0, gone.err
    assert gone.out.startswith("clinic: forgotten: 1 pair, ")
    assert "Hush-hush" not in syncd("history").out
    assert synced.world.requests == []
    assert (
        syncd("forget", contact, "--yes").out == f"clinic: nothing is known of contact {contact}\n"
    )


@pytest.mark.usefixtures("synced")
def test_a_link_that_does_not_exist_is_no_success(syncd: Syncd) -> None:
    assert syncd("forget", "51", "--link", "nowhere").code == 2
