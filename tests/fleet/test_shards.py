"""How links are dealt out: evenly in links, whatever their accounts hash to, and at rest."""

import random
from collections import Counter
from collections.abc import Iterable

import pytest

from syncd.fleet.shards import SHARDS, may_take, shard_of, to_give


def weights(accounts: Iterable[str]) -> Counter[int]:
    """How many links each shard has, given the account of every link."""
    return Counter(map(shard_of, accounts))


class Dealing:
    """Processes that take and give shards by the rules, in any order, one act at a time."""

    def __init__(self, links: dict[int, int], chance: random.Random) -> None:
        self.links, self.chance = links, chance
        self.free = set(range(SHARDS))
        self.held: list[set[int]] = []
        self.moves = 0

    def share(self, process: int) -> int:
        return sum(self.links.get(shard, 0) for shard in self.held[process])

    def others(self, process: int) -> list[int]:
        return [self.share(each) for each in range(len(self.held)) if each != process]

    def join(self) -> None:
        self.held.append(set())

    def turn(self) -> bool:
        """Everybody acts once, in an order of chance; gives whether anything moved."""
        before = self.moves
        order = list(range(len(self.held)))
        self.chance.shuffle(order)
        for process in order:
            for shard in self.chance.sample(sorted(self.free), len(self.free)):
                links, total = self.links.get(shard, 0), sum(self.links.values())
                if not links or may_take(self.share(process), self.others(process), total=total):
                    self.free.discard(shard)
                    self.held[process].add(shard)
                    self.moves += links > 0
        for process in order:
            total = sum(self.links.values())
            carried = {shard: self.links.get(shard, 0) for shard in self.held[process]}
            settled = not any(self.links.get(shard, 0) for shard in self.free)
            given = to_give(
                carried,
                self.others(process),
                total=total,
                settled=settled,
                chance=self.chance.random(),
            )
            self.held[process] -= set(given)
            self.free |= set(given)
            self.moves += len(given)
        return self.moves > before

    def settle(self) -> None:
        rested = 0
        for _ in range(300):
            rested = 0 if self.turn() else rested + 1
            if rested == 20:  # by chance nobody may have moved
                return
        raise AssertionError("it never comes to rest")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("count", "processes"), [(12, 3), (2, 4), (200, 5), (2_000, 5)])
def test_everybody_has_its_part(seed: int, count: int, processes: int) -> None:
    chance = random.Random(seed)
    dealing = Dealing(weights(f"account {chance.random()}" for _ in range(count)), chance)
    for _ in range(processes):
        dealing.join()
        dealing.settle()
        shares = [dealing.share(process) for process in range(len(dealing.held))]
        assert sum(shares) == count
        heaviest = max(dealing.links.values())
        assert max(shares) - min(shares) <= heaviest, shares
    assert not dealing.free


@pytest.mark.parametrize("seed", range(5))
def test_a_fifth_process_has_its_fifth_within_a_few_turns(seed: int) -> None:
    chance = random.Random(seed)
    dealing = Dealing(weights(f"account {chance.random()}" for _ in range(2_000)), chance)
    for _ in range(4):
        dealing.join()
    dealing.settle()
    dealing.join()
    for _ in range(5):
        dealing.turn()
    assert abs(dealing.share(4) - 400) < 0.15 * 400


def test_one_account_of_most_links_stays_whole() -> None:
    chance = random.Random(1)
    accounts = ["the big one"] * 90 + [f"account {number}" for number in range(10)]
    dealing = Dealing(weights(accounts), chance)
    for _ in range(3):
        dealing.join()
    dealing.settle()
    shares = sorted(dealing.share(process) for process in range(3))
    assert shares[2] >= 90
    assert abs(shares[0] - shares[1]) <= 2


def test_what_rests_does_not_move() -> None:
    dealing = Dealing(weights(f"account {number}" for number in range(500)), random.Random(7))
    for _ in range(4):
        dealing.join()
    dealing.settle()
    before = dealing.moves
    for _ in range(20):
        dealing.turn()
    assert dealing.moves == before


def test_a_lone_process_keeps_everything() -> None:
    assert to_give({1: 500}, [], total=500, settled=True, chance=0.0) == []
    assert may_take(500, [], total=500)


def test_the_shard_of_an_account_never_changes() -> None:
    assert [shard_of(account) for account in ("24600001", "", "ä")] == [240, 37, 111]
