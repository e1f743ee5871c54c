"""Two vendors on loopback with nobody booked, and what people do there: for tests of the verbs."""

from datetime import timedelta
from itertools import count
from pathlib import Path

from syncd.bootstrap import SystemClock
from syncd.cli.sandbox import config_for
from syncd.sandbox import SandboxServer, SandboxWorld


class VendorAccounts:
    """A location and an account on loopback, and what people do there.

    Nothing is booked; every calendar is open around the clock, so that no test
    depends on the day on which it runs.
    """

    def __init__(self, server: SandboxServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.world: SandboxWorld = server.world
        self.ghl, self.hubspot = self.world.location, self.world.portal
        self._numbers = count(1)
        self.calendar = next(iter(self.ghl.calendars))
        today = SystemClock().now().replace(hour=9, minute=0, second=0, microsecond=0)
        self.morning = today + timedelta(days=2)

    def configure(self, more: str = "") -> Path:
        """Write config.toml into the folder."""
        file = self.folder / "config.toml"
        file.write_text(config_for(self.server, timedelta(0)) + more, encoding="utf-8")
        return file

    def book(self, title: str = "Check-up", hours: int = 0) -> str:
        """A booking in HighLevel for a person of its own, some hours after 9 in two days."""
        number = next(self._numbers)
        contact = self.ghl.add_contact(f"Person {number}", f"person{number}@example.com")
        start = self.morning + timedelta(hours=hours)
        return self.ghl.book(self.calendar, contact, start, title=title)

    def make(self, title: str, hours: int = 0, *, contact: bool = True) -> str:
        """A record in HubSpot, by default for a person of its own."""
        start = self.morning + timedelta(hours=hours)
        number = next(self._numbers)
        people = [self.hubspot.add_contact(f"Human {number}", f"human{number}@example.com")]
        return self.hubspot.create(
            {
                "hs_appointment_name": title,
                "hs_appointment_start": start,
                "hs_appointment_end": start + timedelta(minutes=30),
            },
            people if contact else [],
        )

    def writes(self) -> int:
        """How many requests may have changed something."""
        return len(self.world.writes("ghl")) + len(self.world.writes("hubspot"))
