"""Checks the scopes of a token one by one, for the doctor.

A missing scope shows only when a request needs it, so each check is a request
that can change nothing: a read, a record that does not exist, an empty batch.
Which request checks which scope is in each provider's `scopes`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from syncd.errors import AuthFailed, ProviderError, SyncdError, Transient


class ScopeStatus(StrEnum):
    """Whether the token has a scope."""

    GRANTED = "granted"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeCheck:
    """One scope and whether the token has it; `detail` is the reason where it has not."""

    scope: str
    status: ScopeStatus
    detail: str = ""


def check_scopes(
    scopes: Iterable[str],
    request: Callable[[str], None],
    answers: Callable[[], bool],
    *,
    inconclusive: tuple[type[SyncdError], ...],
) -> Iterator[ScopeCheck]:
    """The result for each scope.

    `request` sends the request that needs the scope and raises its refusal;
    `answers` tells whether the vendor answers at all; `inconclusive` are the
    errors that say nothing about a scope.

    Raises:
        Transient: the vendor cannot be reached.
    """
    for scope in scopes:
        status, detail = ScopeStatus.GRANTED, ""
        try:
            request(scope)
        except AuthFailed as error:
            # A 403 may also concern the record or the location, not the scope.
            status = ScopeStatus.MISSING if error.missing_scope else ScopeStatus.UNKNOWN
            detail = str(error)
        except inconclusive as error:
            status, detail = ScopeStatus.UNKNOWN, str(error)
        except Transient as error:
            if not answers():
                raise
            status, detail = ScopeStatus.UNKNOWN, str(error)
        except ProviderError:
            pass  # The request was refused for its content, so the scope is there.
        yield ScopeCheck(scope=scope, status=status, detail=detail)
