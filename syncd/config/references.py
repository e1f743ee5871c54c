"""Where a secret is kept: a variable, a file, a systemd credential, or a connection.

The configuration names the place; `secrets` reads it. An address of a webhook
is a secret too, and may also stand in the configuration itself.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import (
    Field,
    model_validator,
)

from syncd.config import addresses
from syncd.config.section import Section
from syncd.config.values import Accepts


class Reference(Section):
    """The place where a secret is kept: a variable, a file, or a systemd credential."""

    whole: ClassVar[bool] = True

    env: (
        Annotated[
            str,
            Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"),
            Accepts(words="the name of an environment variable, never the secret itself"),
        ]
        | None
    ) = None
    """The environment variable that holds it."""
    file: (
        Annotated[str, Field(min_length=1), Accepts(words="the path of the file that holds it")]
        | None
    ) = None
    """A file that only its owner can read."""
    credential: (
        Annotated[
            str,
            Field(pattern=r"^[A-Za-z0-9._-]+$"),
            Accepts(words="the name of a systemd credential, as LoadCredential= gives it"),
        ]
        | None
    ) = None
    """The name of a systemd credential (a file in $CREDENTIALS_DIRECTORY)."""

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """The places that are named, each with its kind: `("env", "GHL_TOKEN")`."""
        named = {"env": self.env, "file": self.file, "credential": self.credential}
        return tuple((kind, name) for kind, name in named.items() if name is not None)

    @property
    def place(self) -> tuple[str, str]:
        """The only place; just where one is named."""
        (place,) = self.places
        return place


class TokenReference(Reference):
    """Where a token is kept: the configuration never contains the token itself."""

    accepts: ClassVar[str] = (
        'where the token is kept: { env = "NAME" }, { file = "/path" } or { credential = "name" }'
    )

    @model_validator(mode="after")
    def _names_one_place(self) -> Self:
        if len(self.places) != 1:
            raise ValueError(f"accepted: {self.accepts}, exactly one of them")
        return self


class LinkTokenReference(TokenReference):
    """Where a vendor's token is kept, or that it comes from a connection of `syncd connect`."""

    accepts: ClassVar[str] = (
        'where the token is kept: { env = "NAME" }, { file = "/path" } or '
        '{ credential = "name" }, or { oauth = true }'
    )

    oauth: Literal[True] | None = None
    """It comes from an OAuth connection, which `syncd connect` makes."""

    @model_validator(mode="after")
    def _names_one_place(self) -> Self:
        if len(self.places) + bool(self.oauth) != 1:
            raise ValueError(f"accepted: {self.accepts}, exactly one of them")
        return self


class KeyReference(TokenReference):
    """Where a key is kept that encrypts what the store must not hold in clear."""

    accepts: ClassVar[str] = (
        'where the key is kept: { file = "syncd.key" }, { env = "NAME" } or { credential = "name" }'
    )


class SecretReference(Reference):
    """Where a secret is kept that may be missing: then what needs it is off."""

    accepts: ClassVar[str] = (
        'where it is kept: { env = "NAME" }, { file = "/path" } or { credential = "name" }, or ""'
    )

    @classmethod
    def as_table(cls, given: object) -> object:
        """An empty text is no place."""
        return {} if given == "" else given

    @model_validator(mode="before")
    @classmethod
    def _written_out(cls, given: object) -> object:
        return cls.as_table(given)

    @model_validator(mode="after")
    def _names_one_place(self) -> Self:
        if len(self.places) > 1:
            raise ValueError(f"accepted: {self.accepts}, one of them")
        return self

    @property
    def given(self) -> bool:
        """Whether a place is named."""
        return bool(self.places)


class WebhookReference(Reference):
    """Where messages are posted to; the address is often a secret, and is treated as one."""

    accepts: ClassVar[str] = (
        'an address such as "https://hooks.example.com/…", where it is kept: { env = "NAME" }, '
        '{ file = "/path" } or { credential = "name" }, or ""'
    )

    url: addresses.WebhookUrl = None
    """The address itself."""

    @classmethod
    def as_table(cls, given: object) -> object:
        """An address may stand for the table; "" is none."""
        if isinstance(given, str):
            return {"url": given} if given else {}
        return given

    @model_validator(mode="before")
    @classmethod
    def _written_out(cls, given: object) -> object:
        return cls.as_table(given)

    @model_validator(mode="after")
    def _names_one_place(self) -> Self:
        if (self.url is not None) + len(self.places) > 1:
            raise ValueError(f"accepted: {self.accepts}, one of them")
        return self

    @property
    def given(self) -> bool:
        """Whether there is a webhook at all."""
        return self.url is not None or bool(self.places)

    def fits(self, address: str) -> bool:
        """Whether this is such an address."""
        return addresses.is_web_address(address)


class NotifyUrl(WebhookReference):
    """One address of Apprise, which holds credentials."""

    accepts: ClassVar[str] = (
        'an address of Apprise such as "ntfys://topic", or where it is kept: { env = "NAME" }, '
        '{ file = "/path" } or { credential = "name" }'
    )

    url: addresses.NotifyUrl = None
    """The address itself."""

    @model_validator(mode="after")
    def _is_given(self) -> Self:
        if not self.given:
            raise ValueError(f"accepted: {self.accepts}")
        return self

    def fits(self, address: str) -> bool:
        """Whether this is such an address."""
        return addresses.is_apprise_address(address)
