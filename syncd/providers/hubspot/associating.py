"""Associates records with contacts and takes associations away, by either of two routes.

`Creator` and `Updater` call it. The description of 2026-09 has no association paths
below appointments any more, while they are used in practice: where such a path
answers 404, the batch route of associations is asked, which every version has.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from syncd.errors import NotFound
from syncd.providers.hubspot import refusals, wire
from syncd.providers.hubspot.session import Session
from syncd.providers.message import Request

_WITHOUT_PATHS = "2026-09"
"""The first version whose description lacks the paths."""


class Associations:
    """The associations of one account's records with contacts."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._by_batch = False

    def add(self, record_id: str, contact: str, ready: Callable[[], None] | None = None) -> None:
        """Associate the two by the default kind.

        Raises:
            SyncdError: the error of the refusal.
        """
        api = self._session.api
        self._send(
            api.associate(record_id, contact), api.batch_associate(record_id, contact), ready
        )

    def drop(self, record_id: str, contact: str) -> None:
        """Remove every association between the two; one that is gone is no error.

        Raises:
            SyncdError: the error of the refusal.
        """
        api = self._session.api
        with suppress(NotFound):
            self._send(api.dissociate(record_id, contact), api.batch_dissociate(record_id, contact))

    def _send(
        self, request: Request, batch: Request, ready: Callable[[], None] | None = None
    ) -> None:
        if ready is not None:
            request, batch = replace(request, ready=ready), replace(batch, ready=ready)
        unknown: NotFound | None = None
        if not self._by_batch:
            try:
                self._session.execute(request)
            except NotFound as error:
                unknown = error
            else:
                return
            if self._session.api.version < _WITHOUT_PATHS:
                raise unknown
        response = self._session.send(batch)
        if not response.ok:
            raise (response.status == 404 and unknown) or self._session.refusal(batch, response)
        for found in wire.batch(wire.mapping(response.payload)).problems:
            if "OBJECT_NOT_FOUND" in found.codes:
                raise NotFound(refusals.describe(found), side=self._session.client.side, status=404)
            raise refusals.of_row(found)
        self._by_batch = True
