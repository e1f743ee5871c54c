"""Canaries in every secret and personal field, and a search through all that the program leaves.

A secret (a token, the password of the store) may show nowhere: not in logs of
any level, in output, in errors, in the store, in files or on the daemon's
pages, also where a vendor repeats it in an error. Names, e-mail addresses and
phone numbers may show in the store and to the person who asks, but in no log
at `info` and on no page that did not ask for them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from process_harness import OpenStage, ProcessHarness
from running_program import RunningProgram
from stores import POSTGRES

from syncd.sandbox import SandboxSettings

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

GHL_TOKEN = "pit-0c4a11e5-ca4a-4000-8000-00000ca4a4b1"
HUBSPOT_TOKEN = "pat-eu1-0c4a11e5-ca4a-4000-8000-00000ca4a4b2"
PASSWORD = "canary-of-the-store-7d1c"
SECRETS = (GHL_TOKEN, HUBSPOT_TOKEN, PASSWORD)

NAME, FAMILY = "Zachariah", "Canarybird"
MAIL, PHONE = "zcanary@example.com", "+41795550177"
OTHER_NAME, OTHER_MAIL, OTHER_PHONE = "Wilhelmina", "wcanary@example.com", "+41795550188"
ADDRESSES = (MAIL, PHONE, PHONE[3:], OTHER_MAIL, OTHER_PHONE)
PERSONAL = (NAME, FAMILY, OTHER_NAME, *ADDRESSES)


PAGES = ("/", "/healthz", "/metrics", "/livez", "/readyz")


def clean(text: str, canaries: tuple[str, ...], where: str) -> None:
    for canary in canaries:
        at = text.lower().find(canary.lower())
        assert at < 0, f"{canary} in {where}: …{text[max(0, at - 200) : at + 100]}…"


@pytest.fixture
def processes(open_stage: OpenStage) -> ProcessHarness:
    """A clinic whose every secret and person is a canary."""
    plain = open_stage(settings=SandboxSettings(ghl_token=GHL_TOKEN, hubspot_token=HUBSPOT_TOKEN))
    people(plain)
    env = dict(plain.env)
    if plain.database:
        env["SYNCD_STORE__URL"] = env["SYNCD_STORE__URL"].replace("syncd@", f"syncd:{PASSWORD}@")
    return replace(plain, env=env)


def people(processes: ProcessHarness) -> None:
    """Appointments of people on both sides, and some that have to be held."""
    accounts = processes.accounts
    pat = accounts.ghl.add_contact(f"{NAME} {FAMILY}", MAIL, PHONE)
    other = accounts.hubspot.add_contact(f"{OTHER_NAME} {FAMILY}", OTHER_MAIL, OTHER_PHONE)
    accounts.ghl.book(accounts.calendar, pat, accounts.morning, title=f"{NAME} {FAMILY}")
    start = accounts.morning + timedelta(hours=3)
    name = {"hs_appointment_name": f"Visit of {OTHER_NAME}", "hs_appointment_start": start}
    accounts.hubspot.create(name, [other])
    accounts.hubspot.create(name | {"hs_appointment_start": start + timedelta(days=1)}, [])


@contextmanager
def echoing(processes: ProcessHarness, status: int) -> Iterator[None]:
    """Both vendors refuse writes, and repeat whatever they were told, credentials included."""
    echo = f"Bearer {GHL_TOKEN} {HUBSPOT_TOKEN} for {NAME} {FAMILY} <{MAIL}> {PHONE}"
    body = {"status": "error", "message": echo, "category": "VALIDATION_ERROR", "error": echo}
    for side in ("ghl", "hubspot"):
        for path in ("/batch/(create|update)", "/appointments"):
            for method in ("POST", "PATCH", "PUT"):
                processes.accounts.world.faults.add(
                    side=side, method=method, path=path, status=status, body=body, times=None
                )
    yield
    processes.accounts.world.faults.clear()


def everything_stored(processes: ProcessHarness) -> str:
    """Every byte beside the configuration, and a backup of the store wherever it is."""
    assert processes.run("db", "backup", "copy.db").returncode == 0
    files = [each for each in processes.accounts.folder.iterdir() if each.is_file()]
    return "".join(each.read_bytes().decode("latin-1") for each in files)


# Each format and each level once: a run is seventeen programs, and neither changes the other.
@pytest.mark.parametrize(("format_", "level"), [("json", "info"), ("console", "debug")])
def test_no_command_lets_a_secret_out(processes: ProcessHarness, format_: str, level: str) -> None:
    processes.env.update(SYNCD_LOGGING__FORMAT=format_, SYNCD_LOGGING__LEVEL=level)
    said: list[tuple[str, str, str]] = []

    def run(*args: str) -> None:
        done = processes.run(*args)
        said.append((" ".join(args), done.stdout, done.stderr))

    run("setup")
    for status in (400, 500):
        with echoing(processes, status):
            run("--sync-now", "--json")
    with echoing(processes, 401):
        run("--sync-now")
    run("plan", "--out", "plan.json")
    run("--sync-now", "--json")
    for verb in ("held", "history", "status --json", "doctor", "config show", "link list", "retry"):
        run(*verb.split())
    processes.env["GHL_TOKEN"] += " "
    run("--sync-now")
    processes.env["GHL_TOKEN"] = "wrong\n" + GHL_TOKEN
    run("doctor")
    for command, out, err in said:
        clean(out + err, SECRETS, f"what {command!r} printed")
        if level == "info":
            clean(err, PERSONAL, f"the log of {command!r}")
    clean(everything_stored(processes), SECRETS, "the store or a file")
    report = json.loads(next(out for command, out, _ in said[4:] if command.endswith("--json")))
    assert report["links"]["clinic"]["outcome"] == "ok"


def test_the_daemons_pages_and_log_let_nothing_out(
    processes: ProcessHarness, start_daemon: Callable[..., RunningProgram]
) -> None:
    processes.run("setup")
    daemon = start_daemon(processes)
    daemon.until("cycle.finished", lambda line: line["hubspot"]["created"] == 1)
    for path in PAGES:
        clean(daemon.ask(path)[1], SECRETS + PERSONAL, path)
    with echoing(processes, 400):
        processes.accounts.ghl.edit(
            next(iter(processes.accounts.ghl.appointments)).id, title="Changed"
        )
        daemon.until("cycle.finished", lambda line: line["kind"] != "full" and line["held"])
        for path in PAGES:
            clean(daemon.ask(path)[1], SECRETS + PERSONAL, path)
        # Names are for those who show `[http] token`.
        clean(daemon.ask("/?personal=yes")[1], SECRETS + PERSONAL, "the page without a token")
    daemon.process.terminate()
    assert daemon.process.wait(10) == 0
    clean("\n".join(daemon.heard), SECRETS + PERSONAL, "the log of the daemon")
    clean(everything_stored(processes), SECRETS, "the store or a file")


@pytest.mark.parametrize("open_stage", [POSTGRES], indirect=True)
@pytest.mark.parametrize("place", ["127.0.0.1:9/syncd", "/no_such_database", "bad host/syncd"])
def test_a_database_that_cannot_be_had_is_told_without_its_password(
    processes: ProcessHarness, place: str
) -> None:
    url = processes.env["SYNCD_STORE__URL"]
    head, query = url.split("@")[0], url.partition("?")[2]
    processes.env["SYNCD_STORE__URL"] = f"{head}@{place}" + (f"?{query}" if place[0] == "/" else "")
    processes.env["SYNCD_LOGGING__LEVEL"] = "debug"
    for verb in ("--sync-now", "status", "config show", "doctor", "run"):
        done = processes.run(*verb.split())
        assert done.returncode != 0 or verb == "config show"
        clean(done.stdout + done.stderr, SECRETS, verb)


def test_forgetting_a_person_leaves_nothing_of_them(processes: ProcessHarness) -> None:
    processes.run("setup")
    assert processes.run("--sync-now").returncode == 0
    accounts = processes.accounts
    (event,) = [e for e in accounts.ghl.appointments if FAMILY in (e.title or "")]
    accounts.ghl.edit(event.id, title=f"{NAME} again", description=f"Call {PHONE}")
    with echoing(processes, 400):
        processes.run("--sync-now")
    assert processes.run("--sync-now").returncode == 0
    assert NAME in everything_stored(processes)
    (accounts.folder / "copy.db").unlink()
    done = processes.run("forget", event.contact, "--yes")
    assert done.returncode == 0, done.stderr
    if not processes.database:
        # What SQLite deleted may stand in free pages and in its log until they are used again.
        clean(everything_stored(processes), (NAME, MAIL, PHONE), "the store")
    (accounts.folder / "copy.db").unlink(missing_ok=True)
    clean(everything_stored(processes), (NAME, MAIL, PHONE), "a copy of the store")
