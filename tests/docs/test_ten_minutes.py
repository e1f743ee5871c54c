"""`docs/ten-minutes.md` is run as it stands: its commands, its edits, and what they print."""

import json
import re
from pathlib import Path

import httpx
import program
import pytest
from forkserver import ForkServer

PAGE = Path(__file__).parents[2] / "docs" / "ten-minutes.md"
BLOCKS = re.compile(r"^```console\n(.*?)^```|^<!-- edit: (.*?) -->", re.MULTILINE | re.DOTALL)
EDIT = re.compile(r'hubspot "(.+)" becomes "(.+)"')
COMMAND = re.compile(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def pattern(shown: str) -> re.Pattern[str]:
    """What a command has to print: … stands for any text, on a line of its own for any lines."""
    lines = [
        "(?:.*\n)*?" if line == "…" else ".*?".join(map(re.escape, line.split("…"))) + "\n"
        for line in shown.splitlines()
    ]
    return re.compile("".join(lines))


class Reader:
    """Somebody who follows the page in two terminals."""

    def __init__(self, folder: Path, forkserver: ForkServer) -> None:
        self.folder, self._forkserver = folder, forkserver
        self.env = program.environment(COLUMNS="80")
        self.vendors = forkserver.start("sandbox", "--init", "try", cwd=folder, env=self.env)
        self.control = ""

    def syncd(self, *args: str) -> str:
        done = self._forkserver.run(*args, cwd=self.folder, env=self.env)
        return str(done.stdout)

    def follow(self, command: str, shown: str) -> None:
        """Type a command, and compare what it prints."""
        if command == "syncd sandbox --init try":
            printed = "".join(self.vendors.stdout.readline() for _ in range(3)) + "\n"
            self.control = re.findall(r"^page +(\S+)", printed)[0] + "control"
        elif command == "cd try":
            self.folder /= "try"
            return
        else:
            if "CYCLE" in command:
                cycles = json.loads(self.syncd("cycles", "--json"))
                command = command.replace("CYCLE", cycles["links"]["clinic"]["cycles"][0]["id"])
            printed = self.syncd(*command.removeprefix("syncd ").split())
        assert pattern(shown).fullmatch(printed), f"$ {command}\n{printed}"

    def edit(self, title: str, becomes: str) -> None:
        """Rename an appointment in HubSpot."""
        state = httpx.get(f"{self.control}/state").json()["hubspot"]["appointments"]
        (record,) = [r for r in state if r["properties"].get("hs_appointment_name") == title]
        change = {"hs_appointment_name": becomes}
        url = f"{self.control}/hubspot/appointments/{record['id']}"
        httpx.patch(url, json=change).raise_for_status()


@pytest.mark.timeout(120)
def test_ten_minutes_with_the_sandbox_go_as_the_page_says(
    tmp_path: Path, forkserver: ForkServer
) -> None:
    reader = Reader(tmp_path, forkserver)
    try:
        for console, edit in BLOCKS.findall(PAGE.read_text(encoding="utf-8")):
            if edit:
                found = EDIT.fullmatch(edit)
                assert found is not None, edit
                reader.edit(*found.groups())
            for command, shown in COMMAND.findall(console):
                reader.follow(command, shown)
    finally:
        reader.vendors.kill()
        reader.vendors.communicate(timeout=10)
