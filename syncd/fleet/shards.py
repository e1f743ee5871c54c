"""Which shard a link belongs to, and who should hold how many: arithmetic without I/O.

Links are dealt out in shards, so that those of one HubSpot account stay in one
process and share its rate limit in memory. What is fair is counted in links,
not in shards: a dozen links hash unevenly onto any number of them.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b

SHARDS = 256
"""How many there are, for ever: another number would send every link to another process."""


def shard_of(account: str) -> int:
    """The shard of everything that belongs to one account."""
    return int.from_bytes(blake2b(account.encode(), digest_size=4).digest()) % SHARDS


def may_take(held: int, others: Iterable[int], *, total: int) -> bool:
    """Whether a process that holds so many links may take one more shard that has some.

    It may while it has less than an even share of the `total`, and beyond that
    while nobody has fewer.
    """
    rest = list(others)
    return held < total / (len(rest) + 1) or held <= min(rest, default=held)


def to_give(
    held: Mapping[int, int], others: Iterable[int], *, total: int, settled: bool, chance: float
) -> list[int]:
    """The shards that a process should give back, for the poorest to take.

    It gives at once what it has beyond an even share. What is left is evened
    out shard by shard, once the links that are on their way have arrived
    (`settled`), and by one process at a time, more or less: each that has more
    than the poorest goes by chance, so that nothing goes to and fro.

    Args:
        held: Of each shard that it holds, how many links it has; empty ones stay.
        others: How many links each of the others holds.
        total: How many links there are.
        settled: Whether every link is somebody's.
        chance: In [0, 1).
    """
    rest = list(others)
    if not rest:
        return []
    mine = sum(held.values())
    even = total / (len(rest) + 1)
    given = []
    for shard in sorted(held, key=lambda shard: (held[shard], shard)):
        if held[shard] and mine - held[shard] >= even:
            given.append(shard)
            mine -= held[shard]
    poorest = min(rest)
    richer = sum(each > poorest for each in (mine, *rest))
    if given or not settled or chance * richer >= 1:
        return given
    helps = [shard for shard, links in held.items() if links and mine > poorest + links]
    return [max(helps, key=lambda shard: (held[shard], shard))] if helps else []
