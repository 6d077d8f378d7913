"""Following a signal of either make: ours and ophyd-async's push readings, ophyd's push `value=`."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from .run_engine import RunEngine


class Followed:
    """One signal, followed until `remove`: `judge(value)` is called on the engine's loop at every change."""

    def __init__(self, engine: "RunEngine", signal: Any, judge: Callable[[Any], None]) -> None:
        self._engine = engine
        self._signal = signal
        self._judge = judge
        self._removed = False
        (getattr(signal, "subscribe_reading", None) or signal.subscribe)(self._changed)

    def remove(self) -> None:
        """Follow it no more."""
        self._removed = True
        self._signal.clear_sub(self._changed)

    def _changed(self, *args: Any, value: Any = None, **_: Any) -> None:
        if args and isinstance(args[0], Mapping):
            (reading,) = cast("Mapping[str, Mapping[str, Any]]", args[0]).values()
            value = reading["value"]
        self._engine.from_any_thread(self._arrived, value)

    def _arrived(self, value: Any) -> None:
        if not self._removed:
            self._judge(value)
