"""The settings of a sandbox: tokens, kinds of account, oddities, limits.

Made for a `SandboxWorld` (by tests, the `sandbox` and `demo` verbs) and read by every handler.
Faults are not here, because they change while a world runs: see `faults`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from syncd.sandbox.rewriting import Texts

GHL_SCOPES = frozenset(
    {
        "calendars.readonly",
        "calendars.write",
        "calendars/events.readonly",
        "calendars/events.write",
        "calendars/groups.readonly",
        "contacts.readonly",
        "contacts.write",
        "locations.readonly",
        "users.readonly",
    }
)
HUBSPOT_SCOPES = frozenset(
    {
        "crm.objects.appointments.read",
        "crm.objects.appointments.write",
        "crm.objects.contacts.read",
        "crm.objects.contacts.write",
        "crm.objects.owners.read",
        "crm.schemas.appointments.read",
        "crm.schemas.appointments.write",
        "crm.schemas.contacts.read",
        "crm.schemas.contacts.write",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """At most `requests` arrivals in any `seconds` long window."""

    requests: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """The accounts and habits of both vendors.

    Every default is the vendors' observed behaviour, or the stricter choice if it is unknown;
    a test that needs another one uses `dataclasses.replace`.
    """

    # Credentials, made up.
    ghl_token: str = "pit-00000000-0000-4000-8000-000000000001"  # noqa: S105
    hubspot_token: str = "pat-eu1-00000000-0000-4000-8000-000000000002"  # noqa: S105
    further_hubspot_tokens: frozenset[str] = frozenset()
    """More tokens of the same account."""
    ghl_scopes: frozenset[str] = GHL_SCOPES
    hubspot_scopes: frozenset[str] = HUBSPOT_SCOPES

    # The two apps: of a Marketplace app the part before the dash is its `appId`.
    ghl_client_id: str = "66f0c0ffee00000000000001-sandbox1"
    ghl_client_secret: str = "00000000-0000-4000-8000-000000000003"  # noqa: S105
    hubspot_client_id: str = "00000000-0000-4000-8000-000000000004"
    hubspot_client_secret: str = "00000000-0000-4000-8000-000000000005"  # noqa: S105
    """It signs HubSpot's deliveries as well."""
    hubspot_required_scopes: frozenset[str] | None = None
    """The scopes that an authorization has to name exactly; None takes any."""
    ghl_dead_refresh_status: int = 400

    # HighLevel.
    location_timezone: str = "Europe/Zurich"
    location_country: str = "CH"
    get_envelope: Literal["appointment", "event"] = "appointment"
    status_reset_on_put: bool = True
    slot_validation: Literal["off", "overlap", "offered", "verbatim"] = "offered"
    """What a booking with validation must be: anything; free; an offered slot; its very text."""
    moves_validated: bool = True
    """Whether an update of the times is checked as a booking is; the descriptions do not say."""
    reopening_validated: bool = False
    """Whether a status that makes a cancelled appointment count again is checked like a move."""
    assignee_required: bool = True
    allow_duplicate_contacts: bool = False
    contact_priority: tuple[str, ...] = ("email", "phone")
    contact_search_lag: timedelta = timedelta(0)
    create_status: int = 200
    unknown_event_status: int = 404
    list_rule: Literal["overlap", "start"] = "overlap"
    list_masters: bool = False
    ghl_skew: timedelta = timedelta(0)
    """How far the vendor's clock is ahead: it shows in stamps and in the `Date` header."""
    delete_moves_date_updated: bool = False
    ghl_texts: Texts = "kept"
    """What becomes of titles, descriptions and addresses that the API is sent."""
    ghl_rounds_times: bool = False
    ghl_repeats: bool = False
    """Answers to writes repeat the texts that were sent, whatever was made of them."""

    # HubSpot.
    activated: bool = True
    not_activated_status: int = 404
    hubspot_status: Literal["native", "none", "pipeline"] = "native"
    stage_required: bool = False
    """A new appointment needs a stage, and a pipeline with it."""
    cancelled_spelling: Literal["CANCELLED", "CANCELED"] = "CANCELLED"
    status_values: tuple[str, ...] = ("SCHEDULED", "COMPLETED", "CANCELLED", "NO_SHOW")
    search_lag: timedelta = timedelta(0)
    unique_of_archived: Literal["freed", "conflict"] = "freed"
    restore_associations: bool = True
    secondary_email_lookup: bool = False
    merge_keeps_primary_id: bool = False
    merge_redirects: bool = True
    """Whether an id that was merged away leads to the record that lives on."""
    hubspot_skew: timedelta = timedelta(0)
    hubspot_texts: Texts = "kept"
    """What becomes of names, descriptions and addresses of appointments that the API is sent."""
    hubspot_repeats: bool = False
    """Answers to writes repeat the texts that were sent, whatever was made of them."""
    errors_inside_200: bool = False
    """A batch that failed in part answers 200 or 201 instead of 207, as one version describes."""
    inline_associations: Literal["id_type", "dated"] = "id_type"
    associations_of_none: Literal["absent", "errors"] = "absent"
    reverse_batch_results: bool = True
    """Batch answers come in another order than the inputs: the vendor promises none."""
    paths_as_in_2026_03: bool = False
    """Whether 2026-09 still has the paths that its description has no longer."""
    strict: bool = True
    """On dated paths, refuse what the vendor's description does not allow, even where the real
    service would overlook it: unknown keys, missing keys that it marks as required."""

    # Limits. The meters always count (their headers are in the answers); they refuse only when
    # `enforce_limits` is set.
    enforce_limits: bool = False
    ghl_limit: RateLimit = field(default=RateLimit(requests=100, seconds=10.0))
    ghl_daily: int = 200_000
    hubspot_limit: RateLimit = field(default=RateLimit(requests=100, seconds=10.0))
    hubspot_daily: int = 250_000
    search_limit: RateLimit = field(default=RateLimit(requests=5, seconds=1.0))
    retry_after: bool = False
    latency: float = 0.0
    """Seconds that every answer takes, spent in the world's `sleep`."""
    record_requests: bool = True
