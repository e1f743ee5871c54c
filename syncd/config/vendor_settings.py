"""The tables `ghl` and `hubspot` of a link: its HighLevel location and its HubSpot account."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import (
    AfterValidator,
    model_validator,
)

from syncd.config import addresses, values
from syncd.config.references import LinkTokenReference, SecretReference
from syncd.config.section import Section
from syncd.config.values import Accepts, Duration, PositiveDuration, duration


class RateLimit(Section):
    """At most so many requests in any window of that length."""

    accepts: ClassVar[str] = 'a table such as { requests = 100, per = "10s" }'

    requests: values.Count = 100
    """How many requests."""
    per: PositiveDuration = duration("10s")
    """The length of the window."""


class SearchRateLimit(RateLimit):
    """The same for searches, which HubSpot counts on their own."""

    requests: values.Count = 5
    per: PositiveDuration = duration("1s")


class Route(Section):
    """Where the appointments created in HubSpot with this property value are booked."""

    accepts: ClassVar[str] = (
        'a table such as { property = "hubspot_owner_id", value = "77", calendar = "…" }'
    )

    property: values.PropertyName
    """The HubSpot property that is looked at."""
    value: values.PropertyValue
    """The value that it must have."""
    calendar: values.OptionalId = ""
    """The calendar to book on; "" is default_calendar."""
    assignee: values.OptionalId = ""
    """The HighLevel user to book for; "" is default_assignee."""

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        if not (self.calendar or self.assignee):
            raise ValueError("a route names a calendar, an assignee or both")
        return self


def _distinct(ids: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ids))


class GhlSettings(Section):
    """The HighLevel location of a link."""

    base_url: addresses.ServiceUrl = "https://services.leadconnectorhq.com"
    """Where the API is; another one only for tests."""
    location_id: values.Id
    """The id of the location (sub-account): Settings, Business Profile, Location ID."""
    token: LinkTokenReference = LinkTokenReference(env="GHL_TOKEN")
    """Where the private integration token is kept:
    { env = "…" }, { file = "…" } or { credential = "…" } (systemd).
    { oauth = true } is a connection of `syncd connect highlevel`.
    """
    hook_secret: SecretReference = SecretReference()
    """Where the secret is kept that a workflow's webhook for this link has to show, in the header
    X-Syncd-Secret: { env = "…" }, { file = "…" } or { credential = "…" }; "" takes none.
    """
    calendars: Annotated[values.Ids, AfterValidator(_distinct)] = ()
    """Calendar ids; empty means every active calendar of the location."""
    default_calendar: values.OptionalId = ""
    """Where an appointment created in HubSpot is booked (always synced too); "" holds it."""
    default_assignee: values.OptionalId = ""
    """HighLevel user for calendars that need one;
    "" is the primary team member where the record has no owner.
    """
    routes: Annotated[
        tuple[Route, ...],
        Accepts(words='a list of tables: [{ property = "…", value = "…", calendar = "…" }]'),
    ] = ()
    """Where appointments created in HubSpot are booked; the first match wins:
    [{ property = "hubspot_owner_id", value = "77", calendar = "…", assignee = "…" }]
    """
    notify: values.Notify = "never"
    """Whether HighLevel tells people of what syncd writes: never | live | always.
    live is for fresh changes by people, never for a first sync, a rebuild or an undo.
    What a first sync left undone stays its doing until a person changes the record, and a change
    that could not be synced for a day is not fresh any more.
    false and true mean never and always.
    """
    rate_limit: RateLimit = RateLimit()
    """Never more requests than this to the location, however many commands run."""


class HubSpotSettings(Section):
    """The HubSpot account of a link."""

    base_url: addresses.ServiceUrl = "https://api.hubapi.com"
    """Where the API is; another one only for tests."""
    token: LinkTokenReference = LinkTokenReference(env="HUBSPOT_TOKEN")
    """Where the service key or private app token is kept:
    { env = "…" }, { file = "…" } or { credential = "…" } (systemd).
    { oauth = true } is a connection of `syncd connect hubspot`.
    """
    hub_id: values.HubId = 0
    """The account's number, as HubSpot shows it beside the account's name; 0: the token's.
    A token of another account ends with 2, before anything is read or written there.
    """
    show_held: bool = False
    """Whether a held record says why in its HubSpot property ghl_sync_note, which setup makes.
    It is written whatever the direction, and never read back.
    """
    api_version: values.ApiVersion = "2026-03"
    """The dated version of the API."""
    object_type: values.ObjectType = "0-421"
    """The object type of appointments."""
    filter: values.PropertyFilter = {}  # noqa: RUF012 - pydantic gives each model a copy
    """Which HubSpot records belong to this link: { property = ["value", "value"] }.
    Needed where links share an account.
    """
    status_property: values.PropertyName = "auto"
    """auto | the name of the property that holds the status (hs_pipeline_stage included).
    auto is hs_appointment_status where the account has it,
    else ghl_appointment_status, which setup makes.
    """
    rate_limit: RateLimit = RateLimit()
    """Never more requests than this to the account, however many commands run."""
    search_rate_limit: SearchRateLimit = SearchRateLimit()
    """HubSpot counts searches on their own."""
    search_lag: Duration = duration("10s")
    """How late the search index may show a change."""
