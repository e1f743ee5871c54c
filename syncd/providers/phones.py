"""Phone numbers in E.164: one form for both vendors, so that contacts can be compared.

Both adapters read contacts through this, and HubSpot's search asks for the
national part. Pure. The only module that knows the library.
"""

from collections.abc import Iterable

import phonenumbers


def normalized(numbers: Iterable[str], country: str) -> tuple[str, ...]:
    """The numbers in E.164, each once; texts without a digit are left out.

    `country` (ISO 3166) is where numbers without a country code are from.
    """
    return tuple(dict.fromkeys(filter(None, (e164(each, country) for each in numbers))))


def e164(number: str, country: str) -> str:
    """A number in E.164, or its digits, with a leading plus, where it cannot be parsed."""
    try:
        parsed = phonenumbers.parse(number, country or None)
    except phonenumbers.NumberParseException:
        parsed = None
    if parsed is not None and phonenumbers.is_possible_number(parsed):
        return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
    digits = "".join(char for char in number if char.isdigit())
    return f"+{digits}" if digits and number.strip().startswith("+") else digits


def national(phone: str) -> str:
    """The digits of an E.164 number without its country code."""
    try:
        return str(phonenumbers.national_significant_number(phonenumbers.parse(phone)))
    except phonenumbers.NumberParseException:
        return phone.lstrip("+")
