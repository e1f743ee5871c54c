"""The searchable form of a phone number: area code and local number, no country code.

Called by `table` for the `hs_searchable_calculated_*` properties. The length of a country code
follows from its first digits (ITU E.164), so no table of countries is needed.
"""

from __future__ import annotations

_TWO_DIGITS = frozenset(
    {
        *("20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45"),
        *("46", "47", "48", "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61"),
        *("62", "63", "64", "65", "66", "81", "82", "84", "86", "90", "91", "92", "93", "94"),
        *("95", "98"),
    }
)


def searchable(phone: str | None) -> str | None:
    """The number without its country code; without a plus, the national number itself."""
    digits = "".join(character for character in phone or "" if character.isdigit())
    if not digits:
        return None
    if not (phone or "").strip().startswith("+"):
        return digits.lstrip("0")
    if digits[0] in "17":
        return digits[1:]
    return digits[2:] if digits[:2] in _TWO_DIGITS else digits[3:]
