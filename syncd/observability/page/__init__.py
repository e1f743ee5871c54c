"""The status page: one HTML document, rendered on the server, that needs nothing else.

`server` calls `render` for every request. No script, no request to anywhere;
it reloads itself by a meta tag. The templates and the style sheet are package
data. Every text they show is redacted and escaped on its way out; values that
belong to persons are masked unless asked for. `view` prepares what is held and
written, `plot` the timeline, `observability.words` says times and amounts.
"""

from syncd.observability.page.render import Look, render, style_hash, unavailable
from syncd.observability.page.view import HISTORY

__all__ = ["HISTORY", "Look", "render", "style_hash", "unavailable"]
