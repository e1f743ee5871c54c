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

ON_SQLITE = pytest.mark.parametrize("open_stage", ["sqlite"], indirect=True)
"""Both stores are asked alike: the first test asks both."""

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
        self.client = httpx.Client(
            base_url=self.origin,
            headers={"Authorization": f"Basic {shown}", "Connection": "close"},
            verify=False,  # noqa: S501 - loopback: nothing to read for each client
            trust_env=False,
        )

    def text(self) -> str:
        answer = self.client.get("/")
        assert answer.status_code == 200
        return answer.text

    def form(self, decision: str, record: str = "", link: str = "clinic") -> dict[str, str]:
        """The fields that a press of this button sends."""
        for fields, buttons in Forms(self.text()).all:
            if decision in buttons and (fields["link"], fields["record"]) == (link, record):
                return fields | {"decision": decision}
        raise AssertionError(f"no button {decision} for {record or link}")

    def until(self, record: str, *wanted: list[str]) -> None:
        """Ask until these are the buttons of the record's forms."""
        for _ in range(2000):
            forms = Forms(self.text()).all
            found = [words for fields, words in forms if fields["record"] == record]
            if found == list(wanted):
                return
        raise AssertionError(found)

    def send(self, form: dict[str, str], **headers: str) -> int:
        sent = {"Origin": self.origin, **headers}
        return self.client.post("/", data=form, headers=sent).status_code


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
    everything, now = page.form("pause", link=""), page.form("sync")
    assert page.send(now | {"seen": "something else"}) == 409
    assert page.send(everything | {"seen": "something else"}) == 409
    assert page.send(now) == 303
    assert page.send(everything) == 303
    # Who saw nothing paused takes back no pause.
    seen_before = everything["seen"].replace("20", "19", 1)
    assert page.send(everything | {"decision": "resume", "seen": seen_before}) == 409
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


@ON_SQLITE
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
    assert page.send(ignore) == 303
    assert page.send(ignore) in {303, 409}  # it may be done by now
    page.until(nobodys, ["retry"])
    assert "not done yet" not in page.text()
    assert "Nobody" not in Page(port, token=READS).text()
    back = page.form("retry", nobodys)
    assert page.send(ignore) == 409
    assert page.send(back) == 303
    page.until(nobodys, ["contact"], ["retry", "ignore"])
    contact = accounts.hubspot.add_contact("Human", "human@example.com")
    chosen = page.form("contact", nobodys)
    assert page.send(chosen) == 400
    assert page.send(chosen | {"contact": contact}) == 303
    daemon.until("cycle.finished", lambda line: line["ghl"]["created"])
    made = [row for row in history(processes, nobodys) if row["author"] == "page"]
    assert made
    assert not any("by" in row for row in made)


@ON_SQLITE
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


@ON_SQLITE
def test_a_doubt_is_settled_by_choosing_the_other_record(
    open_stage: OpenStage, start_daemon: Callable[..., RunningProgram]
) -> None:
    processes, port = open_stage(HOLD), free_port()
    accounts = processes.accounts
    assert processes.run("setup").returncode == 0
    person = accounts.ghl.add_contact("Ana", "ana@example.com")
    other = accounts.ghl.add_contact("Bob", "bob@example.com")
    same = accounts.hubspot.add_contact("Ana", "ana@example.com")
    doubts = [accounts.ghl.book(accounts.calendar, person, accounts.morning) for _ in range(2)]
    accounts.ghl.book(accounts.calendar, other, accounts.morning)
    start = {"hs_appointment_start": accounts.morning}
    records = [accounts.hubspot.create({**start, "hs_appointment_name": "x"}, [same]) for _ in "ab"]
    twins = [accounts.hubspot.add_contact(f"Twin {name}") for name in ("Ina", "Uli")]
    accounts.hubspot.create({**start, "hs_appointment_name": "whose"}, twins)
    daemon = start_daemon(processes, **with_token(SYNCD_HTTP__LISTEN=f"127.0.0.1:{port}"))
    daemon.until("cycle.finished", lambda line: line["held"])
    page = Page(port, "Bo\u202e")
    offered = {
        fields["other"]
        for fields, buttons in Forms(page.text()).all
        if buttons == ["pair"] and fields["record"] == records[0]
    }
    # Who may decide sees whom a contact's id stands for; who reads does not.
    assert "It is for Twin Ina (" in page.text()
    assert "Twin" not in Page(port, token=READS).text()
    # Nobody else's appointment at that time is proposed.
    assert offered == set(doubts)
    pair = page.form("pair", records[0]) | {"other": doubts[1]}
    assert page.send(pair | {"other": "somebody-elses"}) == 400
    assert page.send(pair) == 303
    daemon.until("cycle.finished", lambda line: line["pairs"] >= 2)
    found = {r.id: r.properties.get("ghl_appointment_id") for r in accounts.hubspot.records()}
    assert found[records[0]] == doubts[1]


@ON_SQLITE
def test_removals_pass_the_guard_as_they_were_shown(
    open_stage: OpenStage, start_daemon: Callable[..., RunningProgram]
) -> None:
    processes, port = open_stage(HOLD), free_port()
    accounts = processes.accounts
    assert processes.run("setup").returncode == 0
    booked = [accounts.book(f"Visit {hours}", hours=hours) for hours in range(8)]
    daemon = start_daemon(processes, **with_token(SYNCD_HTTP__LISTEN=f"127.0.0.1:{port}"))
    daemon.until("cycle.finished", lambda line: line["hubspot"]["created"] == 8)
    for each in booked[:6]:
        accounts.ghl.delete(each)
    daemon.until("link.troubled")
    page = Page(port, "Zoë")
    assert "A guard needs your approval" in page.text()
    lets = page.form("allow-removals")
    assert page.send(lets | {"seen": "other"}) == 409
    assert page.send(lets) == 303
    assert page.send(lets) in {303, 409}  # it may be done by now
    daemon.until("cycle.finished", lambda line: line["hubspot"]["removed"])
    assert page.send(lets) == 409
    assert len([r for r in accounts.hubspot.records() if not r.archived]) == 2
    rows = [row for row in history(processes, booked[0]) if row["action"] == "remove"]
    assert {(row["author"], row.get("by")) for row in rows} == {("page", "Zoë")}


@pytest.mark.parametrize("open_stage", ["postgres"], indirect=True)
def test_the_page_of_a_process_that_does_not_hold_the_link_decides_too(
    open_stage: OpenStage, start_daemon: Callable[..., RunningProgram]
) -> None:
    processes, ports = open_stage(HOLD), (free_port(), free_port())
    accounts = processes.accounts
    assert processes.run("setup").returncode == 0
    nobodys = accounts.make("Nobody's", contact=False)
    holder, other = (
        start_daemon(processes, **with_token(SYNCD_HTTP__LISTEN=f"127.0.0.1:{port}"))
        for port in ports
    )
    holder.until("cycle.finished", lambda line: line["held"])
    first, second = (Page(port) for port in ports)
    contact = accounts.hubspot.add_contact("Human", "human@example.com")
    # The form of one process is taken by the other.
    chosen = first.form("contact", nobodys) | {"contact": contact}
    assert second.send(chosen) == 303
    holder.until("cycle.finished", lambda line: line["ghl"]["created"])
    assert second.send(second.form("pause")) == 303
    assert "resume" in {word for _, words in Forms(first.text()).all for word in words}
    assert not any("cycle.finished" in line for line in other.heard)
