"""Streams of the engine's own remarks in a run: interruptions, and alarms of readings that were excused.

As in bluesky, `interruptions` has one key, "interruption": "pause", "resume", or the reason of a suspension.
"""

import time
from collections.abc import Mapping

from .documents import Document
from .stream import Stream

INTERRUPTIONS = "interruptions"
SOURCE = "RunEngine"


class NoteStream(Stream):
    """A stream of strings that no device has said."""

    def __init__(self, name: str, run_start: str, keys: tuple[str, ...]) -> None:
        self._keys = keys
        super().__init__(name, run_start, {})

    def describe(self) -> Document:
        """Compose the descriptor."""
        descriptor = super().describe()
        keys: Document = {key: {"dtype": "string", "shape": [], "source": SOURCE} for key in self._keys}
        descriptor["data_keys"], self.event_keys = keys, keys.keys()
        return descriptor


def readings_of(values: Mapping[str, str]) -> dict[str, dict[str, object]]:
    """Make readings of words, as of now."""
    return {key: {"value": value, "timestamp": time.time()} for key, value in values.items()}
