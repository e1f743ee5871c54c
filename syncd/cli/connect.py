"""`syncd connect VENDOR`: an OAuth connection, made in the browser.

Prints the address to open and waits for the redirect: at the daemon's live listener
where one runs, else at a listener of its own. It takes no lock and runs beside a daemon.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl, urlsplit

import click

from syncd.cli.command import Verb, config_option, config_path, duration_given, json_option

if TYPE_CHECKING:
    from syncd.bootstrap import App
    from syncd.bootstrap.oauth import OAuth
    from syncd.config import Settings
    from syncd.connections.attempts import Begun, Completed
    from syncd.connections.vendors import Vendor

DEFAULT_PORT = 8788
_LOOK = 0.5
"""Seconds between looks at what became of the attempt."""

_CODES = {"ok": 0, "refused": 6, "unreachable": 7, "foreign": 2}


@click.command(
    cls=Verb,
    short_help="Connect an account by OAuth, in the browser.",
    examples=(
        ("syncd connect hubspot", "opens the browser, and waits until you have chosen an account"),
        ("syncd connect highlevel --no-browser", "prints the address only"),
        (
            "syncd connect highlevel --redirected 'https://sync.example.com/oauth/callback?…'",
            "the address at which the browser ended, where no redirect can arrive",
        ),
    ),
)
@click.argument("vendor", type=click.Choice(["highlevel", "hubspot"]))
@config_option
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
@click.option(
    "--timeout",
    default="10m",
    metavar="DURATION",
    show_default=True,
    callback=duration_given,
    help="How long to wait for the redirect.",
)
@click.option(
    "--redirected",
    metavar="URL",
    help="The address at which the browser ended; completes an attempt that was begun before.",
)
@json_option
@click.pass_context
def connect(
    ctx: click.Context,
    vendor: Literal["highlevel", "hubspot"],
    config: Path | None,
    timeout: timedelta,
    redirected: str | None,
    *,
    no_browser: bool,
    as_json: bool,
) -> int:
    """Connect a HighLevel location or agency, or a HubSpot account, by OAuth.

    It needs an app of your own under [apps], and a public https address for
    HighLevel. Ends with 0 once the connection is made, with 6 where you or the
    vendor said no, and with 7 where no redirect came in time. With --json the
    address goes to stderr.
    """
    from syncd.bootstrap import open_app
    from syncd.cli.session import begin
    from syncd.connections.vendors import Vendor

    settings = begin(config_path(ctx, config), linkless=True)
    seconds = timeout.total_seconds()
    with ExitStack() as stack:
        app = stack.enter_context(open_app(settings, make_store=True))
        which = Vendor(vendor)
        app.oauth.app(which).secret()  # what is missing is told before anything is made
        if as_json:
            stack.enter_context(redirect_stdout(sys.stderr))
        if redirected is not None:
            came = _told(app, app.oauth.attempts.complete(_query(redirected)))
        else:
            _ready_key(app, settings)
            came = _run(app, settings, which, seconds, browser=not no_browser)
    if as_json:
        click.echo(json.dumps(came.as_json(), indent=2))
    return came.code


@dataclass(frozen=True, slots=True, kw_only=True)
class _Came:
    """What came of it."""

    code: int
    told: str
    connection: int | None = None

    def as_json(self) -> dict[str, object]:
        document: dict[str, object] = {"version": 1, "exit_code": self.code}
        if self.code:
            return document | {"problems": [self.told]}
        return document | {"connection": self.connection, "detail": self.told}


def _run(app: App, settings: Settings, vendor: Vendor, seconds: float, *, browser: bool) -> _Came:
    with _listening(settings, app.oauth):
        redirect = redirect_address(settings)
        if vendor == "highlevel" and not redirect.startswith("https://"):
            click.echo(
                "HighLevel saves https redirect addresses only: set live.public_url to the address "
                f"at which it reaches this service, or to any of yours (now it is {redirect})",
                err=True,
            )
        begun = app.oauth.attempts.begin(vendor, redirect, seconds)
        click.echo(f"Open this address, and choose what to connect to {vendor.label}'s app:")
        click.echo(begun.address)
        if browser:
            _open(begun.address)
        return _wait(app, begun, seconds)


def _wait(app: App, begun: Begun, seconds: float) -> _Came:
    """Look until the attempt is complete, by whatever process."""
    until = app.clock.monotonic() + seconds
    while True:
        left = until - app.clock.monotonic()
        attempt = app.oauth.attempts.outcome(begun.state)
        if attempt is not None and attempt.outcome:
            click.echo(attempt.detail, err=attempt.outcome != "ok")
            if attempt.outcome == "ok":
                _tell_links(app, attempt.connection)
            code = _CODES[attempt.outcome]
            return _Came(code=code, told=attempt.detail, connection=attempt.connection)
        # A redirect that came in time may still be at its exchange.
        if left <= (-_GRACE if attempt is not None and attempt.claimed_at else 0):
            late = "no redirect came in time; run it again"
            click.echo(f"syncd: {late}", err=True)
            return _Came(code=_CODES["unreachable"], told=late)
        app.clock.sleep(min(_LOOK, max(left, _LOOK / 10)))


def _tell_links(app: App, connection: int) -> None:
    """Say which links use it, since it may be another account than was meant."""
    from syncd.cli.output.printer import Printer

    links = app.served().get(connection, [])
    if links:
        Printer().line(f"links that use it: {', '.join(links)}")
    else:
        Printer().line(
            "no link uses it yet: give one its id, and `token = { oauth = true }`; "
            "`syncd connections` shows it"
        )


_GRACE = 20.0
"""Seconds that a redirect which came has for its exchange."""


def _told(app: App, done: Completed) -> _Came:
    told = done.detail
    if done.ended == "foreign":
        told = (
            "this address belongs to no running attempt: it was used before, or is too old; "
            "run `syncd connect` again, and give the address at which the browser ends then"
        )
    click.echo(f"syncd: {told}" if done.ended == "foreign" else told, err=done.ended != "ok")
    if done.ended == "ok":
        _tell_links(app, done.connection)
    return _Came(code=_CODES[done.ended], told=told, connection=done.connection)


def redirect_address(settings: Settings) -> str:
    """Where the vendors send the browser to."""
    from syncd.connections.callback import PATH

    if settings.live.public_url:
        return f"{settings.live.public_url}{PATH}"
    return f"http://localhost:{_listen_at(settings)[1]}{PATH}"


def _listen_at(settings: Settings) -> tuple[str, int]:
    return settings.live.address or ("127.0.0.1", DEFAULT_PORT)


@contextmanager
def _listening(settings: Settings, oauth: OAuth) -> Iterator[None]:
    """Listen for the redirect, unless the daemon does."""
    from starlette.applications import Starlette

    from syncd.connections.callback import route
    from syncd.errors import ConfigError
    from syncd.observability.listener import serve

    app = Starlette(routes=[route(oauth.attempts.complete)])
    app.router.redirect_slashes = False
    try:
        listener = serve("live.listen", _listen_at(settings), app)
    except ConfigError:
        # Another process listens there: where it is this store's daemon, it takes the redirect.
        click.echo(
            "another process listens where the redirect arrives: if it is not a syncd with this "
            "store, end it and connect again",
            err=True,
        )
        yield
        return
    try:
        yield
    finally:
        listener.close()


def _ready_key(app: App, settings: Settings) -> None:
    """Load the key, or make it; says where it lies."""
    from syncd.cli.output.printer import Printer
    from syncd.connections.cipher import key_file, load_or_make

    _, made = load_or_make(settings.store, app.environment, app.store.connections.encrypted)
    printer, path = Printer(), key_file(settings.store)
    if made is not None:
        printer.line(f"The key that encrypts tokens in the store was made: {made}")
    elif path is not None:
        printer.line(f"The key that encrypts tokens in the store is {path}")
    if path is not None:
        printer.line(
            "Every machine with this store needs it, and so does the service (LoadCredential); "
            "no backup contains it."
        )


def _query(address: str) -> Mapping[str, str]:
    """The query of an address; where a whole address was not copied, what stands there is one."""
    query = urlsplit(address.strip()).query or address.strip().lstrip("?")
    return dict(parse_qsl(query, keep_blank_values=True))


def _open(address: str) -> None:
    """Open the browser, where there is one."""
    import webbrowser

    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return
    # One that runs in the terminal would hide the address.
    if isinstance(browser, webbrowser.GenericBrowser) and not isinstance(
        browser, webbrowser.BackgroundBrowser
    ):
        return
    browser.open(address)
