"""The configuration as values: every key, its meaning, its default.

The one place where a key is defined. `load` fills these models, the rest of
syncd reads them, and the example file, `config show` and the error messages
are generated from them: a new key is a new line here. The text under a key is
its documentation; it must make sense to a person who reads the example file
(`describe` reads it from the source when it is asked for, because pydantic's
own way costs every start 60 ms).
Defaults that depend on a machine, and where values come from, live in
`sources`; what several links may not do together in `overlaps`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    model_validator,
)

from syncd.config import addresses, values
from syncd.config.values import Accepts, Duration, PositiveDuration, duration
from syncd.core import mapped_fields

DEFAULT_TO_HUBSPOT: Mapping[str, str] = {
    "new": "SCHEDULED",
    "confirmed": "SCHEDULED",
    "showed": "COMPLETED",
    "noshow": "NO_SHOW",
    "cancelled": "CANCELLED",
    "invalid": "CANCELLED",
}
DEFAULT_TO_GHL: Mapping[str, values.GhlStatus] = {
    "SCHEDULED": "confirmed",
    "COMPLETED": "showed",
    "NO_SHOW": "noshow",
    "CANCELLED": "cancelled",
}


class Section(BaseModel):
    """A table of the configuration file: frozen, and closed to unknown keys."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,  # a value may be a token in the wrong place
        validate_default=True,
    )

    whole: ClassVar[bool] = False
    """Whether giving this table replaces the one below it, instead of adding to it."""
    accepts: ClassVar[str] = "a table"
    """What may stand where this table is expected."""
    groups: ClassVar[bool] = False
    """Whether its sections are written as tables of their own."""

    @classmethod
    def as_table(cls, given: object) -> object:
        """Expand a short form into its table."""
        return given


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


class Reference(Section):
    """The place where a secret is kept: a variable, a file, or a systemd credential."""

    whole: ClassVar[bool] = True

    env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """The environment variable that holds it."""
    file: Annotated[str, Field(min_length=1)] | None = None
    """A file that only its owner can read."""
    credential: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] | None = None
    """The name of a systemd credential (a file in $CREDENTIALS_DIRECTORY)."""

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """The places that are named, each with its kind: `("env", "GHL_TOKEN")`."""
        named = {"env": self.env, "file": self.file, "credential": self.credential}
        return tuple((kind, name) for kind, name in named.items() if name is not None)

    @property
    def place(self) -> tuple[str, str]:
        """The only place; just where one is named."""
        (place,) = self.places
        return place


class TokenReference(Reference):
    """Where a token is kept: the configuration never contains the token itself."""

    accepts: ClassVar[str] = (
        'where the token is kept: { env = "NAME" }, { file = "/path" } or { credential = "name" }'
    )

    @model_validator(mode="after")
    def _names_one_place(self) -> Self:
        if len(self.places) != 1:
            raise ValueError(f"accepted: {self.accepts}, exactly one of them")
        return self


class LinkTokenReference(TokenReference):
    """Where a vendor's token is kept, or that it comes from a connection of `syncd connect`."""

    accepts: ClassVar[str] = (
        'where the token is kept: { env = "NAME" }, { file = "/path" } or '
        '{ credential = "name" }, or { oauth = true }'
    )

    oauth: Literal[True] | None = None
    """It comes from an OAuth connection, which `syncd connect` makes."""

    @model_validator(mode="after")
    def _names_one_place(self) -> Self:
        if len(self.places) + bool(self.oauth) != 1:
            raise ValueError(f"accepted: {self.accepts}, exactly one of them")
        return self


class KeyReference(TokenReference):
    """Where a key is kept that encrypts what the store must not hold in clear."""

    accepts: ClassVar[str] = (
        'where the key is kept: { file = "syncd.key" }, { env = "NAME" } or { credential = "name" }'
    )


def _some_key(keys: tuple[KeyReference, ...]) -> tuple[KeyReference, ...]:
    if not keys:
        raise ValueError("an empty list names no key")
    return keys


class SecretReference(Reference):
    """Where a secret is kept that may be missing: then what needs it is off."""

    accepts: ClassVar[str] = (
        'where it is kept: { env = "NAME" }, { file = "/path" } or { credential = "name" }, or ""'
    )

    @classmethod
    def as_table(cls, given: object) -> object:
        """An empty text is no place."""
        return {} if given == "" else given

    @model_validator(mode="before")
    @classmethod
    def _written_out(cls, given: object) -> object:
        return cls.as_table(given)

    @model_validator(mode="after")
    def _names_one_place(self) -> Self:
        if len(self.places) > 1:
            raise ValueError(f"accepted: {self.accepts}, one of them")
        return self

    @property
    def given(self) -> bool:
        """Whether a place is named."""
        return bool(self.places)


class StoreSettings(Section):
    """Where syncd keeps what the two sides agreed on."""

    url: Annotated[addresses.StoreUrl, Field(repr=False)] = "sqlite:///syncd.db"
    """A SQLite file, relative to this file, or a PostgreSQL database:
    postgresql+psycopg://user@host/dbname
    """
    secret_key: Annotated[
        values.OneOrMore[KeyReference],
        AfterValidator(_some_key),
        Accepts(
            words='where the key is kept: { file = "syncd.key" }, { env = "NAME" } or '
            '{ credential = "name" }, or a list of them'
        ),
    ] = (KeyReference(file="syncd.key"),)
    """Where the key is kept that encrypts OAuth tokens in the store: one Fernet key on one line.
    `syncd connect` makes the file. A list: the first encrypts, the others still decrypt.
    """

    @property
    def is_embedded(self) -> bool:
        """Whether it is a file of this machine, which one daemon works on."""
        return self.url.startswith("sqlite")

    @property
    def file(self) -> Path | None:
        """The SQLite file, where it is one."""
        name = self.url.split("?", 1)[0].partition(":///")[2]
        return Path(name) if self.is_embedded else None


class ScheduleSettings(Section):
    """When the daemon works."""

    poll_interval: PositiveDuration = duration("60s")
    """The incremental cycle of a link; any length longer than nothing.
    Stretched so that polls use at most half of a vendor's daily quota.
    """
    sweep_interval: PositiveDuration = duration("6h")
    """The full cycle: re-reads everything in the window and every pair that is not retired."""


class HttpSettings(Section):
    """The daemon's own listener."""

    listen: addresses.Listen = "127.0.0.1:8787"
    """Health, metrics and status page of the daemon; "" turns it off."""
    token: SecretReference = SecretReference()
    """Where the token is kept that clients must send, as a bearer token or a browser's password:
    { env = "…" }, { file = "…" } or { credential = "…" } (systemd); "" is none.
    Who sends it may also decide on the page.
    Where others than this machine can ask, and there is no read_token, it is needed:
    then it is looked for in $STATUS_TOKEN unless another place is named.
    """
    read_token: SecretReference = SecretReference()
    """Where a second token is kept, for monitoring: it shows `/`, `/healthz` and `/metrics`
    without the names of people, and decides nothing.
    """
    public_url: addresses.PageUrl = ""
    """The address at which a proxy serves the page, such as "https://syncd.example.com":
    decisions are taken from there, too.
    """

    @property
    def asks_for_token(self) -> bool:
        """Whether requests need a token."""
        if self.address is None:
            return False
        given = self.token.given or self.read_token.given
        return given or not addresses.is_loopback(self.address[0])

    @property
    def token_place(self) -> SecretReference | None:
        """Where the token is kept that decides; None where there is none."""
        if self.token.given:
            return self.token
        if self.read_token.given or not self.asks_for_token:
            return None
        return SecretReference(env="STATUS_TOKEN")

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port, or None where nothing listens."""
        return addresses.host_and_port(self.listen) if self.listen else None


class LoggingSettings(Section):
    """What is logged, and how it looks."""

    format: Literal["auto", "console", "json"] = "auto"
    """auto (console on a terminal, json otherwise) | console | json."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important messages that are still written: debug | info | warning | error."""


class LiveSettings(Section):
    """Announcements of the vendors: a change is on the other side within seconds."""

    listen: addresses.Listen = ""
    """Where the daemon takes the vendors' deliveries and the redirects of OAuth, such as
    "127.0.0.1:8788", behind a proxy that ends TLS; "" takes none.
    """
    public_url: addresses.PublicUrl = ""
    """The address at which the vendors reach it: "https://sync.example.com".
    HubSpot signs it: without it no delivery of HubSpot is taken.
    """
    relaxed_poll_interval: PositiveDuration = duration("5m")
    """The poll interval of a link both of whose sides announce their changes."""
    journal_interval: PositiveDuration = duration("5s")
    """How often HubSpot's journal is read."""

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port, or None where nothing listens."""
        return addresses.host_and_port(self.listen) if self.listen else None


class HighLevelApp(Section):
    """Your own Marketplace app of HighLevel, target user Sub-account."""

    client_id: values.OptionalId = ""
    """The client id, as the app's page shows it: the app's id, a dash and a suffix."""
    client_secret: SecretReference = SecretReference(env="GHL_CLIENT_SECRET")
    """Where the client secret is kept:
    { env = "…" }, { file = "…" } or { credential = "…" } (systemd).
    """
    webhook_key: values.OneOrMore[values.Ed25519Key] = (
        "MCowBQYDK2VwAyEAi2HR1srL4o18O8BRa7gVJY7G7bupbN3H9AwJrHCDiOg=",
    )
    """HighLevel's public key, which verifies deliveries; of a list, any of them does."""
    base_url: addresses.ServiceUrl = "https://services.leadconnectorhq.com"
    """Where tokens are made; another one only for tests."""
    authorize_url: addresses.ServiceUrl = (
        "https://marketplace.gohighlevel.com/v2/oauth/chooselocation"
    )
    """Where a person installs the app."""
    version_id: values.OptionalId = ""
    """Sent along to authorize_url, where the link that HighLevel shows has one."""

    @property
    def app_id(self) -> str:
        """The id of the app, which deliveries name; "" where there is no app."""
        # Observed on 2026-08-20: a client id is the app's id, a dash and eight characters.
        return self.client_id.partition("-")[0]


class HubSpotApp(Section):
    """Your own project app of HubSpot."""

    client_id: values.OptionalId = ""
    """The client id, from the Auth tab of the app."""
    client_secret: SecretReference = SecretReference(env="HUBSPOT_CLIENT_SECRET")
    """Where the client secret is kept, which verifies deliveries as well:
    { env = "…" }, { file = "…" } or { credential = "…" } (systemd).
    """
    base_url: addresses.ServiceUrl = "https://api.hubapi.com"
    """Where tokens are made and the journal is read; another one only for tests."""
    authorize_url: addresses.ServiceUrl = "https://app.hubspot.com/oauth/authorize"
    """Where a person installs the app."""
    scopes: values.Ids = ()
    """What the app asks for; empty means the list that syncd needs.
    HubSpot installs only what equals the list of the app itself.
    """
    journal: bool = False
    """Whether to read the Webhooks Journal of the app, which only OAuth apps have."""

    @property
    def journal_key(self) -> str:
        """What the store knows the app by: the server and the client id."""
        return f"{addresses.server_of(self.base_url)} {self.client_id}"


class AppsSettings(Section):
    """Your own apps at the vendors: they announce changes, and connect accounts."""

    groups: ClassVar[bool] = True

    highlevel: HighLevelApp = HighLevelApp()
    """The app at HighLevel."""
    hubspot: HubSpotApp = HubSpotApp()
    """The app at HubSpot."""


class WebhookReference(Reference):
    """Where messages are posted to; the address is often a secret, and is treated as one."""

    accepts: ClassVar[str] = (
        'an address such as "https://hooks.example.com/…", where it is kept: { env = "NAME" }, '
        '{ file = "/path" } or { credential = "name" }, or ""'
    )

    url: addresses.WebhookUrl = None
    """The address itself."""

    @classmethod
    def as_table(cls, given: object) -> object:
        """An address may stand for the table; "" is none."""
        if isinstance(given, str):
            return {"url": given} if given else {}
        return given

    @model_validator(mode="before")
    @classmethod
    def _written_out(cls, given: object) -> object:
        return cls.as_table(given)

    @model_validator(mode="after")
    def _names_one_place(self) -> Self:
        if (self.url is not None) + len(self.places) > 1:
            raise ValueError(f"accepted: {self.accepts}, one of them")
        return self

    @property
    def given(self) -> bool:
        """Whether there is a webhook at all."""
        return self.url is not None or bool(self.places)

    def fits(self, address: str) -> bool:
        """Whether this is such an address."""
        return addresses.is_web_address(address)


class NotifyUrl(WebhookReference):
    """One address of Apprise, which holds credentials."""

    accepts: ClassVar[str] = (
        'an address of Apprise such as "ntfys://topic", or where it is kept: { env = "NAME" }, '
        '{ file = "/path" } or { credential = "name" }'
    )

    url: addresses.NotifyUrl = None
    """The address itself."""

    @model_validator(mode="after")
    def _is_given(self) -> Self:
        if not self.given:
            raise ValueError(f"accepted: {self.accepts}")
        return self

    def fits(self, address: str) -> bool:
        """Whether this is such an address."""
        return addresses.is_apprise_address(address)


class NotifySettings(Section):
    """Who is notified when a link or a record needs a person; a link may have its own."""

    webhook: WebhookReference = WebhookReference()
    """Where a JSON message is posted to when a link breaks, recovers or trips a guard, or when
    a record waits too long: an address, { env = "…" }, { file = "…" } or { credential = "…" }.
    "" posts none.
    """
    command: values.CommandLine = ()
    """A program that is given the same message on its standard input:
    ["/usr/local/bin/page", "--urgent"]
    """
    urls: values.OneOrMore[NotifyUrl] = ()
    """Where the same message goes by mail, Slack, Teams, ntfy and many more: addresses of
    Apprise, each as a text or where it is kept: ["ntfys://topic", { env = "OPS_MAIL" }]
    They need the extra: pip install 'syncd[notify]'
    """
    held_longer_than: Duration = duration("24h")
    """How long a record may be held before people are notified."""
    starts_within: Duration = duration("24h")
    """People are notified at once of a held appointment that starts within this time."""

    @property
    def channels(self) -> tuple[str, ...]:
        """The ways that messages take, by their names."""
        return (*self.addresses, *(["command"] if self.command else []))

    @property
    def addresses(self) -> Mapping[str, WebhookReference]:
        """The channels that have an address; one of `urls` is called by its place."""
        found: dict[str, WebhookReference] = {"webhook": self.webhook} if self.webhook.given else {}
        for number, url in enumerate(self.urls):
            place = f"urls[{number}]" if url.url is not None else ":".join(url.place)
            found[place] = url
        return found


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
    filter: values.PropertyFilter = {}
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


class ConflictSettings(Section):
    """Who wins where the same field was changed on both sides."""

    whole: ClassVar[bool] = True
    accepts: ClassVar[str] = (
        "newest | ghl | hubspot | hold, or a table of them by time, status, text and owner"
    )

    time: values.Winner = "newest"
    """Start and end."""
    status: values.Winner = "newest"
    """The status."""
    text: values.Winner = "newest"
    """Title, description and address."""
    owner: values.Winner = "newest"
    """The owner."""

    @classmethod
    def as_table(cls, given: object) -> object:
        """One word counts for every group."""
        if isinstance(given, str) and given in get_args(values.Winner):
            return dict.fromkeys(cls.model_fields, given)
        return given

    @model_validator(mode="before")
    @classmethod
    def _written_out(cls, given: object) -> object:
        return cls.as_table(given)


class Guard(Section):
    """A guard stops when both numbers are exceeded."""

    accepts: ClassVar[str] = "a table such as { percent = 20, at_least = 5 }"

    percent: values.Percent
    """More than this share of the link's pairs."""
    at_least: values.Floor
    """And more than this many records."""


class RemovalGuard(Guard):
    """The numbers of the removal guard."""

    percent: values.Percent = 20
    at_least: values.Floor = 5


class ChangeGuard(Guard):
    """The numbers of the change guard."""

    percent: values.Percent = 50
    at_least: values.Floor = 200


class SyncSettings(Section):
    """What is synced, and how differences are settled."""

    direction: values.Way = "both"
    """Which way appointments travel: both | ghl_to_hubspot | hubspot_to_ghl."""
    past: Duration = duration("30d")
    """Appointments that start within [now - past, now + future] are in scope."""
    future: Duration = duration("365d")
    """How far ahead; see past."""
    recurring: Literal["each", "skip"] = "each"
    """Instances of a series: each (as an appointment of its own) | skip."""
    recurring_future: Duration = duration("60d")
    """How far ahead instances are made on the other side."""
    first_sync: Literal["ask", "go"] = "ask"
    """The daemon, at the first cycle of a link with more than 25 writes on a side:
    ask (plan, and wait for a person) | go.
    """
    first_meeting: Literal["ghl", "hubspot", "hold"] = "ghl"
    """Who wins where records meet for the first time and differ: ghl | hubspot | hold."""
    conflict: ConflictSettings = ConflictSettings()
    """Who wins where a field was changed on both sides: newest | ghl | hubspot | hold;
    or by group: { time = "ghl", status = "ghl", text = "newest", owner = "hubspot" }
    """
    ghl_deleted: Literal["archive", "cancel", "ignore"] = "archive"
    """What a deletion in HighLevel does in HubSpot: archive | cancel | ignore."""
    hubspot_archived: Literal["cancel", "delete", "ignore"] = "cancel"
    """What an archive in HubSpot does in HighLevel: cancel | delete | ignore."""
    create_contacts: values.CreateContacts = "both"
    """Make a missing contact: both | hubspot | ghl | none; true and false mean both and none."""
    double_booking: Literal["refuse", "allow"] = "refuse"
    """Bookings, moves and reopenings from HubSpot onto a taken slot: refuse (hold it) | allow."""
    removal_guard: RemovalGuard = RemovalGuard()
    """Stop removals if more than both would be removed within 24 hours."""
    change_guard: ChangeGuard = ChangeGuard()
    """After the first sync: stop if more than both of the pairs
    would be created or changed on a side in one cycle.
    """
    rotation: values.Floor = 100
    """How many known HubSpot records each poll reads again, in turn: it finds archives, merges
    and changed contacts before the next full cycle does. Two requests for each hundred; 0 for none.
    """
    history_keep: PositiveDuration = duration("400d")
    """How long before-and-after values are kept."""


class FieldSettings(Section):
    """Which way each field travels: both | ghl_to_hubspot | hubspot_to_ghl | off."""

    title: values.FieldWay = "both"
    """In HubSpot: hs_appointment_name."""
    time: values.FieldWay = "both"
    """In HubSpot: hs_appointment_start and hs_appointment_end."""
    status: values.FieldWay = "both"
    """In HubSpot: the property that status_property names."""
    description: values.FieldWay = "both"
    """In HubSpot: ghl_description (made by setup)."""
    address: values.FieldWay = "both"
    """In HubSpot: ghl_address (made by setup)."""
    owner: values.FieldWay = "both"
    """In HubSpot: hubspot_owner_id."""


class FieldMap(Section):
    """One more field of HighLevel's appointments, and the HubSpot property that it goes to."""

    accepts: ClassVar[str] = 'a table such as { ghl = "calendarName", hubspot = "clinic_calendar" }'

    ghl: values.GhlField
    """The field in HighLevel: calendarName, appointmentStatus, highlevelLink, hubspotLink, …"""
    hubspot: values.PropertyName
    """The internal name of the HubSpot property, which has to be there."""
    direction: values.FieldWay = "ghl_to_hubspot"
    """both | ghl_to_hubspot | hubspot_to_ghl | off.
    HighLevel takes title, description and address only,
    and only where the field of that name in [fields] is off.
    """
    conflict: values.Winner = "newest"
    """Who wins where both sides changed it: newest | ghl | hubspot | hold."""
    template: values.LinkTemplate = ""
    """For highlevelLink: the address, where yours is another one; it may name
    {location}, {contact}, {appointment} and {calendar}.
    """

    @model_validator(mode="after")
    def _can_flow(self) -> Self:
        writes = self.direction in {"both", "hubspot_to_ghl"}
        if writes and self.ghl not in mapped_fields.WRITABLE:
            takes = ", ".join(mapped_fields.WRITABLE)
            raise ValueError(
                f"HighLevel does not take {self.ghl}, so its direction is ghl_to_hubspot "
                f"(it takes {takes})"
            )
        if self.template and self.ghl != mapped_fields.HIGHLEVEL_LINK:
            raise ValueError(f"template goes with ghl = {mapped_fields.HIGHLEVEL_LINK!r}")
        return self

    @property
    def on(self) -> bool:
        """Whether it flows at all."""
        return self.direction != "off"

    @property
    def into_ghl(self) -> bool:
        """Whether it writes to HighLevel."""
        return self.direction in {"both", "hubspot_to_ghl"}


def _names_all_six(table: Mapping[str, str]) -> Mapping[str, str]:
    missing = [name for name in get_args(values.GhlStatus) if name not in table]
    if missing:
        raise ValueError(
            f"{', '.join(missing)} missing: a table that is given replaces the default one "
            "and names all six statuses"
        )
    return table


class StatusSettings(Section):
    """How statuses are translated; a table that is given replaces the default one."""

    to_hubspot: Annotated[
        Mapping[values.GhlStatusKey, values.PropertyValue],
        AfterValidator(_names_all_six),
        Accepts(words='a table: new = "SCHEDULED", …, for all six HighLevel statuses'),
    ] = DEFAULT_TO_HUBSPOT
    """HighLevel status to HubSpot value.
    A table that is given replaces this one and names all six statuses,
    each with a value that the account has.
    """
    to_ghl: Annotated[
        Mapping[str, values.GhlStatus],
        Accepts(words='a table from HubSpot values to HighLevel statuses: SCHEDULED = "confirmed"'),
    ] = DEFAULT_TO_GHL
    """HubSpot value to HighLevel status; a table that is given replaces this one.
    A record whose value is in neither table is held.
    """

    @property
    def given(self) -> bool:
        """Whether `to_hubspot` was configured: then a value that the account lacks is an error."""
        return "to_hubspot" in self.model_fields_set


_VARIANTS = 8
"""How many different tables of a kind, the newest, are kept to be shared."""

_kept: dict[type, list[Section]] = {}
_names: dict[frozenset[str], set[str]] = {}


def _keep_once(table: Section) -> None:
    """Replace each table within this one by an equal one that is kept already.

    Thousands of links mostly differ in ids and tokens: of 6 KiB each, 2 stay.
    Tables are frozen, so nobody can tell.
    """
    given = table.model_fields_set
    table.__pydantic_fields_set__ = _names.setdefault(frozenset(given), given)
    for name, value in table.__dict__.items():
        if not isinstance(value, Section):
            continue
        _keep_once(value)
        alike = _kept.setdefault(type(value), [])
        for each in alike:
            # What was given counts as well (`StatusSettings.given`).
            if each == value and each.model_fields_set == value.model_fields_set:
                table.__dict__[name] = each
                break
        else:
            alike.insert(0, value)
            del alike[_VARIANTS:]


class LinkSettings(Section):
    """One link: one HighLevel location and one HubSpot account."""

    groups: ClassVar[bool] = True

    _name: str = PrivateAttr(default="")

    ghl: GhlSettings
    hubspot: HubSpotSettings = HubSpotSettings()
    sync: SyncSettings = SyncSettings()
    fields: FieldSettings = FieldSettings()
    status: StatusSettings = StatusSettings()
    notify: NotifySettings = NotifySettings()
    map: Annotated[
        Mapping[values.MapName, FieldMap],
        Accepts(words='tables [links.NAME.map.FIELD] with ghl = "…" and hubspot = "…"'),
    ] = {}

    def model_post_init(self, context: object, /) -> None:
        """Keep the tables once that this link has in common with others."""
        super().model_post_init(context)  # the name's place
        _keep_once(self)

    @property
    def name(self) -> str:
        """What the link is called: the NAME of `[links.NAME]`."""
        return self._name


class FleetSettings(Section):
    """Many machines on one PostgreSQL database."""

    engine: Literal["none", "procrastinate"] = "none"
    """procrastinate (the extra syncd[fleet]) deals the links out evenly to all processes.
    With none each link is worked by the oldest living process that knows it.
    """


class Settings(Section):
    """The whole configuration, after includes, defaults and environment."""

    _files: tuple[Path, ...] = PrivateAttr(default=())
    _foreign: tuple[str, ...] = PrivateAttr(default=())

    store: StoreSettings = StoreSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    http: HttpSettings = HttpSettings()
    logging: LoggingSettings = LoggingSettings()
    live: LiveSettings = LiveSettings()
    apps: AppsSettings = AppsSettings()
    notify: NotifySettings = NotifySettings()
    fleet: FleetSettings = FleetSettings()
    links: Annotated[
        Mapping[values.LinkName, LinkSettings],
        Accepts(words="tables [links.NAME], NAME being made of a-z, 0-9 and _"),
    ] = {}

    def model_post_init(self, context: object, /) -> None:
        """Tell each link its name."""
        del context
        for name, link in self.links.items():
            link._name = name  # noqa: SLF001 - the name is the key of the table that holds the link

    def logged_at(self, level: str) -> Self:
        """The same with another log level; "" leaves it as it is."""
        if not level:
            return self
        logging = self.logging.model_copy(update={"level": level})
        return self.model_copy(update={"logging": logging})

    @property
    def path(self) -> Path | None:
        """The main file, where the configuration came from one."""
        return next(iter(self._files), None)

    @property
    def foreign(self) -> tuple[str, ...]:
        """Variables of the environment with the prefix SYNCD_ that resemble no key."""
        return self._foreign

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that it came from, the main one first."""
        return self._files
