"""Workers: one lane of work for each side of a link, in parallel.

The executor makes the lanes, a link's `lanes` runs them; `side_by_side` gives
each a thread. A lane is an iterator that does a piece of work at each step and
yields None, or an event to wait for when there is nothing to do. Lanes guard
their shared state themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from threading import Event, Thread

from syncd.errors import LinkLocked

Lane = Iterator[Event | None]
RunLanes = Callable[[Sequence[Lane]], None]


def side_by_side(lanes: Sequence[Lane]) -> None:
    """Run every lane to its end, the last one in this thread.

    An error of a lane is raised once all of them have ended: a lost link first,
    because the others may follow from it, else the first of several. A lane
    that fails makes the others end soon itself.
    """
    raised: list[BaseException] = []

    def run(lane: Lane) -> None:
        try:
            for event in lane:
                if event is not None:
                    event.wait()
        except BaseException as error:  # noqa: BLE001 - it is raised below, whatever it is
            raised.append(error)

    *others, mine = lanes
    threads = [Thread(target=copy_context().run, args=(run, lane), daemon=True) for lane in others]
    for number, thread in enumerate(threads, 1):
        thread.name = f"lane-{number}"
        thread.start()
    run(mine)
    for thread in threads:
        thread.join()
    for error in sorted(raised, key=lambda each: not isinstance(each, LinkLocked)):
        raise error
