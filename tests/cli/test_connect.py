"""`syncd connect`, `connections`, `disconnect`: a person of ours clicks, the rest is real."""

import json
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import oauth_office
import pytest
from running_program import free_port
from vendor_accounts import VendorAccounts

Run = Callable[..., Any]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def office(clinic: VendorAccounts, monkeypatch: pytest.MonkeyPatch, port: int) -> VendorAccounts:
    """The clinic with apps of its own, and a link that uses connections on both sides."""
    monkeypatch.delenv("GHL_TOKEN")
    monkeypatch.delenv("HUBSPOT_TOKEN")
    for name, value in oauth_office.configure(clinic, port).items():
        monkeypatch.setenv(name, value)
    return clinic


@pytest.fixture
def pages() -> list[httpx.Response]:
    """What the person saw last."""
    return []


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch, pages: list[httpx.Response]) -> Callable[..., None]:
    """`person(location=…)`: who makes that choice on the consent page, and follows the redirect."""
    walks: list[threading.Thread] = []

    def chooses(*, follow: bool = True, **choice: str) -> None:
        def walk(address: str) -> None:
            answer = httpx.get(address, params=_with(address, choice))
            pages.append(answer)
            if follow:
                pages.append(httpx.get(answer.headers["location"]))

        def opened(address: str) -> None:
            walks.append(threading.Thread(target=walk, args=(address,)))
            walks[-1].start()

        monkeypatch.setattr("syncd.cli.connect._open", opened)

    return chooses


def _with(address: str, choice: dict[str, str]) -> httpx.QueryParams:
    return httpx.QueryParams(urlsplit(address).query).merge(choice)


def test_both_vendors_are_connected_and_the_link_syncs(
    office: VendorAccounts,
    syncd: Run,
    person: Callable[..., None],
    pages: list[httpx.Response],
    tmp_path: Path,
) -> None:
    waiting = syncd("--sync-now", "--json")
    assert waiting.code == 2
    assert json.loads(waiting.out)["links"]["clinic"]["outcome"] == "not_prepared"
    assert "syncd connect highlevel" in json.loads(waiting.out)["links"]["clinic"]["detail"]

    person(location=office.ghl.id)
    done = syncd("connect", "highlevel")
    assert done.code == 0, done.err
    assert f"HighLevel location {office.ghl.id} is connected" in done.out
    assert pages[-1].status_code == 200
    key = tmp_path / "syncd.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert str(key) in done.out

    person(account=str(office.hubspot.portal_id))
    second = syncd("connect", "hubspot", "--json")
    assert json.loads(second.out)["connection"] == 2
    assert "/oauth/authorize" in second.err

    office.book()
    assert syncd("setup").code == 0
    report = syncd("--sync-now", "--json")
    assert report.code == 0, report.out
    assert json.loads(report.out)["links"]["clinic"]["hubspot"]["created"] == 1

    rows = json.loads(syncd("connections", "--json").out)["connections"]
    assert [(r["vendor"], r["kind"], r["account"], r["state"], r["links"]) for r in rows] == [
        ("highlevel", "location", office.ghl.id, "ok", ["clinic"]),
        ("hubspot", "account", str(office.hubspot.portal_id), "ok", ["clinic"]),
    ]
    assert rows[0]["name"] == "Lakeside Clinic"
    assert "contacts.readonly" in rows[0]["scopes"]

    shown = syncd("disconnect", "1", "--dry-run")
    assert (shown.code, "clinic" in shown.out) == (0, True)
    assert syncd("disconnect", "1").code == 2  # nobody can be asked
    shown = syncd("disconnect", "1", "--dry-run", "--json")
    assert json.loads(shown.out)["connection"] == rows[0]
    gone = syncd("disconnect", "1", "--yes")
    assert (gone.code, "uninstall the app" in gone.out) == (0, True)
    assert syncd("--sync-now").code == 2
    assert syncd("disconnect", "1", "--yes").code == 2


def test_an_agency_serves_its_locations(
    office: VendorAccounts, syncd: Run, person: Callable[..., None]
) -> None:
    person(company=office.ghl.company_id)
    assert syncd("connect", "highlevel").code == 0
    person(account=str(office.hubspot.portal_id))
    assert syncd("connect", "hubspot").code == 0
    assert syncd("setup").code == 0
    assert syncd("--sync-now").code == 0
    asked = len(office.world.requests)
    assert syncd("--sync-now").code == 0
    paths = [row.path for row in office.world.requests[asked:]]
    assert not [path for path in paths if path.startswith("/oauth")]  # the token is shared
    rows = json.loads(syncd("connections", "--json").out)["connections"]
    assert (rows[0]["kind"], rows[0]["links"]) == ("agency", ["clinic"])
    assert len(rows) == 2


@pytest.mark.usefixtures("office")
def test_whoever_says_no_or_nothing_is_told(
    syncd: Run,
    person: Callable[..., None],
    pages: list[httpx.Response],
) -> None:
    person(deny="true")
    refused = syncd("connect", "hubspot")
    assert (refused.code, "says no" in refused.err) == (6, True)
    assert pages[-1].status_code == 403

    person(follow=False, account="1")
    late = syncd("connect", "hubspot", "--timeout", "0.2s")
    assert (late.code, "no redirect came" in late.err) == (7, True)
    target = pages[-1].headers["location"]
    assert syncd("connect", "hubspot", "--redirected", target).code == 2


def test_a_redirect_that_cannot_arrive_is_handed_over(
    office: VendorAccounts,
    syncd: Run,
    pages: list[httpx.Response],
    monkeypatch: pytest.MonkeyPatch,
    port: int,
) -> None:
    monkeypatch.setenv("SYNCD_LIVE__PUBLIC_URL", "https://sync.example.com")
    done: list[object] = []

    def opened(address: str) -> None:
        assert "redirect_uri=https%3A%2F%2Fsync.example.com%2Foauth%2Fcallback" in address
        chosen = httpx.get(address, params=_with(address, {"location": office.ghl.id}))
        target = chosen.headers["location"]
        for query in ("", "?code=x", "?code=x&state=y", "?step=authorize&returnUrl=z"):
            page = httpx.get(f"http://127.0.0.1:{port}/oauth/callback{query}")
            assert page.status_code == 400
            assert "syncd connect" in page.text
        from syncd.cli import execute

        done.append(execute(["connect", "highlevel", "--redirected", target]))
        done.append(execute(["connect", "highlevel", "--redirected", target]))
        late = target.replace("https://sync.example.com", f"http://127.0.0.1:{port}")
        pages.append(httpx.get(late))

    monkeypatch.setattr("syncd.cli.connect._open", opened)
    shown = syncd("connect", "highlevel")
    assert shown.code == 0
    assert shown.out.count("links that use it: clinic") == 2  # told by both commands
    assert done == [0, 2]
    assert pages[-1].status_code == 400


@pytest.mark.parametrize("change", ["lost", "wrong"])
def test_a_lost_or_wrong_key_stops_these_links_and_harms_nothing(
    office: VendorAccounts,
    syncd: Run,
    person: Callable[..., None],
    tmp_path: Path,
    change: str,
) -> None:
    for vendor, choice in (("highlevel", office.ghl.id), ("hubspot", "24600001")):
        person(**{"location" if vendor == "highlevel" else "account": choice})
        assert syncd("connect", vendor).code == 0
    key, kept = tmp_path / "syncd.key", tmp_path / "kept.key"
    key.rename(kept)
    if change == "wrong":
        from cryptography.fernet import Fernet

        key.write_bytes(Fernet.generate_key())
        key.chmod(0o600)
    report = json.loads(syncd("--sync-now", "--json").out)
    assert report["links"]["clinic"]["outcome"] == "not_prepared"
    refused = syncd("connect", "hubspot")
    assert (refused.code, "store.secret_key" in refused.err) == (2, True)
    with suppress(FileNotFoundError):
        key.unlink()
    kept.rename(key)
    assert syncd("setup").code == 0
    assert syncd("--sync-now").code == 0
    states = json.loads(syncd("connections", "--json").out)["connections"]
    assert {row["state"] for row in states} == {"ok"}


def test_locations_without_a_link_are_discovered_and_added(
    office: VendorAccounts, syncd: Run, person: Callable[..., None], tmp_path: Path
) -> None:
    config = (tmp_path / "config.toml").read_text()
    bare, _, _ = config.partition("[links.clinic.ghl]")
    shared = f"""
include = ["links.d/*.toml"]
[defaults.ghl]
base_url = "{office.server.ghl_url}"
token = {{ oauth = true }}
[defaults.hubspot]
base_url = "{office.server.hubspot_url}"
token = {{ oauth = true }}
search_lag = 0
"""
    main = tmp_path / "config.toml"
    main.write_text(shared + bare)  # no link yet
    person(company=office.ghl.company_id, locations=office.ghl.id)
    assert syncd("link", "discover").code == 2
    assert syncd("connect", "highlevel").code == 0
    for number in range(130):
        row = office.world.add_location(name="Zürich West" if number % 2 else f"=Bad, {number}")
        if number < 120:
            office.world.oauth.installed.add(row.id)
    before = len(office.world.requests)
    done = syncd("link", "discover", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)["locations"]
    assert len(found) == 121
    assert {"location_id": office.ghl.id, "name": "Lakeside Clinic"} in found
    assert len(office.world.requests) - before <= 4

    listed = syncd("link", "discover", "--csv")
    hub_id = str(office.hubspot.portal_id)
    lines = listed.out.splitlines()
    filled = [f"{row.rpartition(',,,')[0]},{hub_id},,team={i}" for i, row in enumerate(lines[1:])]
    (tmp_path / "clients.csv").write_text("\n".join([lines[0], *filled]))
    added = syncd("link", "add", "--csv", "clients.csv", "--json")
    assert added.code == 0, added.err
    names = json.loads(added.out)["added"]
    assert {"lakeside_clinic", "zurich_west", "zurich_west_2"} <= set(names)
    assert json.loads(syncd("link", "discover", "--json").out)["locations"] == []
    person(account=hub_id)
    assert syncd("connect", "hubspot").code == 0
    office.hubspot.add_property("team")
    assert syncd("setup", "--link", "lakeside_clinic").code == 0
    office.book()
    report = syncd("--sync-now", "--link", "lakeside_clinic", "--json")
    assert json.loads(report.out)["links"]["lakeside_clinic"]["hubspot"]["created"] == 1
    # What was connected is asked no further question, and what was taken away is told.
    office.world.oauth.uninstall(office.ghl.company_id)
    lost = syncd("link", "discover", "--json")
    assert (lost.code, json.loads(lost.out)["locations"]) == (6, [])
    assert json.loads(lost.out)["problems"]
