import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from syncd.observability.logging import configure, register_secret
from syncd.observability.redaction import forget_secrets, redact

SECRET = "s3cr3t/of\"one'word"


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    forget_secrets()


@pytest.fixture
def written() -> Callable[..., list[str]]:
    """`written(act, **options)` gives the lines that are logged while `act` runs."""

    def run(act: Callable[[], object], **options: Any) -> list[str]:
        stream = io.StringIO()
        configure(**{"format": "json", "stream": stream, **options})
        act()
        return stream.getvalue().splitlines()

    return run


Written = Callable[..., list[str]]
log = structlog.get_logger("syncd.test")
library = logging.getLogger("library")


def test_a_line_of_json_holds_the_facts_as_fields(written: Written) -> None:
    (line,) = written(lambda: log.info("cycle.finished", link="clinic", pairs=3))
    found = json.loads(line)
    assert list(found)[:4] == ["timestamp", "level", "event", "link"]
    assert (found["level"], found["event"], found["pairs"]) == ("info", "cycle.finished", 3)
    assert found["timestamp"].endswith("Z")


def test_what_libraries_log_takes_the_same_form(written: Written) -> None:
    (line,) = written(lambda: library.warning("slow by %d s", 3))
    assert json.loads(line)["event"] == "slow by 3 s"
    assert json.loads(line)["logger"] == "library"


@pytest.mark.parametrize("name", ["httpx", "httpcore", "alembic", "sqlalchemy"])
def test_chatty_libraries_are_quiet_at_info(written: Written, name: str) -> None:
    def act() -> None:
        logging.getLogger(f"{name}.inner").info("noise")
        logging.getLogger(f"{name}.inner").warning("trouble")

    assert [json.loads(line)["event"] for line in written(act, level="debug")] == ["trouble"]


def test_what_befalls_a_tick_is_told_by_the_scheduler_and_not_by_its_library(
    written: Written,
) -> None:
    missed = logging.getLogger("apscheduler.executors.claim")
    assert not written(lambda: missed.error("Run time of job was missed"), level="debug")


@pytest.mark.parametrize(
    ("level", "lines"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)]
)
def test_the_level_lets_through_what_is_as_grave(written: Written, level: str, lines: int) -> None:
    def act() -> None:
        for method in ("debug", "info", "warning", "error"):
            getattr(log, method)("x.happened")

    assert len(written(act, level=level)) == lines


def test_what_is_bound_to_the_context_is_on_every_line(written: Written) -> None:
    with structlog.contextvars.bound_contextvars(link="clinic", cycle_id=7):
        lines = written(lambda: log.info("a.b")) + written(lambda: library.info("c"))
    assert [(json.loads(line)["link"], json.loads(line)["cycle_id"]) for line in lines] == [
        ("clinic", 7)
    ] * 2


@pytest.mark.parametrize(
    ("format_", "is_tty", "is_json"),
    [
        ("auto", True, False),
        ("auto", False, True),
        ("json", True, True),
        ("console", False, False),
    ],
)
def test_auto_is_the_console_on_a_terminal_only(
    written: Written, format_: str, is_tty: bool, is_json: bool
) -> None:
    (line,) = written(lambda: log.info("a.b"), format=format_, is_tty=is_tty)
    assert line.startswith("{") is is_json


@pytest.mark.parametrize("colour", [True, False])
def test_colour_can_be_switched_off(written: Written, colour: bool) -> None:
    (line,) = written(lambda: log.info("a.b"), format="console", is_tty=True, colour=colour)
    assert ("\x1b[" in line) is colour


@pytest.mark.parametrize(
    ("method", "prefix"),
    [("debug", "<7>"), ("info", "<6>"), ("warning", "<4>"), ("error", "<3>"), ("critical", "<2>")],
)
def test_the_journal_gets_the_priority_in_front(written: Written, method: str, prefix: str) -> None:
    lines = written(lambda: getattr(log, method)("a.b"), level="debug", journald=True)
    assert [line[:3] for line in lines] == [prefix]
    assert json.loads(lines[0][3:])


def test_every_line_of_a_traceback_has_its_priority(written: Written) -> None:
    lines = written(fail, format="console", journald=True)
    assert len(lines) > 3
    assert {line[:3] for line in lines} == {"<3>"}


def test_configuring_again_replaces_the_first_handler(written: Written) -> None:
    written(lambda: None)
    assert len(written(lambda: log.info("a.b"))) == 1


def fail() -> None:
    try:
        int(f"{SECRET} for ana@example.com")
    except ValueError:
        log.exception("cycle.failed")


@pytest.mark.parametrize("format_", ["json", "console"])
@pytest.mark.parametrize("level", ["debug", "info"])
def test_a_registered_secret_shows_nowhere(written: Written, format_: str, level: str) -> None:
    register_secret(SECRET)

    class Holder:
        def __repr__(self) -> str:
            return f"Holder({SECRET!r})"

    def act() -> None:
        log.info("event.with %s", SECRET, field=SECRET, deep={"a": [SECRET]}, thing=Holder())
        log.debug("request.sent", url="https://example.com/?q=s3cr3t%2Fof%22one%27word")
        library.error("failed with %s", SECRET)
        fail()

    text = "\n".join(written(act, format=format_, level=level))
    assert "s3cr3t" not in text
    assert "word" not in text


@pytest.mark.parametrize(
    "text",
    [
        "pit-00000000-1111-2222-3333-444444444444",
        "pat-na1-00000000-1111-2222-3333-444444444444",
        "Authorization: Bearer abcdefghijklmnop",
        "Basic dXNlcjpoaWRkZW4=",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefgh",
        "postgresql+psycopg://me:hidden@db.example.com/x",
        "postgresql+psycopg://me:h@den/hidden@db.example.com/x",
        "https://me:a@hidden:b/hidden@db.example.com/x",
        "https://example.com/?access_token=hiddenhidden&x=1",
        '{"refresh_token": "hiddenhidden"}',
    ],
)
def test_whatever_looks_like_a_token_is_masked_unregistered(text: str) -> None:
    redacted = redact(text, personal=False)
    assert "***" in redacted
    for part in re.findall(r"hidden\w*|[0-9-]{20,}|abcdefgh\w*|dXNlc\w*|eyJ\w+", text):
        assert part not in redacted


PERSONAL = [
    "ana@example.com",
    "ana.b+c@mail.example.co.uk",
    "ana%40example.com",
    "+15550100199",
    "+1 (555) 010-0199",
    "+41 44 555 01 99",
    "0041 44 555 01 99",
    "555-010-0199",
    "(555) 010-0199",
    "%2B15550100199",
]


@pytest.mark.parametrize("value", PERSONAL)
def test_addresses_and_phones_are_masked_from_info_upwards(written: Written, value: str) -> None:
    lines = written(lambda: log.info("contact.matched", detail=f"was {value}, found", raw=[value]))
    assert value not in lines[0]
    assert json.loads(lines[0])["detail"] == "was ***, found"


@pytest.mark.parametrize("key", ["name", "email", "phone", "title", "Title", "first_name"])
def test_fields_that_belong_to_a_person_are_masked_by_their_key(written: Written, key: str) -> None:
    (line,) = written(lambda: log.info("contact.made", **{key: "Ana Example"}, inner={key: "Ana"}))
    assert "Ana" not in line


def test_a_person_may_ask_for_everything_at_debug(written: Written) -> None:
    (line,) = written(lambda: log.debug("contact.read", email="ana@example.com"), level="debug")
    assert json.loads(line)["email"] == "ana@example.com"


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T09:00:00+01:00",
        "2026-11-20T09:00:00.123456+00:00",
        "hubspot record 123456789012345",
        "00000000-1111-2222-3333-444444444444",
        "C2QujeCh8ZnC7al2InWR",
        "127.0.0.1:8787",
        "took 12.345 s, 100 of 200",
        "sqlite:////var/lib/syncd/syncd.db",
        "hs_appointment_start: 1763629200000",
    ],
)
def test_times_ids_and_counts_are_left_alone(text: str) -> None:
    assert redact(text) == text


@given(st.text(max_size=200))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@given(st.text(min_size=4, max_size=40), st.text(), st.text())
def test_no_registered_secret_survives(secret: str, before: str, after: str) -> None:
    forget_secrets()
    register_secret(secret)
    kept = redact(before + secret + after)
    assert secret not in kept or secret in "***" * 3


def test_a_vendors_text_cannot_steer_the_terminal(written: Written) -> None:
    (line,) = written(
        lambda: log.info("action.held", detail="a\x1b[2Jb\x07\x9b"), format="console", colour=False
    )
    assert line.isprintable()


@pytest.mark.parametrize(
    ("kept", "dropped"),
    [
        ("a%2Fb-long-secret", "a/b-long-secret"),  # the other one in an address
        ('said "so" twice', 'said \\"so\\" twice'),
        ("line\\nbreak-secret", "line\nbreak-secret"),
        ("plain-secret", "longer-plain-secret"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_replaced_secret_takes_no_mask_from_another(
    kept: str, dropped: str, *, first: bool
) -> None:
    for each in (kept, dropped) if first else (dropped, kept):
        register_secret(each)
    register_secret("quite-another", dropped)
    for form in (kept, quote(kept, safe=""), json.dumps(kept)[1:-1]):
        assert redact(f"<{form}>") == "<***>"
    register_secret("", kept)
    assert redact(kept) == kept
