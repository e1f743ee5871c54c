"""A folder with a ready configuration for the sandbox, and its tokens beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

CONFIG = "config.toml"


def prepare(folder: Path, config: str, secrets: Mapping[str, str], *, page_token: str) -> None:
    """Write the configuration, with files in place of the variables that hold these secrets.

    Raises:
        UsageError: something lies there already, or it cannot be written.
    """
    files = {"page-token": page_token}
    for variable, secret in secrets.items():
        file = variable.lower().replace("_", "-")
        files[file] = secret
        config = config.replace(f'{{ env = "{variable}" }}', f'{{ file = "{file}" }}')
        if variable == "HUBSPOT_CLIENT_SECRET":  # its default is that variable
            section = "[apps.hubspot]\n"
            config = config.replace(section, f'{section}client_secret = {{ file = "{file}" }}\n')
    config += '\n[http]\ntoken = { file = "page-token" }\n\n[schedule]\npoll_interval = "5s"\n'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = [name for name in (CONFIG, "syncd.db", *files) if (folder / name).exists()]
        if there:
            raise click.UsageError(
                f"--init {folder}: {there[0]} lies there already, and a sandbox begins anew: "
                "name another folder"
            )
        for name, secret in files.items():
            (folder / name).touch(0o600)
            (folder / name).write_text(f"{secret}\n", encoding="utf-8")
        (folder / CONFIG).write_text(config, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"--init {folder}: {error.strerror}") from error
