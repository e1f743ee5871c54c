from collections.abc import Callable

import pytest

from syncd.config import Settings, overlapping

Loaded = Callable[..., Settings]
Refused = Callable[..., tuple[str, ...]]


def links(one: str = "", two: str = "") -> str:
    """Two links on one account, each with more lines in its own table."""
    tables = f'[links.one]\nghl.location_id = "l-1"\n{one}\n'
    return tables + f'[links.two]\nghl.location_id = "l-2"\n{two}\n'


def test_two_links_on_one_account_need_something_that_keeps_them_apart(refused: Refused) -> None:
    (line,) = refused(links())
    assert line.startswith("links.one and links.two: one HubSpot account")


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ('hubspot.filter = { team = ["a", "b"] }', 'hubspot.filter = { team = ["c"] }'),
        (
            'hubspot.filter = { team = ["a"], x = ["1"] }',
            'hubspot.filter = { team = ["b"], x = ["1"] }',
        ),
        ('sync.direction = "ghl_to_hubspot"', 'sync.direction = "ghl_to_hubspot"'),
        ('hubspot.token = { env = "ONE" }', 'hubspot.token = { env = "TWO" }'),
        ('hubspot.base_url = "https://one.example.com"', ""),
        ('hubspot.object_type = "p1_visits"', ""),
    ],
)
def test_links_that_cannot_claim_the_same_record_are_fine(
    loaded: Loaded, one: str, two: str
) -> None:
    assert set(loaded(links(one, two)).links) == {"one", "two"}


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ('hubspot.filter = { team = ["a"] }', ""),
        ('hubspot.filter = { team = ["a", "b"] }', 'hubspot.filter = { team = ["b"] }'),
        ('hubspot.filter = { team = ["A"] }', 'hubspot.filter = { team = ["a"] }'),
        ('hubspot.filter = { team = ["a"] }', 'hubspot.filter = { group = ["b"] }'),
        ('sync.direction = "ghl_to_hubspot"', ""),
        ('sync.direction = "hubspot_to_ghl"', 'sync.direction = "hubspot_to_ghl"'),
    ],
)
def test_links_that_may_claim_the_same_record_are_refused(
    refused: Refused, one: str, two: str
) -> None:
    (line,) = refused(links(one, two))
    assert "filter" in line


def test_two_links_of_one_location_and_one_account_are_refused(refused: Refused) -> None:
    text = links('sync.direction = "ghl_to_hubspot"', 'sync.direction = "ghl_to_hubspot"')
    (line,) = refused(text.replace("l-2", "l-1"))
    assert "make one link of them" in line


def test_quarrels_are_told_together_with_other_problems(refused: Refused) -> None:
    lines = refused(links() + "[loging]\nlevel = 1\n")
    assert [line.split(" ")[0] for line in lines] == ["loging", "links.one"]


def test_accounts_that_were_learnt_later_count_as_well(loaded: Loaded) -> None:
    text = links('hubspot.token = { env = "ONE" }', 'hubspot.token = { env = "TWO" }')
    settings = loaded(text)
    assert overlapping(settings.links.values(), account_of=lambda _: "portal 7")


def test_one_hub_id_is_one_account_whatever_the_token(refused: Refused, loaded: Loaded) -> None:
    one = 'hubspot.token = { env = "ONE" }\nhubspot.hub_id = 7'
    (line,) = refused(links(one, 'hubspot.token = { env = "TWO" }\nhubspot.hub_id = 7'))
    assert line.startswith("links.one and links.two: one HubSpot account")
    assert loaded(links(one, 'hubspot.token = { env = "TWO" }\nhubspot.hub_id = 8')).links
