"""A program that sends one message through Apprise: `channels.Apprise` runs it.

It reads JSON from standard input: `url`, `title`, `body` and `type`. A process
of its own, because Apprise and what it uses log addresses, which hold tokens,
and know no limit for a message as a whole. So it writes nothing but the status
code that a service answered.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys

NOT_TAKEN = 3
NOT_UNDERSTOOD = 4


def main() -> int:
    """Send it; 0 where the service took it."""
    message = json.load(sys.stdin)
    # Whatever Apprise or a plugin of it prints stays here, a traceback included.
    output = os.fdopen(os.dup(2), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)

    import apprise

    answer = _StatusCode()
    logging.getLogger("apprise").addHandler(answer)
    # No pictures from elsewhere.
    asset = apprise.AppriseAsset(
        app_id="syncd", app_desc="syncd", app_url="", image_url_mask="", image_url_logo=""
    )
    sender = apprise.Apprise(asset=asset)
    if not sender.add(message["url"]):
        return NOT_UNDERSTOOD
    if sender.notify(
        title=message["title"],
        body=message["body"],
        notify_type=apprise.NotifyType(message["type"]),
        body_format=apprise.NotifyFormat.TEXT,
    ):
        return 0
    if answer.status:
        print(f"the service answered {answer.status}", file=output, flush=True)
    return NOT_TAKEN


class _StatusCode(logging.Handler):
    """Of Apprise's lines, the status code: everything else may repeat the address."""

    status = ""

    def emit(self, record: logging.LogRecord) -> None:
        if found := re.search(r"\berror=(\d{3})\b", record.getMessage()):
            self.status = found[1]


if __name__ == "__main__":
    sys.exit(main())
