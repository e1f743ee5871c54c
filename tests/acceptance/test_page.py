"""Decisions on the page of a running daemon: what a browser sends, and what comes of it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from process_harness import OpenStage, ProcessHarness
from running_program import RunningProgram, free_port

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

TOKEN, READS = "decides-anything", "reads-only"
HOLD = '\n[defaults.sync]\nfirst_sync = "go"\nconflict = "hold"\n'


class Forms(HTMLParser):
    """The forms of a page: the hidden fields of each, and its buttons."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.all: list[tuple[dict[str, str], list[str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.all.append(({}, []))
        elif tag == "input" and held.get("type") == "hidden":
            self.all[-1][0][held["name"]] = held["value"]
        elif tag == "button" and held.get("name") == "decision":
            self.all[-1][1].append(held["value"])


class Page:
    """The page of one daemon, as a browser with a user name sees it."""

    def __init__(self, port: int, user: str = "", token: str = TOKEN) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        shown = b64encode(f"{user}:{token}".encode()).decode()
        self.headers = {"Authorization": f"Basic {shown}"}

    def text(self) -> str:
        answer = httpx.get(f"{self.origin}/", headers=self.headers)
        assert answer.status_code == 200
        return answer.text

    def form(self, decision: str, record: str = "", link: str = "clinic") -> dict[str, str]:
        """The fields that a press of this button sends."""
        for fields, buttons in Forms(self.text()).all:
            if decision in buttons and (fields["link"], fields["record"]) == (link, record):
                return fields | {"decision": decision}
        raise AssertionError(f"no button {decision} for {record or link}")

    def send(self, form: dict[str, str], **headers: str) -> int:
        sent = {"Origin": self.origin, **self.headers, **headers}
        return httpx.post(f"{self.origin}/", data=form, headers=sent).status_code


def with_token(**more: str) -> dict[str, str]:
    return {
        "SYNCD_HTTP__TOKEN__ENV": "PAGE_TOKEN",
        "SYNCD_HTTP__READ_TOKEN__ENV": "READ_TOKEN",
        "PAGE_TOKEN": TOKEN,
        "READ_TOKEN": READS,
        **more,
    }


def history(processes: ProcessHarness, record: str) -> list[dict[str, Any]]:
    done = processes.run("history", record, "--json")
    rows: list[dict[str, Any]] = json.loads(done.stdout)["links"]["clinic"]
    return rows


def test_a_conflict_is_settled_on_the_page(
    open_stage: OpenStage, start_daemon: Callable[..., RunningProgram]
) -> None:
    processes, port = open_stage(HOLD), free_port()
    accounts = processes.accounts
    assert processes.run("setup").returncode == 0
    booked = accounts.book("Check-up")
    daemon = start_daemon(processes, **with_token(SYNCD_HTTP__LISTEN=f"127.0.0.1:{port}"))
    daemon.until("cycle.finished", lambda line: line["hubspot"]["created"])
    page = Page(port, "Zoë ü")
    (record,) = [each.id for each in accounts.hubspot.records()]

    # An emergency stop, in force and shown at once.
    everything = page.form("pause", link="")
    assert page.send(everything) == 303
    assert page.send(page.form("resume", link="") | {"decision": "pause"}) == 303
    assert processes.run("status").stdout.count("paused") >= 1
    stale = page.form("resume")
    accounts.ghl.edit(booked, title="Ours")
    accounts.hubspot.edit(record, hs_appointment_name="Theirs")
    assert page.send(stale) == 303
    assert page.send(stale) == 409
    daemon.until("cycle.finished", lambda line: line["held"])

    keeps, twice = page.form("keep-hubspot", record), page.form("keep-ghl", record)
    unsaid = {name: value for name, value in keeps.items() if name != "proof"}
    assert page.send(keeps, Origin="http://evil.example.com") == 403
    assert page.send(unsaid) == 403
    assert Page(port, token=READS).send(keeps) == 401
    assert page.send(keeps | {"decision": "explode"}) == 400
    assert page.send(keeps | {"decision": "book-anyway"}) == 400
    assert page.send(keeps | {"link": "nobody"}) == 404
    assert page.send(keeps | {"record": "nothing"}) == 404
    assert page.send(keeps | {"seen": "something else"}) == 409
    assert page.send(keeps) == 303
    daemon.until("cycle.finished", lambda line: line["ghl"]["updated"])
    assert accounts.ghl.get(booked).title == "Theirs"
    # Another tab, and the same button once more.
    assert [page.send(twice), page.send(keeps)] == [409, 409]
    (row,) = [row for row in history(processes, record) if row["author"] == "page"]
    assert (row["by"], row["after"]) == ("Zoë ü", "Theirs")
    assert "Zoë ü" in processes.run("history", record).stdout
    assert "Zoë ü" in page.text()


def test_a_record_is_ignored_on_the_page_and_taken_back(
    open_stage: OpenStage, start_daemon: Callable[..., RunningProgram]
) -> None:
    processes, port = open_stage(HOLD), free_port()
    accounts = processes.accounts
    assert processes.run("setup").returncode == 0
    nobodys = accounts.make("Nobody's", contact=False)
    daemon = start_daemon(processes, **with_token(SYNCD_HTTP__LISTEN=f"127.0.0.1:{port}"))
    daemon.until("cycle.finished", lambda line: line["held"])
    page = Page(port)
    ignore = page.form("ignore", nobodys)
    assert [page.send(ignore), page.send(ignore)] == [303, 303]
    daemon.until("cycle.finished", lambda line: not line["held"])
    assert "Nobody" not in Page(port, token=READS).text()
    back = page.form("retry", nobodys)
    assert page.send(ignore) == 409
    assert page.send(back) == 303
    daemon.until("cycle.finished", lambda line: line["held"])
    contact = accounts.hubspot.add_contact("Human", "human@example.com")
    chosen = page.form("contact", nobodys)
    assert page.send(chosen) == 400
    assert page.send(chosen | {"contact": contact}) == 303
    daemon.until("cycle.finished", lambda line: line["ghl"]["created"])
    made = [row for row in history(processes, nobodys) if row["author"] == "page"]
    assert made
    assert not any("by" in row for row in made)


def test_a_first_sync_is_approved_on_the_page_as_it_was_shown(
    open_stage: OpenStage, start_daemon: Callable[..., RunningProgram]
) -> None:
    processes, port = open_stage(""), free_port()
    accounts = processes.accounts
    assert processes.run("setup").returncode == 0
    for hours in range(26):
        accounts.book(f"Visit {hours}", hours=hours)
    daemon = start_daemon(processes, **with_token(SYNCD_HTTP__LISTEN=f"127.0.0.1:{port}"))
    daemon.until("link.troubled")
    page = Page(port)
    stale = page.form("approve")
    assert page.send(stale | {"seen": json.dumps({"hubspot": 12})}) == 409
    assert page.send(stale | {"seen": "12"}) == 409
    assert page.send(stale) == 303
    daemon.until(
        "cycle.finished",
        lambda line: not line["dry_run"] and line["hubspot"]["created"] == 26,
    )
    assert page.send(stale) == 409
    assert len(accounts.hubspot.records()) == 26
