"""What people read, from reports made by hand: in a pipe and on a terminal."""

import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from rich.console import Console

from syncd.cli.history import Query, entries_of, print_history
from syncd.cli.output import cycle_report, formatting, plan_report
from syncd.cli.output.printer import Printer
from syncd.core.model import REASONS, Hold, Side
from syncd.core.outcome import Outcome
from syncd.engine.apply.results import FailedWrite
from syncd.engine.planned_writes import PlannedWrite
from syncd.engine.report import CycleReport
from syncd.observability.remedies import REMEDIES
from syncd.ports.store import HistoryEntry, LinkStore

NINE = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def write(**more: object) -> PlannedWrite:
    """An update of a title, changed by `more`."""
    values: dict[str, object] = {
        "side": Side.HUBSPOT,
        "action": "update",
        "ghl_id": "g1",
        "hubspot_id": "501",
        "fields": {"title": ("Check-up", "Control")},
        "why": "changed in HighLevel",
        "title": "Check-up",
        "starts_at": NINE,
    }
    return PlannedWrite(**(values | more))  # type: ignore[arg-type]


def report(**more: Any) -> CycleReport:
    """A report of a good cycle in Zurich, changed by `more`."""
    good = {"link": "clinic", "timezone": "Europe/Zurich", "pairs": 12, "unchanged": 11}
    return CycleReport(**{**good, **more})


def piped(found: CycleReport, *, plan: bool = False) -> str:
    """What a pipe gets."""
    stream = io.StringIO()
    (plan_report.print_plan if plan else cycle_report.print_cycle)(Printer(stream), found)
    return stream.getvalue()


def on_screen(found: CycleReport, *, width: int = 80, plan: bool = False) -> str:
    """What a terminal of that width gets, colours included."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=width, color_system="standard")
    (plan_report.print_plan if plan else cycle_report.print_cycle)(
        Printer(stream, console=console), found
    )
    return stream.getvalue()


def test_times_are_told_in_the_locations_zone() -> None:
    told = piped(report(written=[write()]))
    assert told.splitlines()[0] == "clinic (times in Europe/Zurich)"
    assert "Mon 2026-03-02 09:00" in told


def test_times_are_told_in_utc_where_the_zone_is_not_known() -> None:
    told = piped(report(written=[write()], timezone=""))
    assert "(times in UTC)" in told
    assert "Mon 2026-03-02 08:00" in told


def test_a_write_of_several_fields_is_one_row_in_a_pipe() -> None:
    fields = {"title": ("A", "B"), "address": (None, "12 Quay Street"), "owner": ("7", None)}
    row = piped(report(written=[write(fields=fields)])).splitlines()[2]
    assert "title: A → B; address: (empty) → 12 Quay Street; owner: 7 → (empty)" in row


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("2026-03-02T10:00:00Z", "start: Mon 2026-03-02 09:00 → 10:30"),
        (
            "2026-03-02T11:00:00Z",
            "start: Mon 2026-03-02 09:00 → 10:30; end: Mon 2026-03-02 09:30 → 12:00",
        ),
    ],
)
def test_an_end_that_only_moves_along_goes_unsaid(end: str, told: str) -> None:
    fields = {
        "start": ("2026-03-02T08:00:00Z", "2026-03-02T09:30:00Z"),
        "end": ("2026-03-02T08:30:00Z", end),
    }
    row = piped(report(written=[write(fields=fields)])).splitlines()[2]
    assert row.endswith(f"HubSpot: {told}")


@pytest.mark.parametrize(
    ("side", "fields", "told"),
    [
        (Side.HUBSPOT, {}, "HubSpot: archived"),
        (Side.GHL, {}, "HighLevel: deleted"),
        (Side.GHL, {"status": ("confirmed", "cancelled")}, "HighLevel: cancelled"),
    ],
)
def test_a_removal_is_called_what_it_is_on_its_side(
    side: Side, fields: dict[str, tuple[str, str]], told: str
) -> None:
    found = report(written=[write(action="remove", side=side, fields=fields)])
    assert piped(found).splitlines()[2].endswith(told)


def test_writes_are_told_in_the_order_of_the_day() -> None:
    late = write(title="late", starts_at=NINE.replace(hour=12))
    none = write(title="none", starts_at=None)
    told = piped(report(written=[none, late, write(title="early")]))
    assert re.findall(r"\b(early|late|none)\b", told) == ["early", "late", "none"]


def test_a_plan_tells_every_field_of_a_new_record() -> None:
    created = write(
        action="create", hubspot_id="", fields={"title": (None, "A"), "status": (None, "X")}
    )
    told = piped(report(planned=[created]), plan=True)
    assert "  + create in HubSpot: Check-up, Mon 2026-03-02 09:00\n" in told
    assert "      record: HighLevel g1\n" in told
    assert "      title: A\n      status: X\n" in told
    assert told.endswith("clinic: HubSpot: 1 to create. Nothing was written.\n")


def test_an_empty_plan_says_that_both_sides_are_in_step() -> None:
    assert piped(report(planned=[]), plan=True).endswith(
        "clinic: nothing to write, both sides are in step\n"
    )


@pytest.mark.parametrize(
    "what",
    [
        {"held": [Hold(reason="slot_taken", detail="the particulars", hubspot_id="501")]},
        {"unread": ["calendar Team: 502"], "outcome": Outcome.FAILED_WRITES},
        {"outcome": Outcome.GUARD, "detail": "7 removals were kept back"},
    ],
)
def test_a_plan_that_leaves_something_open_calls_nothing_in_step(what: dict[str, Any]) -> None:
    told = piped(report(planned=[], **what), plan=True)
    assert "clinic: nothing to write\n" in told
    assert "in step" not in told


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_is_told_with_its_detail(outcome: Outcome) -> None:
    for plan in (False, True):
        told = piped(report(outcome=outcome, detail="do this next", planned=[]), plan=plan)
        assert "clinic: " in told
        assert "do this next" in told


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_to_wait_says_what_lets_it_go(reason: str) -> None:
    hold = Hold(
        reason=reason,
        detail="the particulars",
        hubspot_id="501",
        starts_at=NINE,
        candidates=("OTHER",),
    )
    told = piped(report(held=[hold]))
    assert f"{reason}: the particulars" in told
    assert "HubSpot 501" in told
    assert f"to resolve it: {REMEDIES[reason].instead}, or:" in told
    for command in REMEDIES[reason].commands:
        assert f"      {command.format(id=501)}\n" in told


def test_the_commands_that_resolve_a_held_record_name_it() -> None:
    hold = Hold(reason="rejected", detail="", ghl_id="g1")
    assert formatting.how_to_resolve(replace(hold, hubspot_id="501")) == (
        "change what the refusal names, or `syncd retry 501`, or `syncd resolve 501 --ignore`"
    )
    assert "`syncd retry g1`" in formatting.how_to_resolve(hold)


def test_failures_warnings_and_what_was_not_read_are_told() -> None:
    failed = FailedWrite(
        ghl_id="g1", hubspot_id="", side=Side.HUBSPOT, action="create", detail="503: later"
    )
    told = piped(
        report(
            outcome=Outcome.FAILED_WRITES,
            failed=[failed],
            unread=["calendar Team: 502"],
            warnings=["HubSpot has no status value 'X'"],
        )
    )
    assert "Failed, and tried again: HubSpot: create of HighLevel g1: 503: later" in told
    assert "Not read, and tried again: calendar Team: 502" in told
    assert "Warning: HubSpot has no status value 'X'" in told


def test_a_terminal_gets_colour_and_lines_that_fit() -> None:
    long = write(fields={"description": ("short", "long " * 60)})
    told = on_screen(report(written=[long, write()]), width=72)
    assert "\x1b[" in told
    plain = Console(file=io.StringIO(), width=72)
    for line in told.splitlines():
        assert plain.measure(line_without_colour(line)).maximum <= 72


def line_without_colour(line: str) -> str:
    """The characters that are seen."""
    from rich.text import Text

    return Text.from_ansi(line).plain


def test_a_terminal_keeps_the_indentation_of_lines_that_it_wraps() -> None:
    detail = "a rather long detail that does not fit on one line of this narrow terminal"
    lines = on_screen(report(detail=detail), width=40).splitlines()
    told = [line_without_colour(line) for line in lines if "rather" in line or "narrow" in line]
    assert len(told) == 2
    assert all(line.startswith("  ") for line in told)


def test_no_colour_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80, color_system="standard")
    cycle_report.print_cycle(Printer(stream, console=console), report(written=[write()]))
    assert not any(f"\x1b[{code}m" in stream.getvalue() for code in range(30, 38))


def test_a_terminal_is_spared_thousands_of_rows_and_a_pipe_is_not() -> None:
    found = report(written=[write()] * (cycle_report.ON_SCREEN + 20))
    shown = [line_without_colour(line) for line in on_screen(found).splitlines()]
    at = shown.index("  and 20 more writes; to see them all:")
    assert shown[at + 1] == "    syncd history"
    assert piped(found).count("Control") == cycle_report.ON_SCREEN + 20


def test_a_plan_is_never_cut() -> None:
    text = "word " * 100
    planned = [write(fields={"description": ("", text)})] * (cycle_report.ON_SCREEN + 1)
    told = on_screen(report(planned=planned), plan=True)
    assert told.count("word") == 100 * (cycle_report.ON_SCREEN + 1)


@pytest.mark.parametrize(
    ("length", "told"), [(0.84, "0.8 s"), (59.9, "59.9 s"), (200.4, "3 min 20 s")]
)
def test_lengths_are_told_as_people_say_them(length: float, told: str) -> None:
    assert formatting.seconds(length) == told


def entry(**more: object) -> HistoryEntry:
    """One value of a write at nine, changed by `more`."""
    values: dict[str, object] = {
        "at": NINE,
        "cycle": "c1",
        "side": Side.HUBSPOT,
        "ghl_id": "g1",
        "hubspot_id": "501",
        "action": "update",
        "field": "title",
        "before": "Check-up",
        "after": "Control",
        "why": "changed in HighLevel",
    }
    return HistoryEntry(**(values | more))  # type: ignore[arg-type]


def test_the_values_of_one_write_are_told_together_newest_write_first() -> None:
    stream = io.StringIO()
    made = {"action": "create", "before": None, "at": NINE.replace(hour=7), "why": "new"}
    print_history(
        Printer(stream),
        "clinic",
        [
            entry(field="address", before=None, after="12 Quay Street"),
            entry(action="conflict", why="changed on both sides"),
            entry(**made, field="status", after="SCHEDULED"),
            entry(**made, field="", after=None),
        ],
        "Europe/Zurich",
    )
    assert stream.getvalue().splitlines() == [
        "clinic: 2 records written (times in Europe/Zurich)",
        "cycle c1, Mon 2026-03-02 09:00",
        "  Mon 2026-03-02 09:00  HubSpot: updated (changed on both sides; changed in HighLevel)",
        "      record: HighLevel g1, HubSpot 501",
        "      title: Check-up → Control (overwritten)",
        "      address: (empty) → 12 Quay Street",
        "  Mon 2026-03-02 08:00  HubSpot: created (new)",
        "      record: HighLevel g1, HubSpot 501",
        "      status: SCHEDULED",
        "clinic: 2 records written",
    ]


def test_a_removal_in_the_history_names_its_appointment_and_a_contact_nobody() -> None:
    stream = io.StringIO()
    bare = {"field": "", "before": None, "after": None, "why": ""}
    print_history(
        Printer(stream),
        "clinic",
        [
            entry(**bare, action="remove", title="Check-up", starts_at=NINE),
            entry(**bare, action="create", record="contact", ghl_id="c1", hubspot_id="51"),
        ],
        "Europe/Zurich",
    )
    assert stream.getvalue().splitlines()[2:] == [
        "  Mon 2026-03-02 09:00  HubSpot: archived: Check-up, Mon 2026-03-02 09:00",
        "      record: HighLevel g1, HubSpot 501",
        "  Mon 2026-03-02 09:00  HubSpot: contact created",
        "      record: HighLevel c1, HubSpot 51",
        "clinic: 2 records written",
    ]


class RecentWrites:
    """A store that has this history, newest first."""

    def __init__(self, *entries: HistoryEntry) -> None:
        self.entries = list(entries)

    def history(self, record_id: str = "", *, limit: int = 0) -> list[HistoryEntry]:
        del record_id
        return self.entries[:limit] if limit else self.entries


def test_the_limit_of_the_history_counts_records_however_many_fields_they_have() -> None:
    fields = [f"x:{number}" for number in range(40)]
    entries = [
        entry(at=NINE.replace(minute=59 - n), ghl_id=f"g{n}", field=field, action=action)
        for n, action in enumerate(["create", "remove", "create", "update"])
        for field in fields
    ]
    past = cast("LinkStore", RecentWrites(*entries))

    def told(**wanted: Any) -> list[str]:
        found = entries_of(past, Query(**wanted))
        assert len(found) % len(fields) == 0
        return list(dict.fromkeys(each.ghl_id for each in found))

    assert told() == ["g0", "g1", "g2", "g3"]
    assert told(limit=1) == ["g0"]
    assert told(limit=3) == ["g0", "g1", "g2"]
    assert told(limit=1, action="update") == ["g3"]
    assert told(limit=9, action="create") == ["g0", "g2"]
    assert told(limit=9, since=NINE.replace(minute=58)) == ["g0", "g1"]


def test_a_narrow_screen_breaks_no_word_and_cuts_nothing() -> None:
    stream = io.StringIO()
    printer = Printer(stream, console=Console(file=stream, width=60, color_system=None))
    rows = [("Tue 2026-12-01 08:30", "Check-up (HighLevel xX0rm8yguqv4KlTnakqC)", "x" * 70, "")]
    printer.table(("When", "Record", "How to resolve it", "Nothing to say"), rows)
    printer.line(f"  see https://example.com/{'a' * 70} for more of it, as ever and as always")
    told = stream.getvalue()
    assert "Nothing to say" not in told
    words = {word for line in told.splitlines() for word in line.split()}
    for word in ("08:30", "xX0rm8yguqv4KlTnakqC)", "x" * 70, f"https://example.com/{'a' * 70}"):
        assert word in words
    assert all(len(line) <= 60 or "xxx" in line or "aaa" in line for line in told.splitlines())


def test_one_contact_is_counted_as_one() -> None:
    assert formatting.counted("contacts_created", 1) == "1 contact created"
    assert formatting.counted("contacts_created", 2) == "2 contacts created"
    assert formatting.counted("updated", 1000) == "1,000 updated"
