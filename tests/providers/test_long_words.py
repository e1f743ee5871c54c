"""Nothing that a vendor or a person typed is searched in more than linear time."""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING

import pytest

from syncd.core.rendering import renders
from syncd.observability.redaction import redact, redact_traceback
from syncd.providers.message import LONGEST_WORDS, Response, redacted

if TYPE_CHECKING:
    from collections.abc import Callable

LONG = 100_000
"""Characters; in square time, each of these would take a minute and more."""

BEARABLE = 5.0
"""Seconds of computing: hundreds of times what it takes, for a machine that is busy."""

WORST = {
    "one word": "a",
    "dots": "a.",
    "at signs": "a@",
    "escaped at signs": "a%40",
    "an address without an end": "a@b.",
    "tokens": "-eyJhbGciOiJIUzI1NiJ9",
    "private tokens": "pit-",
    "bearers": "bearer ",
    "passwords": "password = ",
    "addresses": "://user:",
    "pluses": "+1 (2) ",
    "digits": "12 ",
    "phones": "(555) 555-",
    "quotes": "'a",
    "angles": "<",
    "tags": "<a ",
    "entities": "&#x",
    "blanks": " ",
    "lines": "\n",
    "marks": "\u2039",
    "backslashes": "\\",
}


@pytest.mark.parametrize("shape", WORST)
@pytest.mark.parametrize(
    "search",
    [
        redacted,
        redact,
        redact_traceback,
        lambda text: Response(status=400, payload={"message": text}).summary,
        lambda text: Response(status=400, payload={"message": [text, text]}).summary,
        lambda text: Response(status=400, payload={text: text}).summary,
        lambda text: renders(text, text[: LONG // 2]),
    ],
    ids=["message", "log", "traceback", "refusal", "list", "object", "rendering"],
)
def test_the_longest_words_are_looked_at_at_once(
    shape: str, search: Callable[[str], object]
) -> None:
    text = WORST[shape] * (LONG // len(WORST[shape]))
    began = process_time()
    search(text)
    search(f"x{text}!")
    assert process_time() - began < BEARABLE


def test_a_secret_at_the_place_where_words_are_cut_is_masked_or_left_out() -> None:
    for before in range(7 * LONGEST_WORDS, 9 * LONGEST_WORDS):
        told = redacted(f"Bearer {'x' * before} ana@example.com pit-12345678 tail " + "y" * 5000)
        assert "ana" not in told
        assert "pit-1" not in told


def test_an_address_in_the_middle_of_a_long_text_is_still_masked() -> None:
    text = f"{'word ' * 20}ana@example.com,bob.b@mail.example.org:+49 30 1234567 end"
    for hidden in ("ana@", "bob", "1234567"):
        assert hidden not in redacted(text)
        assert hidden not in redact(text)


def test_a_letters_number_with_too_many_digits_is_no_fault() -> None:
    text = f"Dear &#{'9' * 5000}; Ana, &amp; all"
    assert renders(text, text)
    assert not renders(text, "something quite different")
