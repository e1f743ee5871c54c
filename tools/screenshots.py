"""Makes the pictures of the page in `docs/images`, from made-up data, with a headless Chromium.

Run from the repository: `python -m tools.screenshots`. It needs Debian's
`chromium` and `chromium-driver`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "images"
SHOTS = {"healthy": (1000, 700), "held": (1000, 1040), "waiting": (1000, 560)}
"""Each state that is shown, with the size of its picture."""


def main() -> int:
    """Write the pictures."""
    sys.path.append(str(ROOT / "tests" / "plugins"))
    import page_states
    from chromium import Chromium

    from syncd.observability import page

    FOLDER.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        browser = Chromium(Path(folder))
        try:
            for name, (width, height) in SHOTS.items():
                file = Path(folder) / f"{name}.html"
                file.write_text(page.render(page_states.decided(name), proof="-"), "utf-8")
                browser.show(file.as_uri(), width=width, height=height)
                (FOLDER / f"page-{name}.png").write_bytes(browser.shoot(whole=False))
        finally:
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
