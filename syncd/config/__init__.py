"""The configuration: `docs/configuration.md` as frozen values.

Bootstrap and the verbs call `load` and `resolve_token`; nothing else of the
program reads a file or a variable. The modules: `values` (kinds of values),
`settings` (every key), `key_tree` (the tree of keys), `sources` (files, defaults,
environment), `problems` (what is wrong, in words), `overlaps` (what links may
not do together), `mapped_fields` (conflicts between mapped fields), `tokens`,
`show`, `example`.
"""

from syncd.config.addresses import server_of
from syncd.config.app_settings import AppsSettings, HighLevelApp, HubSpotApp, LiveSettings
from syncd.config.changes import changes
from syncd.config.link_settings import LinkSettings
from syncd.config.loading import load, working_directory
from syncd.config.notify_settings import NotifySettings
from syncd.config.overlaps import account_by_token, object_kind, overlapping
from syncd.config.references import NotifyUrl, TokenReference, WebhookReference
from syncd.config.secrets import (
    has_app,
    resolve_address,
    resolve_client_secret,
    resolve_hook_secret,
    resolve_http_tokens,
    resolve_secret_keys,
    resolve_token,
)
from syncd.config.settings import (
    HttpSettings,
    LoggingSettings,
    ScheduleSettings,
    Settings,
    StoreSettings,
)
from syncd.config.show import show
from syncd.config.sources import find_config
from syncd.config.sync_settings import (
    ChangeGuard,
    ConflictSettings,
    FieldMap,
    FieldSettings,
    Guard,
    RemovalGuard,
    StatusSettings,
    SyncSettings,
)
from syncd.config.vendor_settings import GhlSettings, HubSpotSettings, RateLimit, Route

__all__ = [
    "AppsSettings",
    "ChangeGuard",
    "ConflictSettings",
    "FieldMap",
    "FieldSettings",
    "GhlSettings",
    "Guard",
    "HighLevelApp",
    "HttpSettings",
    "HubSpotApp",
    "HubSpotSettings",
    "LinkSettings",
    "LiveSettings",
    "LoggingSettings",
    "NotifySettings",
    "NotifyUrl",
    "RateLimit",
    "RemovalGuard",
    "Route",
    "ScheduleSettings",
    "Settings",
    "StatusSettings",
    "StoreSettings",
    "SyncSettings",
    "TokenReference",
    "WebhookReference",
    "account_by_token",
    "changes",
    "find_config",
    "has_app",
    "load",
    "object_kind",
    "overlapping",
    "resolve_address",
    "resolve_client_secret",
    "resolve_hook_secret",
    "resolve_http_tokens",
    "resolve_secret_keys",
    "resolve_token",
    "server_of",
    "show",
    "working_directory",
]
