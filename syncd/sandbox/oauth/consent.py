"""The pages on which a person says yes or no; each choice is a link that redirects.

A choice is taken with one more key in the address, so that a test needs no browser.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from syncd.sandbox.http import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncd.sandbox.http import Request


def page(request: Request, title: str, choices: Mapping[str, Mapping[str, str]]) -> Response:
    """A page with a link for each choice: its words, and what it adds to the address."""
    given = {key: values[-1] for key, values in request.query.items()}
    rows = "".join(
        f'<li><a href="?{escape(urlencode({**given, **more}))}">{escape(words)}</a></li>'
        for words, more in choices.items()
    )
    return _html(200, title, f"<ul>{rows}</ul>")


def error_page(title: str, detail: str, status: int = 400) -> Response:
    """A page of the vendor's own: nothing is redirected."""
    return _html(status, title, f"<p>{escape(detail)}</p>")


def redirect(request: Request, **values: str) -> Response:
    """Back to the app, with what it asked for and its state."""
    scheme, host, path, query, _ = urlsplit(request.one("redirect_uri") or "")
    state = request.one("state")
    told = [*parse_qsl(query), *values.items(), *([("state", state)] if state is not None else [])]
    address = urlunsplit((scheme, host, path, urlencode(told), ""))
    return Response(status=302, headers={"Location": address})


def _html(status: int, title: str, body: str) -> Response:
    text = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title></head><body><h1>{escape(title)}</h1>{body}</body></html>"
    )
    return Response(status=status, text=text, content_type="text/html; charset=utf-8")
