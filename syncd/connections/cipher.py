"""The key that encrypts what the store keeps of connections.

A key file is made by the first `syncd connect`, and only while the store holds nothing
that another key may have encrypted. Of several keys the first encrypts; what was
written with another is written anew at the next refresh.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from syncd import config
from syncd.config import StoreSettings
from syncd.errors import ConfigError

KEY = "store.secret_key"

_OTHER_KEY = (
    f"{KEY}: this key is not the one that the connections in the store were encrypted with; put "
    "that key there (of several, a list), or forget them with `syncd disconnect` and connect again"
)


class Cipher:
    """Encrypts with the first key, and decrypts with any."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Raises ConfigError where one is no Fernet key."""
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            raise ConfigError(
                [f"{KEY}: what is kept there is no Fernet key: 44 characters on one line"]
            ) from None

    def encrypt(self, text: str) -> str:
        """The text, encrypted; an empty one stays empty."""
        return self._fernet.encrypt(text.encode()).decode() if text else ""

    def decrypt(self, text: str) -> str:
        """The text again.

        Raises:
            ConfigError: it was encrypted with another key.
        """
        try:
            return self._fernet.decrypt(text.encode()).decode() if text else ""
        except InvalidToken:
            raise ConfigError([_OTHER_KEY]) from None

    def fits(self, text: str) -> bool:
        """Whether it was encrypted with one of these keys."""
        with suppress(ConfigError):
            self.decrypt(text)
            return True
        return False


def load(store: StoreSettings, env: Mapping[str, str] | None = None) -> Cipher:
    """The cipher of a configuration.

    Raises:
        ConfigError: a key is missing, cannot be read, or is none.
    """
    try:
        keys = [key.get_secret_value() for key in config.resolve_secret_keys(store, env)]
    except ConfigError as error:
        hint = "put the key there that `syncd connect` made; every machine and the service need it"
        raise ConfigError([f"{problem} ({hint})" for problem in error.problems]) from error
    return Cipher(keys)


def load_or_make(
    store: StoreSettings, env: Mapping[str, str] | None, encrypted: Callable[[], Sequence[str]]
) -> tuple[Cipher, Path | None]:
    """The cipher for `syncd connect`, and the key file where it was made just now.

    `encrypted` gives some encrypted values of the store.

    Raises:
        ConfigError: the key is missing or wrong, and the store holds encrypted rows.
    """
    known = encrypted()
    path = _missing_file(store)
    made = None
    if path is not None:
        if known:
            problem = (
                f"{KEY}: the file {path} is not there, and the store holds connections that were "
                "encrypted with it; put it back, or forget them with `syncd disconnect`"
            )
            raise ConfigError([problem])
        made = path if _make(path) else None
    cipher = load(store, env)
    if known and not any(cipher.fits(each) for each in known):
        cipher.decrypt(known[0])  # raises, and says what to do
    return cipher, made


def key_file(store: StoreSettings) -> Path | None:
    """The file of the first key, where it is kept in one."""
    name = store.secret_key[0].file
    return None if name is None else Path(name)


def _missing_file(store: StoreSettings) -> Path | None:
    path = key_file(store)
    return None if path is None or os.path.lexists(path) else path


def _make(path: Path) -> bool:
    """Write a new key, whole or not at all; False where another process was first."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(beside, path)
        except FileExistsError:
            return False
        _sync_folder(path.parent)
    except OSError as error:
        raise ConfigError(
            [f"{KEY}: the file {path} cannot be made: {error.strerror}; name another place"]
        ) from error
    finally:
        with suppress(OSError):
            beside.unlink()
    return True


def _sync_folder(folder: Path) -> None:
    """Have the new name outlast a power cut, like the rows that need the key."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
