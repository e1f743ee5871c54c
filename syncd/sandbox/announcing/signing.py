"""How both vendors sign deliveries; the sandbox's HighLevel key pair is made up and public.

HighLevel: Ed25519 over the raw body. HubSpot: signature v3, an HMAC over method, address, body
and timestamp.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

_SEED = hashlib.sha256(b"the sandbox's signing key, known to everybody").digest()
_OTHER_SEED = hashlib.sha256(b"somebody else's signing key").digest()
_DECODED = {
    code: chr(int(code[1:], 16))
    for code in ("%3A", "%2F", "%3F", "%40", "%21", "%24", "%27", "%28", "%29", "%2A", "%2C", "%3B")
}
"""What the vendor decodes in the address before it signs (HubSpot, "Validating requests")."""


def ghl_signature(body: bytes, *, forged: bool = False) -> str:
    """The value of `X-GHL-Signature`."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(_OTHER_SEED if forged else _SEED)
    return base64.b64encode(key.sign(body)).decode()


def ghl_public_key() -> str:
    """The key that verifies it: base64 of its DER form, as HighLevel publishes its own."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = Ed25519PrivateKey.from_private_bytes(_SEED).public_key()
    shown = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(shown).decode()


def hubspot_signature(secret: str, address: str, body: bytes, timestamp: int) -> str:
    """The value of `X-HubSpot-Signature-v3` of a POST; the timestamp in milliseconds."""
    for code, letter in _DECODED.items():
        address = address.replace(code, letter)
    told = b"POST" + address.encode() + body + str(timestamp).encode()
    return base64.b64encode(hmac.digest(secret.encode(), told, "sha256")).decode()
