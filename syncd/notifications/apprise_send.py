"""A program that sends one message through Apprise: `channels.Apprise` runs it.

It reads JSON from standard input: `url`, `title`, `body` and `type`. It is a
separate process, because Apprise and its libraries log addresses, which contain
tokens, and have no time limit for a whole message. So it writes only the status
code of the service's answer.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys

NOT_DELIVERED = 3
UNKNOWN_SERVICE = 4


def main() -> int:
    """Send it; 0 if the service accepted it."""
    message = json.load(sys.stdin)
    # The output of Apprise and its plug-ins is discarded, tracebacks included.
    output = os.fdopen(os.dup(2), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)

    import apprise

    answer = _StatusCode()
    logging.getLogger("apprise").addHandler(answer)
    # No images from other servers.
    asset = apprise.AppriseAsset(
        app_id="syncd", app_desc="syncd", app_url="", image_url_mask="", image_url_logo=""
    )
    sender = apprise.Apprise(asset=asset)
    if not sender.add(message["url"]):
        return UNKNOWN_SERVICE
    if sender.notify(
        title=message["title"],
        body=message["body"],
        notify_type=apprise.NotifyType(message["type"]),
        body_format=apprise.NotifyFormat.TEXT,
    ):
        return 0
    if answer.status:
        print(f"the service answered {answer.status}", file=output, flush=True)
    return NOT_DELIVERED


class _StatusCode(logging.Handler):
    """Takes the status code from Apprise's log; everything else may contain the address."""

    status = ""

    def emit(self, record: logging.LogRecord) -> None:
        if found := re.search(r"\berror=(\d{3})\b", record.getMessage()):
            self.status = found[1]


if __name__ == "__main__":
    sys.exit(main())
