"""Work that goes on side by side: one lane per side of a link.

`apply` lays the lanes, a link's `lanes` runs them; this one gives each a
thread. A lane is an iterator that does a piece of work at each step and gives
None, or an event that it waits for when there is nothing to do. What the
lanes share they guard themselves.
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

    What a lane raised is raised once all of them have ended: a lost link before
    what may follow from it, else the first of several. It is for the lane to see
    that the others end soon.
    """
    raised: list[BaseException] = []

    def run(lane: Lane) -> None:
        try:
            for news in lane:
                if news is not None:
                    news.wait()
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
