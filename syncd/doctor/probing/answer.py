"""A question that only a real account can answer, and its answer.

`run` yields these, the verb prints them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """The result of a question."""

    LEARNT = "learnt"
    FAILED = "failed"
    UNASKED = "unasked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One question, and the answer or the reason why there is none."""

    side: str
    """HighLevel or HubSpot."""
    question: str
    state: State
    answer: str
    link: str = ""
