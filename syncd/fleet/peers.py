"""What a share knows of the other processes; `store.members` tells it."""

from collections.abc import Sequence
from typing import Protocol


class Peer(Protocol):
    """A living process."""

    @property
    def id(self) -> int:
        """Grows with every process that joins."""
        ...

    @property
    def share(self) -> int:
        """How many links its share comes to."""
        ...

    @property
    def knows(self) -> frozenset[str] | None:
        """Its links; None where its configuration is ours."""
        ...


class Peers(Protocol):
    """What is known of the other processes."""

    @property
    def me(self) -> int:
        """The number of this process; 0 while it is none of them."""
        ...

    @property
    def is_steady(self) -> bool:
        """Whether the database was heard for a while."""
        ...

    def peers(self, share: int) -> Sequence[Peer]:
        """Say how many links our share comes to; gives all living processes, oldest first.

        Raises:
            StoreError: the store cannot be used.
        """
        ...
