"""Whom a token is shown to: nobody without a good certificate, nobody who is only pointed at."""

from __future__ import annotations

import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from vendor_accounts import VendorAccounts

from syncd.bootstrap import SystemClock

Syncd = Callable[..., Any]
HERE = "127.0.0.1"


class Listener:
    """A server on loopback that keeps what it hears, and sends everybody elsewhere."""

    def __init__(self, status: int = 200, elsewhere: str = "", tls: Path | None = None) -> None:
        self.heard: list[tuple[str, str]] = []
        heard = self.heard

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                heard.append((self.path, self.headers.get("Authorization", "")))
                self.send_response(status)
                if elsewhere:
                    self.send_header("Location", elsewhere + self.path)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - their names

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                pass

        self.server = ThreadingHTTPServer((HERE, 0), Handler)
        self.url = f"http://{HERE}:{self.server.server_port}"
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            # The handshake is for the thread of the connection: its refusal must not end ours.
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
            self.url = self.url.replace("http://", "https://")
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@contextmanager
def listening(*given: Any, **more: Any) -> Iterator[Listener]:
    listener = Listener(*given, **more)
    try:
        yield listener
    finally:
        listener.server.shutdown()
        listener.server.server_close()


@pytest.fixture(scope="session")
def nobodys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this machine that no authority has signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HERE)])
    today = SystemClock().now()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HERE))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "nobodys.pem"
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, form, plain)
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


def move(clinic: VendorAccounts, url: str) -> None:
    """Both vendors are said to be at another address."""
    file = clinic.folder / "config.toml"
    file.write_text(file.read_text().replace(clinic.server.url, url))


@pytest.mark.parametrize(
    "variable", ["", "PYTHONHTTPSVERIFY", "SSL_NO_VERIFY", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"]
)
def test_no_token_goes_to_whom_no_authority_vouches_for(
    syncd: Syncd,
    clinic: VendorAccounts,
    nobodys: Path,
    variable: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if variable:
        monkeypatch.setenv(
            variable, "1" if "SSL" in variable else "0" if "PYTHON" in variable else ""
        )
    with listening(tls=nobodys) as listener:
        move(clinic, listener.url)
        told = syncd("doctor")
        assert told.code == 7
        assert "certificate verify failed" in told.out.lower()
        assert listener.heard == []


@pytest.mark.parametrize("key", ["verify", "tls_verify", "insecure", "ssl", "verify_tls"])
@pytest.mark.parametrize("place", ["links.clinic.ghl", "links.clinic.hubspot", "http"])
@pytest.mark.usefixtures("clinic")
def test_there_is_no_key_that_switches_it_off(
    syncd: Syncd, monkeypatch: pytest.MonkeyPatch, place: str, key: str
) -> None:
    variable = "SYNCD_" + "__".join((*place.split("."), key)).upper()
    monkeypatch.setenv(variable, "false")
    told = syncd("config", "show")
    assert told.code == 2
    assert "unknown" in told.err


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_token_follows_a_redirect(syncd: Syncd, clinic: VendorAccounts, status: int) -> None:
    with listening() as other, listening(status, other.url) as first:
        move(clinic, first.url)
        told = syncd("doctor")
        assert told.code == 7
        assert first.heard
        assert other.heard == []


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o604, 0o644])
def test_a_token_that_others_can_read_is_not_used(
    syncd: Syncd, clinic: VendorAccounts, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    assert syncd("setup").code == 0
    monkeypatch.delenv("GHL_TOKEN")
    file = clinic.folder / "config.toml"
    file.write_text(file.read_text().replace('{ env = "GHL_TOKEN" }', '{ file = "ghl-token" }'))
    token = clinic.folder / "ghl-token"
    token.write_text(clinic.world.settings.ghl_token + "\n")
    token.chmod(mode)
    clinic.world.reset_requests()
    told = syncd("--sync-now")
    assert told.code == (0 if mode == 0o600 else 2)
    if mode != 0o600:
        assert f"chmod 600 {token}" in told.out
        assert clinic.world.requests == []
    assert clinic.world.settings.ghl_token not in told.out + told.err
