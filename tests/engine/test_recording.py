"""A recording decides as its cycle did, anywhere, and names nobody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import recorded_scenarios
from recorded_scenarios import FOLDER

from syncd.core.rendering import renders
from syncd.recording.disguise import Disguise
from syncd.recording.file import read, written
from syncd.recording.record import Recorded, record
from syncd.recording.replay import as_written, replayed, sections

if TYPE_CHECKING:
    from harness import SyncHarness

PLANTED = (
    *(
        "Annabel",
        "Leeson",
        "Müller",
        "Zoëlla",
        "Zoella",
        "annabel.leeson@example.com",
        "zoe@praxis.example",
    ),
    *("+15550101", "5550101", "Knee", "surgery", "secret note", "Room 2", "Praxis"),
)


def taken(harness: SyncHarness) -> tuple[Recorded, str]:
    """A recording, and its text; it is read back from the text."""
    harness.world.reset_requests()
    found = record(harness.link(), "link1")
    assert harness.world.writes("ghl") == harness.world.writes("hubspot") == []
    text = "".join(written(found.lines))
    (lines,) = sections([json.loads(line) for line in text.splitlines()])
    again = as_written(replayed(lines))
    kept = next(line["value"] for line in lines if line["part"] == "plan")
    assert again == kept
    assert found.differs == []
    assert again["code"] == found.report.outcome.exit_code
    assert len(again["planned"]) == len(found.report.planned or ())
    return found, text


@pytest.fixture
def busy(harness: SyncHarness) -> SyncHarness:
    recorded_scenarios.busy(harness)
    return harness


def test_a_busy_cycle_replays_write_for_write(busy: SyncHarness) -> None:
    found, text = taken(busy)
    assert len(found.report.planned or ()) >= 4
    assert len(found.report.held) >= 2
    for word in PLANTED:
        assert word.casefold() not in text.casefold(), word
    secrets = (busy.world.settings.ghl_token, busy.world.settings.hubspot_token)
    ids = [i for pair in busy.pairs() for i in (*pair.ids, pair.ghl.contact, pair.hubspot.contact)]
    for word in (*secrets, *ids, busy.ghl.id, *busy.calendars.values()):
        assert not word or word not in text, word


def test_a_cycle_that_is_refused_replays_with_its_code(busy: SyncHarness) -> None:
    busy.world.faults.add(side="hubspot", status=401, times=None)
    found, _ = taken(busy)
    assert found.report.outcome.exit_code == 6


@pytest.mark.parametrize("name", recorded_scenarios.SCENARIOS)
def test_every_situation_replays_as_it_was_decided(harness: SyncHarness, name: str) -> None:
    recorded_scenarios.SCENARIOS[name](harness)
    taken(harness)


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.jsonl")), ids=lambda each: each.stem)
def test_the_recordings_are_decided_alike(file: Path) -> None:
    for lines in sections(read(file)):
        kept = next(line["value"] for line in lines if line["part"] == "plan")
        assert as_written(replayed(lines)) == kept


def test_there_is_a_recording_of_every_situation() -> None:
    assert {each.stem for each in FOLDER.glob("*.jsonl")} == {*recorded_scenarios.SCENARIOS}


TEXTS = [
    "Zoë & Søn <b>Consulta</b>tion",
    "Consultation with Annabel Leeson",
    "Consultation with Anna…",
    "Consultation wi",
    "Zoe\u0308 &amp; So\u0308n",
    "Zo&euml; &amp;amp; x",
    "a<br>b words here and more",
    "a b words here and more",
    "Ünïcödé 日本語テキスト 🦷🦷 tail of it",
    "Ünïcödé 日本語テキスト ?? tail of it",
    "Ünïcödé 日本語テキスト tail of it",
    "Привет мир, приём врача",
    "привет мир, приём вра",
    "STRAUSSE Straße",
    "<p>Bring &lt;papers&gt; now</p>",
    "Bring <papers> now",
    "Bring &lt;papers&gt; now",
    "line one\nline two is long",
    "line one line two is long",
    "Annabel's &#39;best&#39; day",
    "Annabel&#39;s 'best' day",
    "O&rsquo;Neil visit today",
    "O\u2019Neil visit today",
    "Hello   there  friend",
    "Hello there friend",
    "x" * 12,
    "x" * 40,
    "+15550101234",
    "+1555010",
    "ann@example.com",
    "ANN@Example.com",
    "İstanbul ziyareti bugün",
    "ǅ titlecase x",
    "①②③ numbers here",
    "१२३ digits here ok",
    "&#128512; smile at the doctor",
    "😀 smile at the doctor",
    'tag <a href="mailto:ann@x.org">ann</a> in here',
    "tag ann in here",
    "caf\u00e9 au lait ok",
    "cafe\u0301 au lait ok",
]


@pytest.mark.parametrize("trial", range(3))
def test_what_a_vendor_makes_of_a_text_is_so_after_the_disguise(trial: int) -> None:
    disguise = Disguise(bytes([trial]) * 16, [], [])
    new = {each: disguise.text(each) for each in TEXTS}
    for one in TEXTS:
        assert new[one] != one
        for other in TEXTS:
            assert (new[one] == new[other]) == (one == other), (one, other)
            assert renders(new[one], new[other]) == renders(one, other), (one, other)
            folded = new[one].casefold() == new[other].casefold()
            assert folded == (one.casefold() == other.casefold()), (one, other)


def test_a_refused_write_that_waits_goes_on_waiting(harness: SyncHarness) -> None:
    contact = harness.ghl.add_contact("Annabel Leeson", "annabel.leeson@example.com")
    event = recorded_scenarios.book(harness, contact, title="Visit")
    harness.sync()
    harness.ghl.edit(event, title="Refused", description="Refused as well")
    harness.world.faults.add(side="hubspot", path="/batch/update", status=400, times=None)
    harness.sync()
    harness.world.faults.clear()
    found, _ = taken(harness)
    assert [each.reason for each in found.report.held]
    assert found.report.planned == []
