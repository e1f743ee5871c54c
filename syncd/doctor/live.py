"""Checks announcements: the public address, a signed delivery of our own, HubSpot's journal.

`examine` calls it where anything of `[live]` or `[apps]` is configured. HighLevel's
deliveries can be signed by HighLevel alone, so that only its own show that they arrive.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import httpx

import syncd
from syncd import config
from syncd.config import Settings
from syncd.doctor.finding import Finding, error, ok, raised, warning
from syncd.errors import ConfigError, StoreError
from syncd.live import signatures
from syncd.live.journal_client import JournalAway, JournalClient, JournalRefused
from syncd.live.journal_subscriptions import CONTACTS
from syncd.observability.words import count
from syncd.ports.clock import Clock
from syncd.providers import proxies
from syncd.store import Store, open_engine

AREA = "live"

TIMEOUT = 10.0
"""Seconds for an answer at the public address; the vendors wait five."""

_PATHS = "/hooks/, /oauth/callback and /livez"
_UNPROXIED = f"let the proxy pass {_PATHS} on to live.listen"


def judge(
    settings: Settings, clock: Clock, env: Mapping[str, str] | None, *, usable: bool = False
) -> Iterator[Finding]:
    """Everything about announcements; nothing where none are configured.

    Where the store is `usable`, it tells which accounts refuse the journal.
    """
    live, apps = settings.live, settings.apps
    if live.listen and not live.public_url:
        yield warning(
            AREA,
            "deliveries are listened for, and HubSpot's cannot be verified",
            'set live.public_url to the address that the vendors reach: "https://…"',
        )
    if live.public_url:
        yield from _public(settings, clock, env)
    client_id = apps.highlevel.client_id
    if client_id and apps.highlevel.app_id == client_id:
        yield warning(
            AREA,
            f"apps.highlevel.client_id {client_id} has no dash, so that its app is not known",
            "copy the whole client id from Manage, Secrets: deliveries of another app are refused",
        )
    if apps.hubspot.journal:
        yield from _journal(settings, clock, env)
        yield from _refusals(settings, clock) if usable else ()


def _public(settings: Settings, clock: Clock, env: Mapping[str, str] | None) -> Iterator[Finding]:
    address = settings.live.public_url
    parts = urlsplit(address)
    if parts.scheme != "https" and parts.hostname not in {"127.0.0.1", "::1", "localhost"}:
        yield warning(
            AREA,
            f"{address} is not https: the vendors deliver to https addresses only",
            "put a proxy with a certificate in front: deploy/Caddyfile or deploy/nginx.conf",
        )
    headers = {"User-Agent": f"syncd/{syncd.__version__}"}
    try:
        opened = proxies.opened(lambda: httpx.Client(timeout=TIMEOUT, headers=headers))
    except ConfigError as fault:
        yield from raised(AREA, fault)
        return
    with opened as client:
        found = _lives(client, address)
        yield found
        if found.mark == "ok":
            yield from _delivery(client, settings, clock, env)


def _lives(client: httpx.Client, address: str) -> Finding:
    """Whether the public address leads to a listener."""
    try:
        status = client.get(f"{address}/livez").status_code
    except httpx.HTTPError as fault:
        return _unreachable(address, fault)
    if status == 200:
        return ok(AREA, f"{address} answers")
    remedy = _UNPROXIED
    if 300 <= status < 400:
        remedy = "set live.public_url to the address that it leads to: vendors follow no redirect"
    elif status in {502, 503, 504}:
        remedy = "start the daemon, and let the proxy lead to live.listen"
    return error(AREA, f"{address}/livez answers {status}", remedy, code=7)


def _unreachable(address: str, fault: httpx.HTTPError) -> Finding:
    below: BaseException | None = fault
    while below is not None:
        if isinstance(below, ssl.SSLError) or "CERTIFICATE" in str(below):
            why = getattr(below, "verify_message", "") or "the handshake failed"
            return error(
                AREA,
                f"the certificate of {address} is not accepted: {why}",
                "renew it, or have the proxy send the whole chain; the vendors refuse it as well",
                code=7,
            )
        below = below.__cause__ or below.__context__
    return error(
        AREA,
        f"{address} cannot be reached from here: {type(fault).__name__}",
        "check the name, the firewall and the proxy, and that the daemon runs; where only the "
        "outside reaches it, ask for /livez from there",
        code=7,
    )


def _delivery(
    client: httpx.Client, settings: Settings, clock: Clock, env: Mapping[str, str] | None
) -> Iterator[Finding]:
    """Deliver an event of an account that is nobody's, signed as HubSpot signs."""
    try:
        secret = config.resolve_client_secret(settings.apps, "hubspot", env)
    except ConfigError as fault:
        yield from raised(AREA, fault)
        return
    if secret is None:
        return
    stamp = str(int(clock.now().timestamp() * 1000))
    address = f"{settings.live.public_url}/hooks/crm"
    event = {"portalId": 0, "eventId": 0, "subscriptionType": "doctor", "occurredAt": int(stamp)}
    body = json.dumps([event]).encode()
    signature = signatures.hubspot_signature(
        secret.get_secret_value(), "POST", address.encode(), body, stamp
    )
    headers = {
        "Content-Type": "application/json",
        "X-HubSpot-Request-Timestamp": stamp,
        "X-HubSpot-Signature-v3": signature,
    }
    try:
        status = client.post(address, content=body, headers=headers).status_code
    except httpx.HTTPError as fault:
        yield error(AREA, f"{address} does not answer: {type(fault).__name__}", _UNPROXIED, code=7)
        return
    yield _judged(address, status)


def _judged(address: str, status: int) -> Finding:
    if status == 200:
        return ok(AREA, f"a signed delivery to {address} is taken")
    if status == 401:
        return error(
            AREA,
            f"a signed delivery to {address} is not taken for authentic (401)",
            "the daemon may run with another live.public_url or another secret: reload it; or the "
            "proxy changes the path or the body, or the clock of one machine is off",
        )
    if status == 503:
        return error(
            AREA,
            f"a delivery to {address} cannot be stored (503)",
            "look at the store: `syncd status`",
            code=7,
        )
    return error(AREA, f"a delivery to {address} is answered {status}", _UNPROXIED, code=7)


def _journal(settings: Settings, clock: Clock, env: Mapping[str, str] | None) -> Iterator[Finding]:
    """Whether the app may read its journal, and which accounts it has subscribed to."""
    app = settings.apps.hubspot
    try:
        secret = config.resolve_client_secret(settings.apps, "hubspot", env)
    except ConfigError as fault:
        yield from raised(AREA, fault)
        return
    if secret is None or not app.client_id:
        yield error(
            AREA,
            "HubSpot's journal is to be read, and the app is not configured",
            "set apps.hubspot.client_id and apps.hubspot.client_secret",
        )
        return
    shown = secret.get_secret_value()
    try:
        with JournalClient(
            base_url=app.base_url, client_id=app.client_id, secret=lambda: shown, clock=clock
        ) as client:
            rows = client.subscriptions()
            client.latest()
    except JournalRefused as fault:
        yield error(
            AREA,
            f"HubSpot refuses its journal to this app: {fault}",
            "check client id and secret; the journal needs an app with OAuth; or set "
            "apps.hubspot.journal = false: webhooks and polls go on without it",
            code=6,
        )
    except JournalAway as fault:
        yield error(AREA, f"HubSpot's journal: {fault}", "try again later", code=7)
    except ConfigError as fault:
        yield from raised(AREA, fault)
    else:
        # What an account tells of contacts alone announces no appointment.
        accounts = {
            str(row["portalId"])
            for row in rows
            if row.get("portalId") and str(row.get("objectTypeId")) != CONTACTS
        }
        if accounts:
            yield ok(AREA, f"HubSpot's journal is read, for {count(len(accounts), 'account')}")
        else:
            told = "it tells of no account yet; the daemon subscribes to those of its links"
            yield ok(AREA, f"HubSpot's journal answers this app; {told}")


def _refusals(settings: Settings, clock: Clock) -> Iterator[Finding]:
    """What HubSpot refused when the daemon asked for it last."""
    try:
        with Store(open_engine(settings.store.url), clock) as store:
            refused = store.journal.state(settings.apps.hubspot.journal_key).refused
    except StoreError as fault:
        yield from raised(AREA, fault)
        return
    for (account, what), why in sorted(refused.items()):
        yield warning(
            AREA,
            f"HubSpot refuses the journal for {f'account {account}' if account else 'the app'} "
            f"({what}), which is polled only: {why}",
            "give the app the scopes that the refusal names, upload it, and connect the account "
            "anew: `syncd connect hubspot`; the daemon asks again within an hour",
        )
