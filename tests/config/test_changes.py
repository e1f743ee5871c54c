from collections.abc import Callable

import pytest

from syncd.config import Settings, changes

Loaded = Callable[..., Settings]
CLINIC = '[links.clinic.ghl]\nlocation_id = "loc-1"\n'


def test_equal_configurations_have_no_changes(loaded: Loaded) -> None:
    assert changes(loaded(CLINIC), loaded(CLINIC)) == []


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            CLINIC,
            CLINIC + '[links.clinic.sync]\npast = "60d"\n',
            'links.clinic.sync.past: "30d" → "60d"',
        ),
        (
            CLINIC,
            CLINIC + 'token = { file = "/etc/ghl" }\n',
            'links.clinic.ghl.token: { env = "GHL_TOKEN" } → { file = "/etc/ghl" }',
        ),
        (
            CLINIC,
            CLINIC + "[schedule]\npoll_interval = 5\n",
            'schedule.poll_interval: "60s" → "5s"',
        ),
        (CLINIC, CLINIC + 'calendars = ["a"]\n', 'links.clinic.ghl.calendars: [] → ["a"]'),
        (
            CLINIC,
            CLINIC
            + '[links.west.ghl]\nlocation_id = "2"\n'
            + '[links.west.hubspot]\ntoken = { env = "W" }\n',
            "links.west: new",
        ),
        (
            CLINIC,
            CLINIC.replace("clinic", "harbour").replace("loc-1", "2"),
            "links.clinic: taken out\nlinks.harbour: new",
        ),
        (
            CLINIC,
            '[store]\nurl = "postgresql://me:hush@db.example.com/s"\n' + CLINIC,
            "store.url: ",
        ),
    ],
)
def test_each_key_that_differs_is_told(loaded: Loaded, before: str, after: str, told: str) -> None:
    found = "\n".join(changes(loaded(before), loaded(after)))
    assert found == told or (told.endswith(": ") and found.startswith(told))
    assert "hush" not in found
