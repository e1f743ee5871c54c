"""What a configuration file says reaches the parts that it is about."""

from collections.abc import Callable
from pathlib import Path

from vendor_accounts import VendorAccounts

from syncd.bootstrap import App
from syncd.bootstrap.providers import CONCURRENCY
from syncd.config import load
from syncd.core.model import Side
from syncd.core.outcome import Outcome
from syncd.engine.cycle import CycleRequest
from syncd.engine.report import CycleReport
from syncd.sandbox import LoggedRequest, SandboxSettings

TOKENS = {
    "GHL_TOKEN": SandboxSettings().ghl_token,
    "HUBSPOT_TOKEN": SandboxSettings().hubspot_token,
}


def synced(app: App) -> CycleReport:
    (name,) = app.link_names()
    app.setup(name)
    report = app.cycle(name, CycleRequest())
    assert report.outcome is Outcome.OK, report.detail
    return report


def test_owners_are_matched(clinic: VendorAccounts, opened: Callable[..., App]) -> None:
    clinic.book()
    synced(opened())
    (record,) = clinic.hubspot.records()
    owner = clinic.hubspot.owners[record.properties["hubspot_owner_id"]]
    (event,) = clinic.ghl.events()
    assert owner.email == clinic.ghl.users[str(event.assignee)].email


def test_an_account_without_the_owners_scope_is_asked_for_none_where_the_field_is_off(
    clinic: VendorAccounts, opened: Callable[..., App]
) -> None:
    clinic.book()
    synced(opened('[links.clinic.fields]\nowner = "off"\n'))
    assert not [row for row in clinic.world.requests_of("hubspot") if "/owners" in row.path]


def test_further_fields_arrive(clinic: VendorAccounts, opened: Callable[..., App]) -> None:
    for name in ("desk", "page", "word"):
        clinic.hubspot.add_property(name)
    app = opened(
        '[links.clinic.map.calendar]\nghl = "calendarName"\nhubspot = "desk"\n'
        '[links.clinic.map.link]\nghl = "hubspotLink"\nhubspot = "page"\n'
        '[links.clinic.map.ghl_status]\nghl = "appointmentStatus"\nhubspot = "word"\n'
    )
    clinic.book()
    synced(app)
    (record,) = clinic.hubspot.records()
    assert record.properties["desk"] == clinic.ghl.calendars[clinic.calendar].name
    assert record.properties["page"].endswith(f"/record/0-421/{record.id}")
    assert record.properties["word"] == "confirmed"


def test_a_property_that_is_not_there_is_said_before_anything_is_written(
    clinic: VendorAccounts, opened: Callable[..., App]
) -> None:
    app = opened('[links.clinic.map.calendar]\nghl = "calendarName"\nhubspot = "desk"\n')
    clinic.book()
    app.setup("clinic")
    report = app.cycle("clinic", CycleRequest())
    assert report.outcome is Outcome.NOT_PREPARED
    assert "HubSpot property desk (map.calendar): does not exist" in report.detail
    assert clinic.hubspot.records() == []


def test_a_changed_rate_limit_holds_from_the_next_opening_on_and_an_equal_one_stays(
    opened: Callable[..., App], clinic: VendorAccounts, tmp_path: Path
) -> None:
    app = opened()

    def limits(*, work: bool = False) -> dict[Side, tuple[int, int]]:
        with app.lock("clinic") as lease:
            kept = app.open_link("clinic", lease)
            if work:
                kept.cycle(CycleRequest())
            seen = {side: wire.budget for side, wire in kept.traffic().items()}
            kept.close()
        return {side: (budget.limit, budget.used) for side, budget in seen.items()}

    before = limits(work=True)
    more = '\n[links.clinic.ghl.rate_limit]\nrequests = 7\nper = "1s"\n'
    app.adopt(load(clinic.configure(more), TOKENS, tmp_path))
    after = limits()
    assert before[Side.GHL][0] != 7
    assert after[Side.GHL][0] == 7
    assert before[Side.HUBSPOT][1] > 0
    assert after[Side.HUBSPOT] == before[Side.HUBSPOT], "what was used is not forgotten"


def test_a_link_that_is_lost_while_it_is_written_sends_nothing_more(
    opened: Callable[..., App], clinic: VendorAccounts, tmp_path: Path
) -> None:
    """Each request that writes asks for the lease, those in the middle of a chunk as well."""
    for number in range(12):
        clinic.make(f"Call {number}", hours=24 + 2 * number)
    app = opened()
    app.setup("clinic")
    posted: list[str] = []

    def lose_it(request: LoggedRequest) -> None:
        if request.side == "ghl" and request.method == "POST":
            posted.append(request.path)
            # Somebody took the lock file away: another syncd may take the link.
            (tmp_path / "syncd.db.locks" / "clinic.lock").unlink(missing_ok=True)

    clinic.world.before_request = lose_it
    report = app.cycle("clinic", CycleRequest())
    assert report.outcome is Outcome.LOCKED, report.detail
    assert len(posted) <= CONCURRENCY
