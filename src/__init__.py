"""Wingbeat: data acquisition as one asyncio-native framework, fly-scanning first.

`start` gives an engine with its journal and run directory; `connected` connects devices by the names of your variables.
Everything else is imported from the package that owns it: `wingbeat.engine.plans`, `wingbeat.flyscan`,
`wingbeat.async_devices.epics`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .async_devices import connected as connected
    from .session import start as start

__version__ = "0.1.0"

_HOMES = {"start": ".session", "connected": ".async_devices"}
# Looked up when first used: a data API host has neither EPICS nor an engine, and imports this module too.


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_HOMES[name], __name__), name)
