"""The turn that a daemon would take at a link now, taken by a verb: `--wait` without a daemon."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack

import syncd
from syncd.observability.metrics import Metrics
from syncd.scheduler.link_state import LinkState
from syncd.scheduler.ports import Lease, Links
from syncd.scheduler.quota import Quota
from syncd.scheduler.turn import Turn, Turns


def take_turn(links: Links, name: str, acquire: Callable[[], Lease], stop: threading.Event) -> Turn:
    """Run the cycle that people's decisions ask for; a first sync waits for its approval here, too.

    `acquire` takes the link for this process; it is given back.

    Raises:
        LinkLocked: another syncd holds the link.
        SyncdError: the cycle could not even begin, or our own store failed.
    """
    state = LinkState(
        name=name, settings=links.settings.links[name], due=0.0, began=links.clock.monotonic()
    )
    with ExitStack() as opened:

        def hold() -> None:
            state.lease = acquire()
            opened.callback(state.lease.release)
            state.link = links.open_link(name, state.lease)
            opened.callback(state.link.close)

        return Turns(links, Metrics(syncd.__version__), stop, Quota()).take(state, hold)
