"""The tables: one set for SQLite and PostgreSQL, everything keyed by link.

The repositories build their statements from these; `migrations/` creates them,
and a test proves that both agree. Many links share one store.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    text,
)
from sqlalchemy.sql.elements import TextClause

from syncd.store.types import Instant, Json, Words

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

Key = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only where the type is exactly INTEGER."""


def _key() -> Column[int]:
    return Column("id", Key, primary_key=True)


def _link() -> Column[int]:
    return Column("link_id", Key, ForeignKey("link.id", ondelete="CASCADE"), nullable=False)


def _words(name: str) -> Column[str]:
    return Column(name, Words, nullable=False, server_default="")


def _number(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default="0")


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("false"))


link = Table(
    "link",
    metadata,
    _key(),
    Column("name", String, nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    # Who works on the link: see `leases`. The fence grows with every new holder; `owner` is the
    # member of a PostgreSQL store, and beside SQLite a file lock says it.
    Column("holder", Json),
    Column("owner", Key, ForeignKey("member.id", ondelete="SET NULL")),
    _number("fence"),
    # How many pairs live: counting a million of them in every cycle would cost too much.
    _number("living"),
    # A mark of the last transaction, to find out whether a commit without an answer took effect.
    Column("last_commit", String, nullable=False, server_default=""),
    Index("ix_link_owner", "owner"),
)
"""One row per link: its name, and who holds it."""


member = Table(
    "member",
    metadata,
    _key(),
    Column("holder", Json, nullable=False),
    Column("joined_at", Instant, nullable=False),
    Column("lease_until", Instant, nullable=False),
    Column("schema", String, nullable=False, server_default=""),
    Column("version", String, nullable=False, server_default=""),
    Column("digest", String, nullable=False, server_default=""),
    # The links that it may take, and the addresses that it listens at.
    Column("knows", Json),
    Column("listens", Json),
    # How many links its share comes to, where an engine deals them out.
    _number("share"),
    # A number that was forgotten must not name another process.
    sqlite_autoincrement=True,
)
"""A process that works on links of a PostgreSQL store: see `members`."""


pair = Table(
    "pair",
    metadata,
    _key(),
    _link(),
    # NULL, not "", for an id that is not known: any number of those may stand side by side.
    Column("ghl_id", Words),
    Column("hubspot_id", Words),
    Column("ghl", Json, nullable=False),
    Column("hubspot", Json, nullable=False),
    # Per side, drawn from the agreement for searching by it.
    Column("ghl_print", String, nullable=False),
    Column("hubspot_print", String, nullable=False),
    Column("ghl_start", Instant),
    Column("hubspot_start", Instant),
    _words("ghl_contact"),
    _words("hubspot_contact"),
    _flag("ghl_gone"),
    _flag("hubspot_gone"),
    _number("version"),
    _words("calendar"),
    Column("series", Json),
    Column("removal", Json),
    Column("open_groups", Json),
    _flag("marked"),
    _flag("unmarkable"),
    Column("owner_by_us", String),
    Column("saved_at", Instant, nullable=False),
    Index("uq_pair_ghl_id", "link_id", "ghl_id", unique=True),
    Index("uq_pair_hubspot_id", "link_id", "hubspot_id", unique=True),
    # `prints`: the whole answer stands in the index.
    Index("ix_pair_ghl_print", "link_id", "ghl_id", "ghl_print"),
    Index("ix_pair_hubspot_print", "link_id", "hubspot_id", "hubspot_print"),
    # `missing_from_scan`
    Index("ix_pair_ghl_start", "link_id", "ghl_gone", "ghl_start", "ghl_id", "id"),
    Index("ix_pair_hubspot_start", "link_id", "hubspot_gone", "hubspot_start", "hubspot_id", "id"),
    # `pairs_at`
    Index("ix_pair_ghl_contact", "link_id", "ghl_contact"),
    Index("ix_pair_hubspot_contact", "link_id", "hubspot_contact"),
    # `rotation`
    Index("ix_pair_turn", "link_id", "hubspot_gone", "id", "hubspot_id"),
    # A key is never given twice, since the history speaks of pairs that are no more.
    sqlite_autoincrement=True,
)
"""Two records that are one appointment, and their last agreed values."""


intent = Table(
    "intent",
    metadata,
    _key(),
    _link(),
    Column("key", Words, nullable=False),
    Column("side", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("pair_key", Key, nullable=False, server_default="0"),
    Column("created_at", Instant, nullable=False),
    Column("payload", Json, nullable=False),
    Index("uq_intent_key", "link_id", "key", unique=True),
)
"""A write that was decided and whose outcome is not known."""


hold = Table(
    "hold",
    metadata,
    _key(),
    _link(),
    _words("ghl_id"),
    _words("hubspot_id"),
    _words("group_key"),
    Column("reason", String, nullable=False),
    _words("detail"),
    Column("since", Instant),
    _number("attempts"),
    Column("retry_at", Instant),
    Column("fingerprint", String, nullable=False, server_default=""),
    Column("starts_at", Instant),
    _words("title"),
    Column("sides", Json, nullable=False),
    Column("candidates", Json),
    Index("uq_hold_record", "link_id", "ghl_id", "hubspot_id", "group_key", "reason", unique=True),
)
"""A record, or one group of a pair, that waits."""


cursor = Table(
    "cursor",
    metadata,
    Column(
        "link_id", Key, ForeignKey("link.id", ondelete="CASCADE"), primary_key=True, nullable=False
    ),
    Column("name", String, primary_key=True, nullable=False),
    Column("value", Words, nullable=False),
    # The daemon asks which of all links are paused.
    Index(
        "ix_cursor_paused",
        "link_id",
        sqlite_where=text("name = 'paused'"),
        postgresql_where=text("name = 'paused'"),
    ),
)
"""Cursors and other short facts of a link, by name."""


contact = Table(
    "contact",
    metadata,
    _key(),
    _link(),
    Column("ghl_id", Words, nullable=False),
    Column("hubspot_id", Words, nullable=False),
    Index("uq_contact_ghl_id", "link_id", "ghl_id", unique=True),
    Index("uq_contact_hubspot_id", "link_id", "hubspot_id", unique=True),
)
"""Two contacts known to be one person."""


def when_removing() -> TextClause:
    """The condition of the index of removals; a fresh clause, since it ends up in a table."""
    return text("action = 'remove'")


history = Table(
    "history",
    metadata,
    _key(),
    _link(),
    Column("at", Instant, nullable=False),
    Column("cycle", String, nullable=False),
    Column("side", String, nullable=False),
    _words("ghl_id"),
    _words("hubspot_id"),
    Column("action", String, nullable=False),
    _words("field"),
    Column("before", Words),
    Column("after", Words),
    _words("why"),
    Column("pair_key", Key, nullable=False, server_default="0"),
    Column("record", String, nullable=False, server_default="appointment"),
    _words("title"),
    Column("starts_at", Instant),
    Column("author", String, nullable=False, server_default="sync"),
    _words("decided_by"),
    Index("ix_history_ghl_id", "link_id", "ghl_id", "id"),
    Index("ix_history_hubspot_id", "link_id", "hubspot_id", "id"),
    Index("ix_history_cycle", "link_id", "cycle", "id"),
    Index("ix_history_pair", "link_id", "pair_key", "at"),
    Index("ix_history_at", "link_id", "at", "id"),
    # `removals_since` is asked in every cycle, and removals are few among writes.
    Index(
        "ix_history_removed_at",
        "link_id",
        "at",
        sqlite_where=when_removing(),
        postgresql_where=when_removing(),
    ),
    sqlite_autoincrement=True,
)
"""Each write: where, when and why, with the value before and after."""


cycle = Table(
    "cycle",
    metadata,
    _key(),
    _link(),
    Column("cycle", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant, nullable=False),
    Column("outcome", String, nullable=False),
    Column("report", Json, nullable=False),
    Index("uq_cycle_cycle", "link_id", "cycle", unique=True),
    Index("ix_cycle_link_id_id", "link_id", "id"),
)
"""One finished cycle."""


block = Table(
    "block",
    metadata,
    _key(),
    Column("account", String, nullable=False),
    Column("places", Integer, nullable=False),
    Column("free_at", Instant, nullable=False),
    Index("ix_block_account", "account", "free_at"),
    # A number that was forgotten must not name another process's block.
    sqlite_autoincrement=True,
)
"""Places of an account's rate limit that one process has taken: see `ledger`."""


account = Table(
    "account",
    metadata,
    Column("token", String, primary_key=True, nullable=False),
    Column("number", String, nullable=False),
    Column("told_at", Instant, nullable=False),
)
"""The account of a token (its digest), as the vendor named it."""


decision = Table(
    "decision",
    metadata,
    _key(),
    _link(),
    Column("kind", String, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("payload", Json, nullable=False),
    Column("closed_at", Instant),
    Index("ix_decision_open", "link_id", "closed_at", "id"),
    # The daemon asks what waits of all links.
    Index(
        "ix_decision_waiting",
        "link_id",
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
    sqlite_autoincrement=True,
)
"""A decision of a person; closed once a cycle has carried it out."""


told = Table(
    "told",
    metadata,
    Column(
        "link_id", Key, ForeignKey("link.id", ondelete="CASCADE"), primary_key=True, nullable=False
    ),
    Column("key", Words, primary_key=True, nullable=False),
    Column("told_at", Instant, nullable=False),
)
"""An announced event of a link that has not ended: people are notified once."""


letter = Table(
    "letter",
    metadata,
    _key(),
    _link(),
    Column("channel", String, nullable=False),
    Column("body", Json, nullable=False),
    Column("made_at", Instant, nullable=False),
    _number("attempts"),
    Column("due_at", Instant, nullable=False),
    Index("ix_letter_link_id_id", "link_id", "id"),
    # A new notification must not get the number of a sent one.
    sqlite_autoincrement=True,
)
"""A message to people that has not been taken yet: see `outbox`."""


connection = Table(
    "connection",
    metadata,
    _key(),
    Column("vendor", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("account", String, nullable=False),
    Column("company", String, nullable=False, server_default=""),
    _words("name"),
    Column("client_id", String, nullable=False, server_default=""),
    _words("scopes"),
    # Encrypted: tokens of any length.
    _words("access"),
    _words("refresh"),
    _number("generation"),
    Column("lease_until", Instant),
    # Set while an answer may be missing: the vendor repeats it for a short time only.
    Column("asked_at", Instant),
    # Who asked then: its lease ends with it.
    Column("asker", Json),
    _number("failures"),
    Column("token_ends", Instant),
    Column("renew_at", Instant),
    _words("refusal"),
    Column("connected_at", Instant, nullable=False),
    Column("installed_at", Instant),
    Column("uninstalled_at", Instant),
    Index("uq_connection_account", "vendor", "kind", "account", unique=True),
    Index("ix_connection_vendor_account", "vendor", "account"),
    # The id of a connection that was forgotten must not name another one.
    sqlite_autoincrement=True,
)
"""An OAuth connection, or a location's token made from its agency's: see `connections`."""


oauth_attempt = Table(
    "oauth_attempt",
    metadata,
    # The digest of the state that the vendor hands back.
    Column("state", String, primary_key=True, nullable=False),
    Column("vendor", String, nullable=False),
    _words("redirect_uri"),
    _words("verifier"),
    Column("begun_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("claimed_at", Instant),
    Column("outcome", String, nullable=False, server_default=""),
    _words("detail"),
    Column("connection_id", Key, nullable=False, server_default="0"),
)
"""A run of `syncd connect` that waits for its redirect."""


announcement = Table(
    "announcement",
    metadata,
    _key(),
    _link(),
    Column("side", String, nullable=False),
    Column("what", String, nullable=False),
    _words("record"),
    Column("way", String, nullable=False, server_default="app"),
    Column("received_at", Instant, nullable=False),
    Column("occurred_at", Instant),
    Index("ix_announcement_link_id_id", "link_id", "id"),
    # A cycle closes what it was given: a later announcement must not get the same number.
    sqlite_autoincrement=True,
)
"""Where a vendor says that something changed, until a cycle has looked: see `announcements`."""


delivery = Table(
    "delivery",
    metadata,
    _key(),
    _link(),
    Column("digest", String, nullable=False),
    Column("received_at", Instant, nullable=False),
    Index("uq_delivery_digest", "link_id", "digest", unique=True),
    Index("ix_delivery_received_at", "link_id", "received_at"),
)
"""A delivery that was stored for a link: vendors send it again."""


journal = Table(
    "journal",
    metadata,
    # The server and the client id.
    Column("app", String, primary_key=True, nullable=False),
    _words("place"),
    Column("read_until", Instant),
    Column("reader", String, nullable=False, server_default=""),
    _number("fence"),
    Column("lease_until", Instant),
)
"""How far HubSpot's journal of an app is read, and by whom: see `journal`."""


journal_subscription = Table(
    "journal_subscription",
    metadata,
    Column("app", String, primary_key=True, nullable=False),
    Column("account", String, primary_key=True, nullable=False),
    Column("kind", String, primary_key=True, nullable=False),
    _words("key"),
    _flag("made"),
    Column("digest", String, nullable=False, server_default=""),
    _words("refusal"),
    Column("asked_at", Instant, nullable=False),
)
"""What an account was asked to announce in the journal, and its answer."""
