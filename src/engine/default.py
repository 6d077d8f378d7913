"""The default engine: who runs a plan that is awaited where no plan runs.

It is the first engine made in this process, or the one that `set_engine` names (a session does); if there is none,
one is made on ./wingbeat-data, and says so. A second engine never takes over silently. This is the one piece of
module state in Wingbeat.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .run_engine import RunEngine

log = logging.getLogger(__name__)

DIRECTORY = "wingbeat-data"


class _Holder:
    engine: "RunEngine | None" = None
    make: "Callable[[str], RunEngine]"


_HOLDER = _Holder()


def engine() -> "RunEngine":
    """Give the default engine; make one on ./wingbeat-data if there is none."""
    if _HOLDER.engine is None:
        made = _HOLDER.make(DIRECTORY)
        log.warning("no engine was made yet: plans run in a new one, documents go to %s", made.data_dir)
        _HOLDER.engine = made
    return _HOLDER.engine


def make_with(make: "Callable[[str], RunEngine]") -> None:
    """Say how an engine is made on a directory; the module of the engine does, which this one cannot import."""
    _HOLDER.make = make


def current() -> "RunEngine | None":
    """Give the default engine if there is one."""
    return _HOLDER.engine


def set_engine(engine: "RunEngine | None") -> None:
    """Make `engine` the default one, or let there be none."""
    _HOLDER.engine = engine


def offer(engine: "RunEngine") -> None:
    """Make `engine` the default one if there is none."""
    if _HOLDER.engine is None:
        _HOLDER.engine = engine


def withdraw(engine: "RunEngine") -> None:
    """Let `engine` be the default one no more, if it is."""
    if _HOLDER.engine is engine:
        _HOLDER.engine = None
