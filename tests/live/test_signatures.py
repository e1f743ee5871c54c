"""Who signed a delivery: published known answers, and what is no proof."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from syncd.config.app_settings import HighLevelApp
from syncd.live.signatures import by_highlevel, equal, hubspot_signature, is_fresh

SDK = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
SDK_URL = b"https://www.example.com/webhook_uri"
SDK_BODY = b"{'example_field':'example_value'}"

NOW = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)
BODY = '{ "b": 1,  "a": "Zoë" }'.encode()
"""No serializer writes it so: only its raw bytes are what was signed."""


def public(key: Ed25519PrivateKey) -> str:
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b64encode(der).decode()


@pytest.mark.parametrize(
    ("secret", "url", "body", "stamp", "signature"),
    [
        # hubspot-api-python and hubspot-api-ruby publish these in their tests.
        (SDK, SDK_URL, SDK_BODY, "1693657560000", "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="),
        (SDK, SDK_URL, SDK_BODY, "1700000300000", "RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw="),
        (
            "5c1d7a90-1111-4222-8333-9a9a9a9a9a9a",
            b"https://hooks.example.test/hubspot?acct=a/b@c",
            '[{"eventId":41,"objectId":"Zoë"}]'.encode(),
            "1796000000000",
            "gbaxCxQMy91J30qtXmpeP13A6ivA79mY5Q/YxQLuHRo=",
        ),
        # HubSpot decodes what is encoded in the address.
        (
            "5c1d7a90-1111-4222-8333-9a9a9a9a9a9a",
            b"https://hooks.example.test/hubspot?acct=a%2fb%40c",
            '[{"eventId":41,"objectId":"Zoë"}]'.encode(),
            "1796000000000",
            "gbaxCxQMy91J30qtXmpeP13A6ivA79mY5Q/YxQLuHRo=",
        ),
    ],
)
def test_hubspots_signature(
    secret: str, url: bytes, body: bytes, stamp: str, signature: str
) -> None:
    assert hubspot_signature(secret, "POST", url, body, stamp) == signature


def test_only_the_named_marks_are_decoded() -> None:
    plain = hubspot_signature("s", "POST", b"https://a/b?c= &", b"", "1")
    assert hubspot_signature("s", "POST", b"https://a/b?c=%20%26", b"", "1") != plain


@pytest.mark.parametrize(
    ("off", "fresh"), [(0, True), (299, True), (-299, True), (301, False), (-301, False)]
)
def test_a_stamp_is_fresh_for_five_minutes_either_way(off: int, fresh: bool) -> None:
    stamp = (NOW + timedelta(seconds=off)).timestamp() * 1000
    assert is_fresh(f"{stamp:.0f}", NOW) is fresh


@pytest.mark.parametrize("stamp", ["", "now", "-1", "1e12", "١٧٩٦", "9" * 400, "1796000000000.5"])
def test_what_is_no_stamp_is_not_fresh(stamp: str) -> None:
    assert not is_fresh(stamp, NOW)


def test_highlevels_published_key_can_be_read() -> None:
    (key,) = HighLevelApp().webhook_key
    assert not by_highlevel([key], BODY, b64encode(bytes(64)).decode())


def test_highlevel_signs_the_raw_bytes() -> None:
    ours, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    signature = b64encode(ours.sign(BODY)).decode()
    assert by_highlevel([public(ours)], BODY, signature)
    assert by_highlevel([public(other), public(ours)], BODY, signature)
    assert not by_highlevel([public(other)], BODY, signature)
    assert not by_highlevel([public(ours)], BODY.replace(b"  ", b" "), signature)


@pytest.mark.parametrize("shown", ["", "N/A", "AAAA", "=" * 88, "ä", b64encode(bytes(63)).decode()])
def test_what_is_no_signature_proves_nothing(shown: str) -> None:
    assert not by_highlevel([public(Ed25519PrivateKey.generate())], BODY, shown)


def test_secrets_are_compared_whatever_was_sent() -> None:
    assert equal("hush", "hush")
    assert not equal("hüsh\udc80", "hush")
    assert not equal("", "hush")
