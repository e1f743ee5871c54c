from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl

import pytest

from syncd.core.model import Hold, Side
from syncd.observability import page, words
from syncd.observability.health import LinkHealth
from syncd.observability.page import Address, Look, plot, view
from syncd.observability.page.offers import Form, IgnoredRecord, Offers, Underway
from syncd.observability.page.render import Days, headline
from syncd.observability.redaction import forget_secrets, register_secret
from syncd.observability.state import State
from syncd.ports.store import Event, HistoryEntry

VOID = {"meta", "link", "br", "rect", "line", "input"}


class Reader(HTMLParser):
    """Reads a document and complains about what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["style"], ["script"]):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def shown(look_at: Callable[..., Look]) -> Callable[..., Reader]:
    return lambda name, **more: Reader(page.render(look_at(name, **more)))


@pytest.fixture
def no_secrets() -> Iterator[None]:
    yield
    forget_secrets()


def test_every_state_makes_a_whole_document_with_landmarks(
    shown: Callable[..., Reader], state_name: str
) -> None:
    read = shown(state_name)
    tags = [tag for tag, _ in read.tags]
    for landmark in ("header", "main", "footer", "h1"):
        assert tags.count(landmark) == 1
    assert ("html", {"lang": "en"}) in read.tags
    ids = [held["id"] for _, held in read.tags if "id" in held]
    assert len(ids) == len(set(ids))
    labels = [held["aria-labelledby"] for _, held in read.tags if "aria-labelledby" in held]
    assert set(labels) <= set(ids)


def test_the_page_loads_itself_again_and_asks_nobody_else(shown: Callable[..., Reader]) -> None:
    read = shown("healthy")
    # Without a script only: whoever reads a part or types is not torn away from it.
    places = [tag for tag, _ in read.tags]
    assert places[places.index("noscript") + 1] == "meta"
    assert ("meta", {"http-equiv": "refresh", "content": "60"}) in read.tags
    for _, held in read.tags:
        for name in ("href", "src"):
            assert not (held.get(name) or "").startswith(("http", "//"))


def test_the_state_stands_in_words_with_its_remedy(shown: Callable[..., Reader]) -> None:
    assert "in step" in shown("healthy").text
    down = shown("provider_down").text
    assert "service out of reach" in down
    assert "HubSpot answers 503" in down
    assert "1 link is in trouble." in down
    guard = shown("guard_tripped").text
    assert "syncd kick --link clinic --allow-removals" in guard
    assert "syncd doctor" in shown("refused").text
    assert "syncd kick --link clinic --approve" in shown("waiting").text


def test_a_stretched_interval_says_why(shown: Callable[..., Reader]) -> None:
    told = shown("healthy").text
    assert "every 1 min 15 s instead of 1 min" in told
    assert "at most half of HighLevel's 200,000 requests a day" in told


def test_each_held_record_has_its_reason_and_the_command_that_lets_it_go(
    shown: Callable[..., Reader],
) -> None:
    told = shown("held").text
    assert "4 records wait for you" in told
    assert "Changed on both sides (time)" in told
    assert "syncd resolve 501 --keep ghl" in told
    assert "syncd resolve Zz91 --book-anyway" in told


def test_personal_data_is_masked_unless_asked_for(shown: Callable[..., Reader]) -> None:
    masked, open_ = shown("held").text, shown("held", personal=True).text
    assert "Ana Example" not in masked
    assert "ana@example.com" not in masked
    assert "Tue 2026-03-03 09:00 → Tue 2026-03-03 09:30" in masked
    assert "Check-up Ana Example → First visit Ana Example" in open_
    assert "ana@example.com" in open_


def test_what_comes_from_outside_cannot_become_markup(
    look_at: Callable[..., Look], a_link: Callable[..., LinkHealth]
) -> None:
    evil = '<img src=x onerror="alert(1)">\'"&'
    look = Look(
        at=look_at("held").at,
        version=evil,
        unhealthy_reason=evil,
        personal=True,
        links=[
            a_link(
                evil,
                State.FAULT,
                detail=evil,
                stretched_by=evil,
                held=(
                    Hold(
                        ghl_id=evil,
                        group=evil,
                        reason=evil,
                        detail=evil,
                        title=evil,
                        values={evil: evil},
                    ),
                ),
            )
        ],
    )
    text = page.render(look)
    assert "<img" not in text
    Reader(text)
    assert "<img" not in page.unavailable(evil, evil)


def test_no_secret_reaches_the_page(
    look_at: Callable[..., Look], a_link: Callable[..., LinkHealth], no_secrets: None
) -> None:
    del no_secrets
    register_secret("s3cr3t-canary")
    at = look_at("held").at
    hold = Hold(
        reason="rejected",
        detail="token s3cr3t-canary",
        values={"ghl": "s3cr3t-canary"},
        group="time",
    )
    links = [a_link(state=State.FAULT, detail="said s3cr3t-canary", held=(hold,))]
    text = page.render(Look(at=at, version="", links=links, personal=True))
    assert "s3cr3t-canary" not in text
    assert "s3cr3t-canary" not in page.unavailable("", "s3cr3t-canary")


@pytest.mark.parametrize("personal", [True, False])
def test_the_title_of_a_held_record_shows_only_where_it_was_asked_for(
    look_at: Callable[..., Look], a_link: Callable[..., LinkHealth], *, personal: bool
) -> None:
    hold = Hold(ghl_id="g7", reason="no_contact", detail="", title="Check-up Ana Example")
    look = Look(at=look_at("held").at, version="", links=[a_link(held=(hold,))], personal=personal)
    text = Reader(page.render(look)).text
    assert ("Check-up Ana Example" in text) is personal
    assert "HighLevel g7" in text


@pytest.mark.parametrize("personal", [True, False])
def test_a_removal_has_its_title_and_its_time(
    look_at: Callable[..., Look], a_link: Callable[..., LinkHealth], *, personal: bool
) -> None:
    at = look_at("held").at
    entry = HistoryEntry(
        at=at,
        cycle="c1",
        side=Side.HUBSPOT,
        ghl_id="g1",
        hubspot_id="501",
        action="remove",
        title="Check-up Ana",
        starts_at=at.replace(year=2031),
    )
    look = Look(at=at, version="", links=[a_link(history=(entry,))], personal=personal)
    text = Reader(page.render(look)).text
    assert ("Check-up Ana" in text) is personal
    assert "archived" in text
    assert "2031-" in text


def test_hundreds_of_held_records_are_cut_and_counted(
    look_at: Callable[..., Look], a_link: Callable[..., LinkHealth]
) -> None:
    held = tuple(Hold(ghl_id=f"g{n}", reason="conflict", detail="") for n in range(300))
    at = look_at("held").at
    text = Reader(page.render(Look(at=at, version="", links=[a_link(held=held)]))).text
    assert "300 records wait for you" in text
    assert "and 250 more: syncd held" in text


def test_the_headline_says_first_what_needs_a_person(
    a_link: Callable[..., LinkHealth], now: datetime
) -> None:
    hold = Hold(ghl_id="g7", reason="no_contact", detail="")
    guarded = Hold(ghl_id="g8", reason="removal_guard", detail="")
    assert headline([], now) == "No link is configured."
    assert headline([a_link(pairs=17, held=(hold, guarded))], now) == (
        "17 appointments in sync. Last change 2 minutes ago. 1 waits for you."
    )
    waiting = a_link(state=State.WAITING, pairs=1, good_at=None, history=(), cycles=())
    assert headline([waiting], now) == (
        "1 link needs your approval. 1 appointment is paired, and not in sync yet."
    )
    gone = a_link(state=State.GONE, pairs=2, paused=True)
    assert headline([gone, waiting], now) == (
        "1 link is in trouble. 1 link needs your approval. 1 link is paused. "
        "2 appointments were in sync 42 seconds ago. 1 appointment is paired, and not in sync yet. "
        "Last change 2 minutes ago."
    )
    contested = Hold(ghl_id="g9", hubspot_id="9", reason="conflict", detail="")
    failed = a_link(state=State.FAILED_WRITES, pairs=3, held=(contested,), history=(), cycles=())
    assert headline([failed], now) == (
        "Some writes failed in 1 link, and are tried again. "
        "2 appointments were in sync 42 seconds ago. 1 waits for you."
    )
    # Before its first cycle a daemon knows what was, and not what is.
    begins = a_link(state=State.STARTING, pairs=9, good_at=now - timedelta(days=2), history=())
    assert headline([replace(begins, cycles=())], now) == "9 appointments were in sync 2 days ago."
    doubted = a_link(pairs=9, unexplained=2, history=(), cycles=())
    assert headline([doubted], now) == (
        "9 appointments in sync. 2 differences of the last audit unexplained."
    )


# --- decisions

OFFERS = Offers(
    link=(Form(decisions=("sync", "pause"), link="clinic", seen="in service"),),
    records={
        ("Kd82kslAwq1", "501"): (
            Form(
                decisions=("pair",),
                link="clinic",
                record="501",
                seen="s",
                other="00496601",
                other_side="HubSpot",
            ),
            Form(decisions=("keep-ghl", "retry"), link="clinic", record="501", seen="s"),
        ),
        ("", "777"): (
            Form(decisions=("contact",), link="clinic", record="777", seen="s", asks_contact=True),
        ),
    },
    ignored=(
        IgnoredRecord(
            record="88",
            title="Ana Example",
            forms=(Form(decisions=("retry",), link="clinic", record="88", seen="s"),),
        ),
    ),
)


def forms_of(text: str) -> list[dict[str, Any]]:
    """Each form: its hidden fields, its buttons, what a person types."""
    found: list[dict[str, Any]] = []
    for tag, held in Reader(text).tags:
        if tag == "form":
            assert (held["method"], held["action"]) == ("post", "/")
            found.append({"decisions": [], "typed": []})
        elif tag == "input" and held.get("type") == "hidden":
            found[-1][held["name"] or ""] = held["value"]
        elif tag == "input" and found and held.get("name"):
            found[-1]["typed"].append(held["name"])
        elif tag == "button" and held.get("name"):
            assert held["name"] == "decision"
            found[-1]["decisions"].append(held["value"])
    return found


def test_a_person_reads_titles_and_names_before_ids(
    look_at: Callable[..., Look], a_link: Callable[..., LinkHealth]
) -> None:
    pair = Form(
        decisions=("pair",),
        link="clinic",
        record="501",
        other="a9",
        other_side="HighLevel",
        other_title="Physio Ana",
    )
    hold = Hold(
        ghl_id="a1",
        hubspot_id="501",
        group="contact",
        reason="contact_changed",
        detail="another contact",
        values={"ghl": "c1", "hubspot": "51"},
    )
    look = replace(
        look_at("healthy", personal=True),
        links=[a_link(held=(hold,))],
        offers={"clinic": Offers(records={("a1", "501"): (pair,)})},
        names={("clinic", "contact", Side.HUBSPOT, "51"): "Ben Example"},
    )
    shown = Reader(page.render(look, proof="p")).text
    assert "Same appointment as HighLevel Physio Ana (a9)" in shown
    assert "Another contact in HubSpot" in shown
    assert "HubSpot has Ben Example (51)" in shown
    hidden = Reader(page.render(replace(look, personal=False), proof="p")).text
    assert "Same appointment as HighLevel a9" in hidden
    assert "Ben" not in hidden


def test_what_may_be_decided_stands_in_forms_of_their_own(
    look_at: Callable[..., Look],
) -> None:
    look = look_at("held", offers={"clinic": OFFERS}, personal=True)
    everything, link, pair, record, contact, ignored = forms_of(page.render(look, proof="p"))
    assert (everything["link"], everything["decisions"]) == ("", ["pause"])
    assert (link["link"], link["seen"], link["decisions"]) == (
        "clinic",
        "in service",
        ["sync", "pause"],
    )
    # An id is sent back as it is, though it looks like a phone number.
    assert (pair["decisions"], pair["other"]) == (["pair"], "00496601")
    assert "Same appointment as HubSpot 00496601" in Reader(page.render(look, proof="p")).text
    assert record["decisions"] == ["keep-ghl", "retry"]
    assert "other" not in record
    assert (contact["decisions"], contact["typed"]) == (["contact"], ["contact"])
    assert (ignored["record"], ignored["decisions"]) == ("88", ["retry"])
    assert {each["proof"] for each in (everything, link, pair, record, contact)} == {"p"}


def test_people_are_called_by_name_for_who_may_see_names(
    look_at: Callable[..., Look], a_link: Callable[..., LinkHealth], now: datetime
) -> None:
    entry = HistoryEntry(
        at=now,
        cycle="c1",
        side=Side.GHL,
        ghl_id="g1",
        hubspot_id="501",
        action="update",
        field="owner",
        before="u1",
        after="u2",
    )
    form = Form(decisions=("contact",), link="clinic", record="777", seen="s", contact="51")
    detail = "user us0Er7 is not in the team of calendar cAl9-Xy"
    hold = Hold(hubspot_id="779", reason="outside_team", detail=detail)
    look = look_at(
        "held",
        offers={"clinic": Offers(records={("", "777"): (form,)})},
        names={
            ("clinic", "contact", Side.HUBSPOT, "51"): "Ana <b>Example",
            ("clinic", "owner", Side.GHL, "u2"): "Dana Keller",
            ("clinic", "calendar", Side.GHL, "cAl9-Xy"): "Room <2>",
        },
    )
    look = replace(look, places={"clinic": "https://app.hubspot.com/contacts/7/record/0-421/"})
    look = replace(look, links=[a_link(held=(*look.links[0].held, hold), history=(entry,))])
    shown = Reader(page.render(replace(look, personal=True), proof="p")).text
    assert "It is for Ana <b>Example (51)" in shown
    assert "u1 → Dana Keller (u2)" in shown
    assert "user us0Er7 is not in the team of calendar Room <2> (cAl9-Xy)" in shown
    address = "https://app.hubspot.com/contacts/7/record/0-421/777"
    read = Reader(page.render(look, proof="p"))
    assert ("a", {"href": address, "rel": "noreferrer"}) in read.tags
    masked = read.text
    assert "It is for 51" in masked
    assert "Dana" not in masked
    assert detail in masked


def test_without_a_proof_there_is_no_form(look_at: Callable[..., Look]) -> None:
    assert forms_of(page.render(look_at("held", offers={"clinic": OFFERS}))) == []


def test_an_approval_is_asked_for_in_a_block_of_its_own(look_at: Callable[..., Look]) -> None:
    approve = Offers(
        approve=(Form(decisions=("approve",), link="clinic", seen='{"ghl": 3}'),),
        first_sync={"ghl": 3, "hubspot": 412},
        underway=(Underway(at=look_at("held").at, told="sync now", by="Zoë"),),
    )
    look = look_at("waiting", offers={"clinic": approve})
    assert "sync now, by a person" in Reader(page.render(look, proof="p")).text
    text = page.render(replace(look, personal=True), proof="p")
    read = Reader(text)
    assert "It would write 3 records in HighLevel and 412 records in HubSpot." in read.text
    assert "sync now, by Zoë" in read.text
    assert forms_of(text)[-1]["seen"] == '{"ghl": 3}'


def test_many_links_are_a_table_with_a_page_for_each(
    look_at: Callable[..., Look], a_link: Callable[..., LinkHealth]
) -> None:
    links = [a_link(f"link_{n}", State.GONE if n == 7 else State.OK) for n in range(60)]
    read = Reader(page.render(Look(at=look_at("held").at, version="", links=links)))
    rows = [held for tag, held in read.tags if tag == "tr" and "data-name" in held]
    assert (len(rows), rows[0]["data-name"], rows[0]["data-tone"]) == (60, "link_7", "bad")
    assert ("a", {"href": "/?link=link_7"}) in read.tags
    assert "What was written" not in read.text


@pytest.mark.parametrize(
    ("query", "shown", "told"),
    [
        ({}, 200, "Worst first. "),
        ({"page": "3"}, 50, "page 3 of 3"),
        ({"page": "99999999999999"}, 50, "page 3 of 3"),
        ({"page": "-1"}, 200, "page 1 of 3"),
        ({"page": "²"}, 200, "page 1 of 3"),
        ({"state": "bad"}, 1, "1 link fits of 450"),
        ({"q": " LINK_00 ", "state": "nonsense"}, 10, "10 links fit of 450"),
        ({"q": "link_007", "state": "good"}, 0, "0 links fit of 450"),
        ({"q": '"><script>' * 99, "personal": "no"}, 0, "0 links fit of 450"),
    ],
)
def test_a_table_is_searched_filtered_and_turned_without_a_script(
    look_at: Callable[..., Look],
    a_link: Callable[..., LinkHealth],
    query: dict[str, str],
    shown: int,
    told: str,
) -> None:
    links = [a_link(f"link_{n:03}", State.GONE if n == 7 else State.OK) for n in range(450)]
    look = Look(at=look_at("held").at, version="", links=links)
    text = page.render(look, Address.read(query), proof="p")
    read = Reader(text)
    rows = [held for tag, held in read.tags if tag == "tr" and "data-name" in held]
    assert len(rows) == shown
    assert told in read.text
    assert len(text) < 150_000
    assert "<script>'" not in text
    (field,) = [held for tag, held in read.tags if tag == "input" and held.get("name") == "q"]
    assert field["value"] == query.get("q", "").strip()[:100]
    # What is pressed here leads back here.
    (action,) = {held["action"] for _, held in read.tags if held.get("method") == "post"}
    back = Address.read(dict(parse_qsl(str(action).removeprefix("/?"))))
    assert back == Address.read(query)


# --- the days


def happened(now: datetime, minutes: int, action: str = "update", **more: Any) -> Event:
    return Event(at=now - timedelta(minutes=minutes), side=Side.GHL, action=action, **more)


def test_the_days_are_counted_by_the_calendar_of_the_link(now: datetime) -> None:
    start = frozenset({"start", "end"})
    told = Days(
        events=(
            happened(now, 5, "create"),
            happened(now, 6, fields=start),
            happened(now, 7, fields=frozenset({"status"}), cancels=True),
            happened(now, 8, "conflict", fields=frozenset({"title"})),
            happened(now, 13 * 60, "remove"),
            happened(now, 8 * 1440, "create"),
        )
    )
    today, week = view.days(told, now, words.zone_of(""))
    assert dict(today.told()) == {
        "created": 1, "moved": 1, "changed": 1, "cancelled": 1, "removed": 0, "conflicts": 1,
    }  # fmt: skip
    assert dict(week.told()) == dict(today.told()) | {"removed": 1}
    # It is noon in UTC: in Auckland the day began an hour ago.
    assert dict(view.days(told, now, words.zone_of("Pacific/Auckland"))[0].told())["created"] == 1
    nights = Days(events=(happened(now, 90, "create"),))
    assert view.days(nights, now, words.zone_of("Pacific/Auckland"))[0].told()[0] == ("created", 0)


def test_the_axis_shows_each_half_hour_of_a_day_and_its_trouble(now: datetime) -> None:
    told = Days(
        events=(
            *(happened(now, 10, "create") for _ in range(5000)),
            happened(now, 50),
            happened(now, 23 * 60),
            happened(now, 25 * 60),
        ),
        trouble=((now - timedelta(minutes=100), "unreachable"), (now - timedelta(days=2), "fault")),
    )
    columns = plot.draw(told, now, words.zone_of(""))
    bars = [box for column in columns for box in column.boxes if box.kind == "ghl"]
    assert [column.title.partition(":")[0] for column in columns][-1] == "from 11"
    assert (len(columns), len(bars)) == (4, 3)
    assert bars[-1].height > bars[0].height >= 6
    assert [box.kind for box in columns[1].boxes] == ["failed", "cross", "all"]
    assert "5,002 written in HighLevel" in plot.described(told, now)
    assert "1 cycle with trouble" in plot.described(told, now)
    hours = [mark.told for mark in plot.hours(now, words.zone_of("Asia/Kolkata"))]
    assert hours == ["18:00", "00:00", "06:00", "12:00"]


# --- words and colours


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.44, "0.4 s"),
        (8.0, "8 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (75.2, "1 min 15 s"),
        (3600, "1 h"),
        (3605, "1 h"),
        (7500, "2 h 5 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_a_length_of_time_is_told_in_its_largest_units(seconds: float, told: str) -> None:
    assert words.span(seconds) == told


@pytest.mark.parametrize(
    ("held", "told"),
    [
        ("2026-03-03T08:00:00Z", "Tue 2026-03-03 09:00"),
        ("2026-03-03T08:00:00+00:00 to 2026-03-03T08:30:00+00:00", "Tue 2026-03-03 09:00 to 09:30"),
        ("2026-03-03T08:00:00+00:00 to ?", "Tue 2026-03-03 09:00"),
        ("no slot at 2026-03-03 08:00 UTC", "no slot at Tue 2026-03-03 09:00"),
        ("2026-13-03T08:00:00Z", "2026-13-03T08:00:00Z"),
        ("?", "?"),
    ],
)
def test_a_time_that_is_held_is_told_in_the_zone(held: str, told: str) -> None:
    assert words.value(held, personal=True, zone=words.zone_of("Europe/Vienna")) == told


def test_another_day_is_told_with_its_date(now: datetime) -> None:
    assert words.moment(now, now) == "12:00"
    assert words.moment(now - timedelta(days=1), now) == "Sun 2026-03-01 12:00"
    assert words.moment(now, now, words.zone_of("Asia/Tokyo")) == "21:00"
    assert words.long_ago(now - timedelta(minutes=3), now) == "3 minutes ago"
    assert words.long_ago(now, now) == "just now"
    assert words.ago(now + timedelta(seconds=5), now) == "in 5 s"


def _luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, two: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_that_people_need(
    colours: dict[str, dict[str, str]], scheme: str
) -> None:
    pairs: list[tuple[str, str]] = [
        (ink, ground)
        for ink in ("ink", "soft", "link")
        for ground in ("page", "card", "code")
        if (ink, ground) != ("soft", "code")
    ]
    pairs += [(tone, f"{tone}-back") for tone in ("good", "warn", "bad")]
    # Commands stand in remedies.
    pairs += [(tone, "code") for tone in ("good", "warn", "bad")]
    for ink, ground in pairs:
        assert _contrast(colours[scheme][ink], colours[scheme][ground]) >= 4.5, (ink, ground)


def test_the_style_sheet_is_named_by_its_hash(look_at: Callable[..., Any]) -> None:
    text = page.render(look_at("fresh"))
    style = text.partition("<style>")[2].partition("</style>")[0]
    named = b64encode(sha256(style.encode()).digest()).decode()
    assert page.style_hash() == f"sha256-{named}"
