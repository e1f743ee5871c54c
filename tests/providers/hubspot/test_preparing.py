"""prepare and setup: what an account must have, said before anything is written."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from syncd.core.mapped_fields import Kind
from syncd.core.model import Group
from syncd.errors import AuthFailed, NotPrepared, RateLimited
from syncd.providers.hubspot.schema import MappedProperty
from syncd.sandbox.faults import Fault
from syncd.sandbox.limits import PORTAL_ZONE

STATUSES = ("SCHEDULED", "COMPLETED", "NO_SHOW", "CANCELLED")
Account = Callable[..., Any]
EXPIRED = timedelta()
"""A lifetime with which every `prepare` reads the account again."""


def test_setup_makes_what_is_missing_and_a_second_run_makes_nothing(account: Account) -> None:
    desk = account(set_up=False)
    assert all(made for _, made in desk.provider.setup(STATUSES))
    before = len(desk.world.writes("hubspot"))
    assert not any(made for _, made in desk.provider.setup(STATUSES))
    assert len(desk.world.writes("hubspot")) == before


def test_the_external_id_property_demands_unique_values(account: Account) -> None:
    desk = account()
    assert desk.portal.appointments.definitions["ghl_appointment_id"].unique


def test_an_account_that_was_not_set_up_names_setup(account: Account) -> None:
    desk = account(set_up=False)
    with pytest.raises(NotPrepared, match="run `syncd setup`"):
        desk.provider.prepare()


def test_the_native_status_is_used_where_the_account_has_it(account: Account) -> None:
    desk = account()
    found = desk.provider.prepare()
    assert found.status_property == "hs_appointment_status"
    assert "ghl_appointment_status" not in desk.portal.appointments.definitions


def test_the_spelling_of_cancelled_is_the_accounts(account: Account) -> None:
    desk = account(settings={"cancelled_spelling": "CANCELED"})
    assert "CANCELED" in desk.provider.prepare().status_values


def test_an_account_without_the_native_status_gets_our_own(account: Account) -> None:
    desk = account(settings={"hubspot_status": "none"})
    found = desk.provider.prepare()
    assert (found.status_property, found.status_values) == ("ghl_appointment_status", STATUSES)


def test_values_that_our_own_status_lacks_are_added_and_the_others_kept(account: Account) -> None:
    desk = account(account_lifetime=EXPIRED, settings={"hubspot_status": "none"})
    done = dict(desk.provider.setup((*STATUSES, "LATE")))
    assert done["property ghl_appointment_status"]
    assert desk.provider.prepare().status_values == (*STATUSES, "LATE")


def test_stages_are_read_from_the_account_because_ids_are_per_portal(account: Account) -> None:
    desk = account(settings={"hubspot_status": "pipeline"}, status_property="hs_pipeline_stage")
    found = desk.provider.prepare()
    stages = {stage.id for pipeline in desk.portal.pipelines["0-421"] for stage in pipeline.stages}
    assert found.status_property == "hs_pipeline_stage"
    assert set(found.status_values) == stages


@pytest.mark.parametrize("status", [403, 404])
def test_an_object_that_is_not_activated_says_what_a_person_does(
    account: Account, status: int
) -> None:
    desk = account(set_up=False, settings={"activated": False, "not_activated_status": status})
    with pytest.raises(NotPrepared, match="activate appointments in HubSpot"):
        desk.provider.prepare()


def test_enablement_that_may_not_be_asked_is_no_verdict(account: Account) -> None:
    desk = account(account_lifetime=EXPIRED)
    desk.world.faults.add(Fault(path="object-library", status=403, body={"message": "no"}))
    assert desk.provider.prepare().status_property == "hs_appointment_status"


def test_the_accounts_zone_tells_when_a_used_up_quota_is_over(
    account: Account, free_budget: Any
) -> None:
    account()
    assert free_budget.zone == PORTAL_ZONE


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, {"message": "no"}),
        (404, {"message": "no"}),
        (200, {"timeZone": "Middle/Earth"}),
        (200, {"timeZone": "../../secret"}),
        (200, {"timeZone": None}),
        (200, {}),
        (200, []),
    ],
)
def test_an_account_that_does_not_tell_its_zone_is_synced_all_the_same(
    account: Account, free_budget: Any, status: int, body: object
) -> None:
    desk = account(account_lifetime=EXPIRED)
    free_budget.zone = None
    desk.world.faults.add(Fault(path="account-info", status=status, body=body))
    assert desk.provider.prepare().status_property == "hs_appointment_status"
    assert free_budget.zone is None


def test_a_refused_token_is_distinguished_from_a_missing_scope(account: Account) -> None:
    wrong = account(set_up=False, token="pat-eu1-wrong")
    with pytest.raises(AuthFailed) as refused:
        wrong.provider.prepare()
    assert not refused.value.missing_scope
    bare = account(set_up=False, settings={"hubspot_scopes": frozenset()})
    with pytest.raises(AuthFailed, match=r"crm\.") as lacking:
        bare.provider.prepare()
    assert lacking.value.missing_scope


def test_the_scope_that_setup_needs_is_named(account: Account) -> None:
    scopes = account(set_up=False).world.settings.hubspot_scopes
    desk = account(
        set_up=False,
        settings={"hubspot_scopes": scopes - {"crm.schemas.appointments.write"}},
    )
    with pytest.raises(AuthFailed, match=r"crm\.schemas\.appointments\.write"):
        desk.provider.setup(STATUSES)


def test_no_token_stands_in_an_error(account: Account) -> None:
    desk = account(set_up=False, token="pat-eu1-canary-0000")
    with pytest.raises(AuthFailed) as error:
        desk.provider.prepare()
    assert "canary" not in str(error.value)


def test_a_property_that_comes_back_from_the_archive_not_unique_is_refused(
    account: Account,
) -> None:
    desk = account(set_up=False)
    desk.portal.add_property("ghl_appointment_id", archived=True)
    with pytest.raises(NotPrepared, match="does not demand unique values"):
        desk.provider.setup(STATUSES)


def test_somebody_who_made_the_property_in_the_same_instant_is_no_error(account: Account) -> None:
    desk = account(set_up=False)
    desk.world.before_request = lambda entry: (
        desk.portal.add_property("ghl_appointment_id", unique=True)
        if entry.method == "POST"
        and entry.path.endswith("/properties/2026-03/0-421")
        and "ghl_appointment_id" not in desk.portal.appointments.definitions
        else None
    )
    done = dict(desk.provider.setup(STATUSES))
    assert done["property ghl_appointment_id"] is False


def test_owners_are_owners_and_not_users_and_the_deactivated_are_known(account: Account) -> None:
    desk = account(account_lifetime=EXPIRED)
    gone = desk.portal.add_owner("Vera Gone", "vera@example.com")
    desk.portal.archive_owner(gone)
    people = {person.id: person for person in desk.provider.prepare().people}
    assert set(people) == set(desk.portal.owners)
    assert not people[gone].active


def test_every_page_of_owners_is_read(account: Account) -> None:
    desk = account(set_up=False)
    for number in range(150):
        desk.portal.add_owner(f"Person {number}", f"p{number}@example.com")
    desk.provider.setup(STATUSES)
    assert len(desk.provider.prepare().people) == 150 + 3


def test_owners_are_left_alone_where_the_field_is_off(account: Account) -> None:
    desk = account(needs=frozenset({Group.TITLE, Group.TIME, Group.STATUS}))
    assert desk.provider.prepare().people == ()
    assert desk.asked("/owners/") == []


def test_the_account_is_read_once_and_not_with_every_cycle(account: Account, clock: Any) -> None:
    desk = account()
    desk.provider.prepare()
    assert desk.asked() == []
    clock.advance(timedelta(hours=1).total_seconds())
    desk.provider.prepare()
    assert desk.asked("/properties/")


def test_a_refusal_makes_the_next_cycle_read_the_account_again(account: Account) -> None:
    desk = account()
    list(desk.provider.write([desk.command("g1", status="WHENEVER")]))
    desk.world.reset_requests()
    desk.provider.prepare()
    assert desk.asked("/properties/")
    desk.world.reset_requests()
    desk.provider.prepare()
    assert desk.asked() == []


def test_a_filter_property_that_does_not_exist_is_an_error_and_not_an_empty_link(
    account: Account,
) -> None:
    desk = account(set_up=False, filter={"regoin": ("north",)})
    desk.provider.setup(STATUSES)
    with pytest.raises(NotPrepared, match="regoin"):
        desk.provider.prepare()


def test_the_doctor_is_told_everything_that_is_missing_at_once(account: Account) -> None:
    desk = account(
        set_up=False, mapped_fields=(MappedProperty(name="room", property="clinic_room"),)
    )
    missing = [each for each in desk.provider.survey().findings if not each.ok]
    assert len(missing) == 5
    assert all(each.remedy for each in missing)


def test_a_requested_pause_is_kept(account: Account) -> None:
    desk = account(account_lifetime=EXPIRED)
    moving = Fault(path="/properties/", status=477, headers={"Retry-After": "3600"})
    desk.world.faults.add(moving)
    with pytest.raises(Exception, match="properties") as error:
        desk.provider.prepare()
    assert not isinstance(error.value, RateLimited)
    assert getattr(error.value, "retry_after", None) == 3600


# --- mapped fields


def further(desk: Any, name: str = "x") -> Any:
    """What the doctor is told of the one further property."""
    return next(each for each in desk.provider.survey().findings if f"(map.{name})" in each.what)


@pytest.mark.parametrize(
    ("kind", "type_", "fits"),
    [
        (Kind.TEXT, "string", True),
        (Kind.TEXT, "enumeration", True),
        (Kind.TEXT, "number", False),
        (Kind.FLAG, "bool", True),
        (Kind.FLAG, "datetime", False),
        (Kind.MOMENT, "datetime", True),
        (Kind.MOMENT, "date", False),
        (Kind.LIST, "string", True),
        (Kind.LIST, "bool", False),
    ],
)
def test_a_mapped_property_has_to_hold_the_kind_of_value_that_it_gets(
    account: Account, kind: Kind, type_: str, *, fits: bool
) -> None:
    desk = account(
        set_up=False, mapped_fields=(MappedProperty(name="x", property="mine", kind=kind),)
    )
    desk.portal.add_property("mine", type=type_)
    found = further(desk)
    assert found.ok is fits
    assert fits or "name a property of type" in found.remedy


def test_a_read_only_property_is_mapped_only_as_a_source(account: Account) -> None:
    into = MappedProperty(name="x", property="hs_object_id", kind=Kind.TEXT)
    desk = account(set_up=False, mapped_fields=(into,))
    assert "read-only" in further(desk).detail


def test_the_address_of_a_record_is_made_from_the_account_s_own_answer(account: Account) -> None:
    desk = account(set_up=False, record_link="mine")
    desk.portal.add_property("mine")
    desk.provider.setup(STATUSES)
    record = desk.book()
    desk.provider.prepare()
    (seen,) = desk.provider.fetch([record]).values()
    assert seen.unlinked
    desk.portal.edit(
        record, mine=f"https://app.hubspot.example/contacts/24600001/record/0-421/{record}"
    )
    (seen,) = desk.provider.fetch([record]).values()
    assert not seen.unlinked


def test_the_account_is_read_once_for_its_zone_and_its_number(account: Account) -> None:
    desk = account(set_up=False, record_link="mine")
    desk.portal.add_property("mine")
    desk.provider.setup(STATUSES)
    desk.provider.prepare()
    assert len(desk.asked("account-info")) == 1
