"""What kinds of values a vendor keeps is learnt by reading back."""

from datetime import UTC, datetime

from syncd.core.essence import Value
from syncd.core.model import Group
from syncd.providers.readback import ReadBack, is_plain

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)


def learnt(*kept: Value) -> ReadBack:
    known = ReadBack()
    for each in kept:
        known.learn("c", Group.TITLE, each, each)
    return known


def test_what_was_kept_once_is_believed_of_its_like() -> None:
    known = learnt("Check-up")
    assert known.keeps("c", Group.TITLE, "Follow-up")
    assert not known.keeps("d", Group.TITLE, "Follow-up")
    assert not known.keeps("c", Group.ADDRESS, "Follow-up")


def test_whatever_is_new_about_a_text_is_looked_at() -> None:
    known = learnt("Check-up")
    for text in ("a & b", "one\ntwo", "two  blanks", "Praxis Zürich", "\U0001f600", "long " * 20):
        assert not known.keeps("c", Group.TITLE, text), text
    assert learnt("long " * 20).keeps("c", Group.TITLE, "long " * 19)


def test_what_was_rewritten_is_looked_at_each_time() -> None:
    known = ReadBack()
    known.learn("c", Group.TITLE, "a & b", "a &amp; b")
    assert not known.keeps("c", Group.TITLE, "a & b")
    assert not known.keeps("c", Group.TITLE, "c & d")


def test_plain_is_what_has_nothing_about_it() -> None:
    assert is_plain("Check-up")
    assert is_plain((NINE, NINE.replace(minute=30)))
    assert not is_plain("Check-up & more")
    assert not is_plain("Check-up of the knee and of everything else too")
    assert not is_plain((NINE.replace(second=7), None))
