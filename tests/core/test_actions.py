"""What each action leaves agreed once its receipt is in."""

from dataclasses import replace
from typing import Any

from plan_cases import (
    DICTIONARY,
    GHL,
    GONE,
    HUBSPOT,
    NOW,
    Shows,
    ghl,
    hubspot,
    pair,
    removed,
    rules,
)

from syncd.core import actions
from syncd.core.actions import Create, Remove, Update
from syncd.core.context import PlanContext
from syncd.core.model import Appointment, Pair, Removal, Response
from syncd.core.observe import Sighting
from syncd.core.plan import judge
from syncd.core.policy import OnRemoval, Policy

NONE: frozenset[str] = frozenset()
SAME_GHL, SAME_HUBSPOT = ghl(), hubspot()


def follows(
    agreed: Pair, left: Shows = SAME_GHL, right: Shows = SAME_HUBSPOT, policy: Policy | None = None
) -> Any:
    """The one write that follows."""
    sighting = Sighting(pair=agreed, ghl=left(agreed), hubspot=right(agreed))
    decided = judge(sighting, PlanContext(policy=policy or rules(), translator=DICTIONARY))
    [write] = [each for each in decided if isinstance(each, Create | Update | Remove)]
    return write


def test_an_update_agrees_on_what_came_back_and_on_what_was_meant() -> None:
    agreed = pair()
    write = follows(agreed, ghl(title="A very long title", description="Bring papers"))
    returned = Appointment(title="A very lon", description="Bring papers", status="COMPLETED")
    after = actions.updated(write, agreed, returned, NONE)
    assert (after.ghl.title, after.hubspot.title) == ("A very long title", "A very lon")
    assert after.hubspot.status == "SCHEDULED", "a field that was not written is news"
    assert after.version == agreed.version + 1


def test_a_group_that_was_refused_is_not_agreed() -> None:
    agreed = pair(open=frozenset({"title", "description"}))
    write = follows(agreed, ghl(title="B", description="Bring papers"))
    returned = Appointment(title="B", description="Bring papers")
    after = actions.updated(write, agreed, returned, frozenset({"description"}))
    assert (after.ghl.title, after.hubspot.title) == ("B", "B")
    assert (after.ghl.description, after.hubspot.description) == ("", "")
    assert after.open == {"description"}


def test_an_owner_that_we_wrote_is_remembered_as_ours() -> None:
    agreed = pair()
    write = follows(agreed, ghl(owner="u1"))
    after = actions.updated(write, agreed, Appointment(owner="71"), NONE)
    assert (after.owner_by_us, after.hubspot.owner, after.ghl.owner) == (HUBSPOT, "71", "u1")


def test_a_contact_that_we_wrote_is_the_paired_one() -> None:
    agreed = pair()
    write = follows(agreed, ghl(contact="bob"))
    after = actions.updated(write, agreed, Appointment(contact="52"), NONE)
    assert (after.ghl.contact, after.hubspot.contact) == ("bob", "52")


CANCELLED_BY_US = pair(
    "cancelled",
    hubspot={"status": "SCHEDULED"},
    **removed(HUBSPOT, did=Response.CANCELLED, before="new"),
)


def test_a_reopening_ends_the_removal() -> None:
    write = follows(CANCELLED_BY_US)
    after = actions.updated(write, CANCELLED_BY_US, Appointment(status="new"), NONE)
    assert after.removal is None
    assert (after.ghl.status, after.hubspot.status) == ("new", "SCHEDULED")


def test_a_reopening_that_was_refused_is_still_to_be_done() -> None:
    write = follows(CANCELLED_BY_US)
    after = actions.updated(write, CANCELLED_BY_US, Appointment(), frozenset({"status"}))
    assert after.removal == CANCELLED_BY_US.removal
    assert follows(after).changes == write.changes


def test_a_cancellation_remembers_what_stood_there() -> None:
    agreed = pair("new")
    write = follows(agreed, right=hubspot(**GONE))
    after = actions.removed(write, Appointment(status="cancelled"))
    assert after.removal == Removal(
        gone=frozenset({HUBSPOT}), response=Response.CANCELLED, status_before="new"
    )
    assert after.ghl.status == "cancelled"
    assert after.version == agreed.version + 1


def test_an_archive_settles_both_sides() -> None:
    write = follows(pair(), ghl(**GONE))
    after = actions.removed(write, None)
    assert after.removal == Removal(gone=frozenset({GHL, HUBSPOT}), response=Response.REMOVED)


def test_a_deletion_settles_both_sides() -> None:
    write = follows(pair(), right=hubspot(**GONE), policy=rules(hubspot_archived=OnRemoval.DELETE))
    assert actions.removed(write, None).removal == Removal(
        gone=frozenset({GHL, HUBSPOT}), response=Response.REMOVED
    )


def test_a_record_made_again_keeps_its_pair_under_new_ids() -> None:
    agreed = replace(pair(**removed(GHL, HUBSPOT, did=Response.REMOVED)), version=7)
    write = follows(agreed, ghl(owner="u1"), hubspot(**GONE))
    returned = replace(write.wanted, contact="51")
    after = actions.created(write, "777", returned)
    assert (after.key, after.version, after.ghl_id, after.hubspot_id) == (1, 8, "g1", "777")
    assert after.removal is None
    assert not after.open
    assert not after.has_external_id
    assert after.owner_by_us is HUBSPOT
    assert (after.ghl.owner, after.hubspot) == ("u1", returned)


def test_a_record_born_without_a_status_stays_open_until_it_has_one() -> None:
    write = replace(follows(pair(), ghl(**GONE), hubspot(title="B")), backfill_status="SCHEDULED")
    assert actions.created(write, "g2", write.wanted).open == {"status"}


def test_an_update_starts_as_it_is_and_as_it_will_be() -> None:
    write = follows(pair(), ghl(start=NOW, end=None))
    assert write.starts == (pair().hubspot.start, NOW)
    assert write.starts_at == NOW


def test_a_write_without_a_start_starts_at_no_time() -> None:
    write = replace(follows(pair(), ghl(**GONE)), seen=hubspot(start=None, end=None)(pair()))
    assert write.starts == ()
    assert write.starts_at is None
