"""Which settings a backup remembers: those that somebody chose, and no secret among them."""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from pydantic import SecretStr

from core.settings import Settings
from core.settings_group import SettingsGroup

# Where things are for this service, and a URL that may hold a password: a restored one is another.
_OF_THE_PLACE = frozenset(
    {
        "CIMIENTO_DATA_DIR",
        "CIMIENTO_DATABASE__URL",
        "CIMIENTO_BLOBS__URL",
        "CIMIENTO_BLOBS__ENDPOINT",
        "CIMIENTO_BLOBS__REGION",
    }
)


def chosen_settings(settings: Settings) -> Mapping[str, str]:
    """The environment variables that differ from their defaults, but for secrets and places."""
    return {name: value for name, value in _chosen(settings) if name not in _OF_THE_PLACE}


def _chosen(settings: Settings) -> Iterator[tuple[str, str]]:
    for field in settings.model_fields_set:
        group = getattr(settings, field)
        if not isinstance(group, SettingsGroup):
            yield f"CIMIENTO_{field}".upper(), str(group)
            continue
        for key, info in type(group).model_fields.items():
            value = getattr(group, key)
            is_chosen = value != info.get_default(call_default_factory=True)
            if is_chosen and not _is_secret(value):
                yield f"CIMIENTO_{field}__{key}".upper(), str(value)


def _is_secret(value: object) -> bool:
    if isinstance(value, SecretStr):
        return True
    if not isinstance(value, str) or "://" not in value:
        return False
    # one URL, or several separated by commas
    return any(urlsplit(each).password is not None for each in (value, *value.split(",")))
