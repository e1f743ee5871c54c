"""What a provider answered, for tests in which nothing went wrong with it."""

from collections.abc import Mapping
from typing import TypeVar

from syncd.errors import ProviderError

Found = TypeVar("Found")


def sure(answers: Mapping[str, Found | ProviderError]) -> dict[str, Found]:
    """The answers, none of which is an error."""
    found: dict[str, Found] = {}
    for key, answer in answers.items():
        assert not isinstance(answer, ProviderError), answer
        found[key] = answer
    return found
