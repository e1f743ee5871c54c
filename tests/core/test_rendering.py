"""What a vendor makes of a text that it was sent, told from a person's words."""

from datetime import UTC, datetime, timedelta

import pytest

from syncd.core.essence import Value
from syncd.core.rendering import is_vendors, renders

SENT = "Bring the <b>scan</b> & the letter\n of Dr. Müller \U0001f600 please"
LEFT = datetime(2026, 3, 2, 9, 0, 0, 123_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "shown",
    [
        "Bring the &lt;b&gt;scan&lt;/b&gt; &amp; the letter\n of Dr. Müller \U0001f600 please",
        "Bring the &lt;b&gt;scan&lt;/b&gt; &amp;amp; the letter".replace("&amp;amp;", "&amp;"),
        "<p>Bring the <b>scan</b> &amp; the letter<br> of Dr. Müller \U0001f600 please</p>",
        "Bring the scan & the letter\n of Dr. Müller \U0001f600 please",
        "Bring the <b>scan</b> & the letter of Dr. Müller \U0001f600 please",
        "Bring the <b>scan</b> & the letter\n of Dr. Müller  please",
        "Bring the <b>scan</b> & the letter\n of Dr. Müller ? please",
        "Bring the <b>scan</b> & the letter\n of Dr. Mu\u0308ller \U0001f600 please",
        "Bring the <b>scan",
        "Bring the <b>scan…",
        "Bring the <b>scan ...",
    ],
)
def test_a_vendors_doing_is_known(shown: str) -> None:
    assert renders(SENT, shown)


@pytest.mark.parametrize("shown", ["", "Bring it", "Do not bring the scan", "Bring the letter"])
def test_a_persons_words_are_their_own(shown: str) -> None:
    assert not renders(SENT, shown)


def test_equal_stamps_prove_it_whatever_is_shown() -> None:
    assert is_vendors(SENT, "***", LEFT, LEFT)
    assert not is_vendors(SENT, "***", LEFT, LEFT + timedelta(milliseconds=1))
    assert not is_vendors(SENT, "Bring the <b>scan", LEFT, LEFT + timedelta(milliseconds=1))
    assert not is_vendors(SENT, "***", None, None)


def test_stamps_of_whole_seconds_prove_nothing() -> None:
    whole = LEFT.replace(microsecond=0)
    assert not is_vendors(SENT, "***", whole, whole)


@pytest.mark.parametrize(
    ("sent", "shown", "expected"),
    [(42, 0, True), (42, 60, True), (0, 120, False), (42, 43, False)],
)
def test_a_time_is_rounded_to_the_minute(sent: int, shown: int, expected: bool) -> None:
    start = LEFT.replace(microsecond=0)
    times: tuple[Value, Value] = tuple(
        (start + timedelta(seconds=each), start + timedelta(hours=1)) for each in (sent, shown)
    )  # type: ignore[assignment]  # two of them
    assert renders(*times) is expected
