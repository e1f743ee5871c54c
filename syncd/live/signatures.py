"""Proves that a delivery is a vendor's, over its raw bytes.

The listener asks before it parses anything. Nothing here raises for what a
client sends: what is no proof is none.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FRESH_MS = 300_000
"""How far a time stamp of HubSpot may be off, either way (HubSpot, "Validating requests")."""

_DECODED = re.compile(rb"%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)
"""What HubSpot decodes in the address before it signs, and nothing else (the same page)."""


def by_highlevel(keys: Iterable[str], body: bytes, signature: str) -> bool:
    """Whether one of these public keys (SPKI, base64) signed the body.

    The header is `X-GHL-Signature`, base64 of 64 bytes (HighLevel's webhook guide,
    copy of 2026-08-30). It has been seen to say "N/A".
    """
    from cryptography.exceptions import InvalidSignature

    try:
        proof = b64decode(signature, validate=True)
    except ValueError:
        return False
    for key in keys:
        try:
            _public_key(key).verify(proof, body)
        except InvalidSignature:
            continue
        return True
    return False


@cache
def _public_key(key: str) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(b64decode(key)[-32:])


def hubspot_signature(secret: str, method: str, url: bytes, body: bytes, stamp: str) -> str:
    """What `X-HubSpot-Signature-v3` has to be; `url` is the whole address as it was called."""
    plain = _DECODED.sub(lambda found: bytes([int(found[1], 16)]), url)
    signed = method.encode() + plain + body + stamp.encode()
    return b64encode(hmac.new(secret.encode(), signed, sha256).digest()).decode()


def is_fresh(stamp: str, now: datetime) -> bool:
    """Whether a time stamp in milliseconds is at most five minutes off."""
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 15):
        return False
    return abs(int(stamp) - now.timestamp() * 1000) <= FRESH_MS


def equal(shown: str, wanted: str) -> bool:
    """Whether two texts are equal; how long it takes tells nothing."""
    return hmac.compare_digest(shown.encode("utf-8", "surrogateescape"), wanted.encode())
