"""What a trial of one scope came to; both providers' `trials` answer with these.

The doctor asks. Whether a scope is there shows only when something is asked
that needs it, so each trial is a request that can change nothing: a reading,
a record that does not exist, a batch of none.
"""

from dataclasses import dataclass
from enum import StrEnum


class Access(StrEnum):
    """Whether a token may."""

    GRANTED = "granted"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One scope and what became of it; `detail` is why nothing is known."""

    scope: str
    access: Access
    detail: str = ""
