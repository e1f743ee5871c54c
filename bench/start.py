"""What starting costs: `syncd --help` and `history`, beside an interpreter that imports click.

Measures CPU seconds of whole processes, in turn and several times over, on an
empty configuration and a store without links. It says nothing of a start with
a vendor behind it: what a network costs is not in here.

    python bench/start.py
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import ground
from ground import row, table

TIMES = 3
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ground.ROOT), "BENCH_TOKEN": "made-up"}

_CONFIG = """
[store]
url = "sqlite:///{folder}/syncd.db"

[links.clinic]
ghl.location_id = "loc00000000000000001"
ghl.token = {{ env = "BENCH_TOKEN" }}
hubspot.token = {{ env = "BENCH_TOKEN" }}
"""


def used(command: list[str], folder: Path) -> tuple[float, int]:
    """CPU seconds of a process, and its exit code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.returncode


def modules(code: str, folder: Path) -> int:
    """How many modules a piece of code leaves imported."""
    said = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(len(sys.modules))"],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        check=True,
        text=True,
    )
    return int(said.stdout.split()[-1])


def main() -> None:
    ground.machine()
    syncd = [sys.executable, "-m", "syncd"]
    commands = {
        "python, import click": [sys.executable, "-c", "import click"],
        "syncd --help": [*syncd, "--help"],
        "syncd history": [*syncd, "--config", "config.toml", "history"],
    }
    with tempfile.TemporaryDirectory(prefix="syncd-bench-") as name:
        folder = Path(name)
        (folder / "config.toml").write_text(_CONFIG.format(folder=folder))
        (folder / "config.toml").chmod(0o600)
        used([*syncd, "--config", "config.toml", "db", "upgrade"], folder)
        found: dict[str, list[float]] = {what: [] for what in commands}
        codes: dict[str, int] = {}
        for _ in range(TIMES):
            for what, command in commands.items():
                spent, codes[what] = used(command, folder)
                found[what].append(spent)
        least = statistics.median(found["python, import click"])
        table("what", "CPU seconds", "beside the bare interpreter", "exit code")
        for what, each in found.items():
            middle = statistics.median(each)
            row(what, middle, f"{middle / least:.2f}x", codes[what])
        print(f"\nmodules after `import syncd.cli`: {modules('import syncd.cli', folder)}; "
              f"after `import syncd.bootstrap`: {modules('import syncd.bootstrap', folder)}; "
              f"of click alone: {modules('import click', folder)}")  # fmt: skip


if __name__ == "__main__":
    main()
