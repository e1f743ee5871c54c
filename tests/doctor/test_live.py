"""The doctor on announcements: the public address, a signed delivery, the journal."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from syncd.live.signatures import hubspot_signature
from syncd.sandbox import SandboxSettings
from syncd.store import Store, open_engine
from syncd.store.journal import Subscription

SETTINGS = SandboxSettings()
SECRET = {"HUBSPOT_CLIENT_SECRET": SETTINGS.hubspot_client_secret}


class Address:
    """A public address that answers as a test says, and what it was sent."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: dict[str, int] = {}
        self.sent: list[tuple[Any, bytes]] = []


@contextmanager
def listening() -> Iterator[Address]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(made.answers.get(self.path, 200))

        def do_POST(self) -> None:
            made.sent.append((self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
            self._answer(made.answers.get(self.path, 200))

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Address(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def address() -> Iterator[Address]:
    with listening() as made:
        yield made


def _live(practice: Any, more: str, env: dict[str, str] | None = None) -> list[Any]:
    tokens = {"GHL_TOKEN": SETTINGS.ghl_token, "HUBSPOT_TOKEN": SETTINGS.hubspot_token}
    found = practice.findings(more, tokens | (env or {}))
    return [each for each in found if each.area == "live"]


def test_nothing_is_said_where_nothing_is_announced(practice: Any) -> None:
    assert _live(practice, "") == []


def test_a_signed_delivery_of_account_0_is_made(practice: Any, address: Address) -> None:
    found = _live(practice, f'[live]\npublic_url = "{address.url}"\n', SECRET)
    assert [each.mark for each in found] == ["ok", "ok"]
    ((headers, body),) = address.sent
    assert [event["portalId"] for event in json.loads(body)] == [0]
    stamp = headers["X-HubSpot-Request-Timestamp"]
    url = f"{address.url}/hooks/crm".encode()
    wanted = hubspot_signature(SETTINGS.hubspot_client_secret, "POST", url, body, stamp)
    assert headers["X-HubSpot-Signature-v3"] == wanted


@pytest.mark.parametrize(
    ("path", "status", "remedy", "code"),
    [
        ("/livez", 404, "proxy", 7),
        ("/livez", 502, "start the daemon", 7),
        ("/livez", 301, "redirect", 7),
        ("/hooks/crm", 401, "secret", 2),
        ("/hooks/crm", 503, "store", 7),
        ("/hooks/crm", 405, "proxy", 7),
    ],
)
def test_each_answer_has_its_remedy(
    path: str, status: int, remedy: str, code: int, practice: Any, address: Address
) -> None:
    address.answers[path] = status
    found = _live(practice, f'[live]\npublic_url = "{address.url}"\n', SECRET)
    (bad,) = [each for each in found if each.mark == "error"]
    assert (remedy in bad.remedy, bad.code) == (True, code)


def test_an_address_that_nobody_answers_at_is_told(practice: Any) -> None:
    with listening() as gone:
        url = gone.url
    found = _live(practice, f'[live]\npublic_url = "{url}"\n')
    assert [(each.mark, each.code) for each in found] == [("error", 7)]
    assert "cannot be reached" in found[0].what


def test_a_listener_without_a_public_address_is_warned_of(practice: Any) -> None:
    (found,) = _live(practice, '[live]\nlisten = "127.0.0.1:8788"\n')
    assert (found.mark, "live.public_url" in found.remedy) == ("warning", True)


@pytest.mark.parametrize(
    ("secret", "mark", "code"),
    [(SETTINGS.hubspot_client_secret, "ok", 0), ("another", "error", 6), ("", "error", 2)],
)
def test_the_journal_is_asked_for(secret: str, mark: str, code: int, practice: Any) -> None:
    app = (
        f'[apps.hubspot]\njournal = true\nclient_id = "{SETTINGS.hubspot_client_id}"\n'
        f'base_url = "{practice.clinic.server.hubspot_url}"\n'
    )
    found = _live(practice, app, {"HUBSPOT_CLIENT_SECRET": secret} if secret else {})
    assert [(each.mark, each.code) for each in found] == [(mark, code)]
    assert not secret or secret not in str(found)


def test_an_account_that_refuses_the_journal_is_told_of(practice: Any) -> None:
    app = (
        f'[apps.hubspot]\njournal = true\nclient_id = "{SETTINGS.hubspot_client_id}"\n'
        f'base_url = "{practice.clinic.server.hubspot_url}"\n'
    )
    settings = practice.settings(app)
    with Store(open_engine(settings.store.url), practice.clock) as store:
        for account, refusal in (("246", "HubSpot answers 403: MISSING_SCOPES"), ("247", "")):
            row = Subscription(
                account=account,
                kind="records 0-421",
                key="",
                made=True,
                digest="",
                refusal=refusal,
                asked_at=practice.clock.now(),
            )
            store.journal.keep(settings.apps.hubspot.journal_key, row)
    answers, refused = _live(practice, app, SECRET)
    assert (answers.mark, "no account yet" in answers.what) == ("ok", True)
    assert (refused.mark, refused.code) == ("warning", 0)
    assert "account 246 (records 0-421)" in refused.what
    assert "MISSING_SCOPES" in refused.what
    assert "scopes" in refused.remedy
