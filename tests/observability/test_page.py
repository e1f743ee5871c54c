from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest

from syncd.core.model import Hold, Side
from syncd.observability import page, words
from syncd.observability.health import LinkHealth
from syncd.observability.heartbeat import CyclePoint
from syncd.observability.page import Look, plot
from syncd.observability.page.render import summary
from syncd.observability.redaction import forget_secrets, register_secret
from syncd.observability.state import State
from syncd.ports.store import HistoryEntry

VOID = {"meta", "link", "br", "rect", "line"}


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
        if self.open[-1:] != ["style"]:
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
    assert "script" not in tags
    ids = [held["id"] for _, held in read.tags if "id" in held]
    assert len(ids) == len(set(ids))
    labels = [held["aria-labelledby"] for _, held in read.tags if "aria-labelledby" in held]
    assert set(labels) <= set(ids)


def test_the_page_loads_itself_again_and_asks_nobody_else(shown: Callable[..., Reader]) -> None:
    read = shown("healthy")
    assert ("meta", {"http-equiv": "refresh", "content": "15"}) in read.tags
    for _, held in read.tags:
        for name in ("href", "src"):
            assert not (held.get(name) or "").startswith(("http", "//"))


def test_the_state_stands_in_words_with_its_remedy(shown: Callable[..., Reader]) -> None:
    assert "in step" in shown("healthy").text
    down = shown("provider_down").text
    assert "service out of reach" in down
    assert "HubSpot answers 503" in down
    assert "1 of 2 links in trouble" in down
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
    assert "Held: 3 records" in told
    assert "changed on both sides (time)" in told
    assert "syncd resolve 501 --keep ghl or syncd resolve 501 --keep hubspot" in told
    assert "syncd resolve Zz91 --book-anyway" in told


def test_personal_data_is_masked_unless_asked_for(shown: Callable[..., Reader]) -> None:
    masked, open_ = shown("held").text, shown("held", personal=True).text
    assert "Ana Example" not in masked
    assert "ana@example.com" not in masked
    assert "2026-03-03 08:00 → 2026-03-03 08:30" in masked
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
    assert "starts 2031-" in text


def test_hundreds_of_held_records_are_cut_and_counted(
    look_at: Callable[..., Look], a_link: Callable[..., LinkHealth]
) -> None:
    held = tuple(Hold(ghl_id=f"g{n}", reason="conflict", detail="") for n in range(300))
    at = look_at("held").at
    text = Reader(page.render(Look(at=at, version="", links=[a_link(held=held)]))).text
    assert "300 records held" in text
    assert "and 250 more: syncd held" in text


def test_the_summary_says_first_what_needs_a_person(a_link: Callable[..., LinkHealth]) -> None:
    assert summary([]) == "no link is configured"
    assert summary([a_link()]) == "1 link, no trouble"
    assert summary([a_link(state=State.GONE)]) == "1 link, in trouble"
    assert summary([a_link(), a_link(state=State.GONE)]) == "1 of 2 links in trouble"


# --- the plot


def bars(drawing: list[plot.Column], kind: str) -> list[float]:
    return [box.height for column in drawing for box in column.boxes if box.kind == kind]


def test_a_cycle_is_a_column_with_its_story_in_a_title(now: datetime) -> None:
    point = CyclePoint(at=now, kind="full", outcome="ok", writes=3, seconds=1.9, delay=8.0)
    (column,) = drawing = plot.draw([point])
    assert column.title == "12:00:00 full, ok, 3 writes, 1.9 s, delay 8 s"
    assert len(bars(drawing, "writes")) == len(bars(drawing, "delay")) == 1


def test_few_writes_stay_visible_beside_thousands(now: datetime) -> None:
    drawing = plot.draw(
        [CyclePoint(at=now, kind="full", outcome="ok", writes=writes) for writes in (5000, 1, 0)]
    )
    high, low = bars(drawing, "writes")
    assert high > low > 3


def test_a_cycle_that_did_not_end_well_has_a_mark(now: datetime) -> None:
    drawing = plot.draw([CyclePoint(at=now, kind="full", outcome="refused")])
    assert len(bars(drawing, "failed")) == len(bars(drawing, "cross")) == 1


def test_only_the_last_cycles_are_drawn_and_the_label_tells_the_story(now: datetime) -> None:
    points = [
        CyclePoint(
            at=now + timedelta(minutes=n), kind="full", outcome="ok" if n else "fault", writes=1
        )
        for n in range(100)
    ]
    assert len(plot.draw(points)) == 60
    assert plot.described(points[:2]) == "the last 2 cycles, 2 writes, 1 not well ended"
    assert plot.described([]) == "no cycle has run yet"


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


def test_another_day_is_told_with_its_date(now: datetime) -> None:
    assert words.moment(now, now) == "12:00:00"
    assert words.moment(now - timedelta(days=1), now) == "2026-03-01 12:00"
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
