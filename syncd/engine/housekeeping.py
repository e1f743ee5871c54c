"""What is deleted because it is older than the configuration keeps.

The daemon calls this by the hour, a verb after its cycle. Leaves out which rows
those are: `keeping` in the store knows.
"""

from collections.abc import Callable
from datetime import datetime

import structlog

from syncd.errors import StoreError

log = structlog.get_logger(__name__)


def keep_house(prune: Callable[[str, datetime], int], name: str, before: datetime) -> bool:
    """Delete a link's history from before an instant; gives whether the store could.

    What cannot be deleted now goes another time. `prune` gives how many rows went.
    """
    try:
        gone = prune(name, before)
    except StoreError as error:
        log.warning("history.not_pruned", link=name, detail=str(error))
        return False
    if gone:
        log.info("history.pruned", link=name, rows=gone)
    return True
