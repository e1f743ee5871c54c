"""The pipelines of a HubSpot account, and the property values that follow from them.

Called by `portal`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncd.sandbox.hubspot.property_types import option_of
from syncd.sandbox.hubspot.records import Pipeline, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syncd.sandbox.hubspot.property_types import PropertyDef


def default_pipeline(kind: str) -> Pipeline:
    """The appointments pipeline of an account of this kind of status."""
    # Observed labels of one account that keeps its status in stages; ids differ per account.
    labels = ("Still Working", "Completed", "Canceled", "Sale")
    if kind != "pipeline":
        labels = ("Scheduled", "Completed", "Cancelled", "No show")
    stages = [Stage(id=str(981_000_000 + n), label=label) for n, label in enumerate(labels)]
    return Pipeline(id="980000000", label="Appointments pipeline", stages=stages)


def offer_stages(definitions: Mapping[str, PropertyDef], pipelines: Sequence[Pipeline]) -> None:
    """Makes pipelines and stages the options of the pipeline properties."""
    definitions["hs_pipeline"].options = [
        option_of({"label": row.label, "value": row.id}) for row in pipelines
    ]
    definitions["hs_pipeline_stage"].options = [
        option_of({"label": stage.label, "value": stage.id})
        for row in pipelines
        for stage in row.stages
    ]
