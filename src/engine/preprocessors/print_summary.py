"""What a plan does, in few words, while it does it."""

import sys
from typing import Any

from ..dispatch import Call
from ..messages import MsgLike
from ..operation import name_of
from .wrapped import Wrapped, within


class PrintSummary:
    """Middleware that prints moves, runs and events, one line each."""

    def __init__(self) -> None:
        self._read: list[str] = []

    async def __call__(self, msg: MsgLike, call: Call) -> Any:
        """Pass a message on."""
        for line in self._lines(msg):
            sys.stdout.write(f"{line}\n")
        return await call(msg)

    def _lines(self, msg: MsgLike) -> list[str]:
        match msg.command:
            case "open_run":
                return [f"{' Open Run ':=^80}"]
            case "close_run":
                return [f"{' Close Run ':=^80}"]
            case "set":
                return [f"{name_of(msg.obj)} -> {msg.args[0]}"]
            case "create":
                self._read = []
            case "read":
                self._read.append(name_of(msg.obj))
            case "save":
                return [f"  Read {self._read}"]
            case "trigger_and_read":
                return [f"  Read {[name_of(device) for device in msg.args[0]]}"]
            case _:
                pass
        return []


def print_summary_wrapper(plan: Any) -> Wrapped:
    """Print what the plan moves and where it takes events, while it does."""
    return within(plan, PrintSummary())
