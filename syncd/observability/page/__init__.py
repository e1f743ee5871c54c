"""The status page: one HTML document, drawn on the server, that needs nothing else.

`server` calls `render` for every request. No script, no request to anywhere;
it reloads itself by a meta tag. Everything that came from outside is escaped
and redacted; values that belong to persons are masked unless asked for.
`render` puts the page together, `parts` draws a link, `plot` the timeline,
`words` says times and amounts, `style` holds the one style sheet.
"""

from syncd.observability.page.render import Look, render, unavailable
from syncd.observability.page.style import STYLE_HASH

__all__ = ["STYLE_HASH", "Look", "render", "unavailable"]
