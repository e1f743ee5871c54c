"""The status page in a real browser: it is drawn, in both schemes, on a phone, with no complaint.

Each test leaves its screenshot in the temporary folder of the run, for a person to look at.
"""

import re
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syncd.observability import page
from syncd.observability.page import Look, Press
from syncd.observability.server import StatusServer

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

WIDE, PHONE = (1200, 1400), (500, 1800)
"""Chromium's headless window is never narrower than 500 pixels: see the test that frames it."""


class Board:
    """A panel that shows one state."""

    version = "0.1.0"

    def __init__(self, look: Look) -> None:
        self._look = look

    def unhealthy_reason(self) -> str:
        return ""

    def not_ready(self) -> str:
        return ""

    def look(
        self, *, personal: bool, link: str = "", decides: bool = False, detail: bool = False
    ) -> Look:
        del personal, link, decides, detail
        return self._look

    def decide(self, press: Press) -> None:
        raise AssertionError(press)

    def metrics(self) -> bytes:
        return b""


class Browser:
    """A headless Chromium."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program, self.folder = program, folder

    def run(self, url: str, *options: str) -> tuple[str, list[str]]:
        """What it printed, and what its console complained about."""
        done = subprocess.run(
            [
                self.program,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--enable-logging=stderr",
                f"--user-data-dir={self.folder / 'profile'}",
                *options,
                url,
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        complaints = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
        return done.stdout, complaints

    def shoot(self, url: str, name: str, size: tuple[int, int], *options: str) -> bytes:
        """A screenshot, which also stays in the folder."""
        file = self.folder / f"{name}.png"
        _, complaints = self.run(
            url, f"--screenshot={file}", f"--window-size={size[0]},{size[1]}", *options
        )
        assert complaints == []
        return file.read_bytes()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("chromium is not installed")
    return Browser(program, tmp_path_factory.mktemp("screenshots"))


@pytest.fixture
def served(look_at: Callable[..., Look]) -> Iterator[Callable[[str], str]]:
    """`served("held")` gives the address of a page in that state."""
    servers: list[StatusServer] = []

    def make(name: str) -> str:
        servers.append(StatusServer(("127.0.0.1", 0), Board(look_at(name))))
        host, port = servers[-1].address
        return f"http://{host}:{port}/"

    yield make
    for server in servers:
        server.close()


def colour_at(png: bytes, x: int, y: int) -> str:
    """The colour of a pixel of an 8-bit PNG (RFC 2083, without interlace)."""
    at, data, width, depth = 8, b"", 0, 0
    while at < len(png):
        (length,), kind = struct.unpack(">I", png[at : at + 4]), png[at + 4 : at + 8]
        body = png[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, _, _, colour = struct.unpack(">IIBB", body[:10])
            depth = {2: 3, 6: 4}[colour]
        elif kind == b"IDAT":
            data += body
        at += 12 + length
    stride = width * depth
    # Each row builds on the one above, so that only the first ones are worked out.
    raw = zlib.decompressobj().decompress(data, (y + 1) * (stride + 1))
    row = bytes(stride)
    for start in range(0, len(raw), stride + 1):
        row = unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + stride]), row, depth)
    return "#" + row[x * depth : x * depth + 3].hex()


def unfiltered(kind: int, line: bytearray, above: bytes, depth: int) -> bytes:
    for place in range(len(line)):
        left = line[place - depth] if place >= depth else 0
        corner = above[place - depth] if place >= depth else 0
        guess = left + above[place] - corner
        paeth = min((left, above[place], corner), key=lambda each: abs(guess - each))
        added = (0, left, above[place], (left + above[place]) // 2, paeth)[kind]
        line[place] = (line[place] + added) & 255
    return bytes(line)


@pytest.mark.parametrize(
    "name", ["fresh", "healthy", "held", "provider_down", "guard_tripped", "refused", "waiting"]
)
def test_each_state_is_drawn_with_its_own_style(
    browser: Browser, served: Callable[[str], str], colours: dict[str, dict[str, str]], name: str
) -> None:
    shot = browser.shoot(served(name), f"{name}-light", WIDE)
    # The corner shows the page's ground: the style sheet was let in by the policy.
    assert colour_at(shot, 3, 3) == colours["light"]["page"]
    assert len(shot) > 15_000  # an empty page is a tenth of that


@pytest.mark.parametrize("name", ["held", "provider_down"])
def test_it_is_dark_where_people_like_it_dark(
    browser: Browser, served: Callable[[str], str], colours: dict[str, dict[str, str]], name: str
) -> None:
    shot = browser.shoot(served(name), f"{name}-dark", WIDE, "--force-dark-mode")
    assert colour_at(shot, 3, 3) == colours["dark"]["page"]


def test_a_phone_shows_everything_without_scrolling_sideways(
    browser: Browser, look_at: Callable[..., Look], tmp_path: Path
) -> None:
    """Measured in a frame of 320 CSS pixels, the narrowest that accessibility asks for."""
    widths = {}
    for name in ("held", "provider_down", "guard_tripped", "healthy", "waiting"):
        shown = tmp_path / "page.html"
        # A long run of characters without a blank is what breaks narrow pages.
        shown.write_text(
            page.render(look_at(name, personal=True, unhealthy_reason="x" * 300)).replace(
                "</body>",
                "<script>const all=document.documentElement;"
                "parent.postMessage(all.scrollWidth+' '+all.clientWidth,'*')</script></body>",
            ),
            encoding="utf-8",
        )
        frame = tmp_path / "frame.html"
        frame.write_text(
            "<!doctype html><script>onmessage=said=>document.title=said.data</script>"
            f'<iframe src="{shown.name}" width="320" height="900"></iframe>',
            encoding="utf-8",
        )
        dom, _ = browser.run(frame.as_uri(), "--dump-dom", "--virtual-time-budget=2000")
        measured = re.search(r"<title>(\d+) (\d+)</title>", dom)
        assert measured, dom
        widths[name] = (int(measured[1]), int(measured[2]))
    assert {name: size for name, size in widths.items() if size[0] > size[1]} == {}


def test_the_screenshot_of_a_phone(
    browser: Browser, served: Callable[[str], str], colours: dict[str, dict[str, str]]
) -> None:
    shot = browser.shoot(served("held"), "held-phone", PHONE)
    assert colour_at(shot, 3, 3) == colours["light"]["page"]


def test_no_state_needs_a_script_or_another_host(
    browser: Browser, served: Callable[[str], str]
) -> None:
    dom, complaints = browser.run(
        served("held"), "--dump-dom", "--host-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    )
    assert complaints == []
    assert "syncd resolve 501 --keep ghl" in dom
    assert "<script" not in dom
