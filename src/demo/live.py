"""Reading frames over HTTP while the scan goes on."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from ..data_api.client import DataClient
from ..data_api.errors import DataApiError

PAUSE = 0.2
"""Seconds between looks at the newest frame."""


@dataclass(slots=True)
class LiveReader:
    """Fetches the newest frame of a run again and again, in a thread, until it is told to end.

    Attributes:
        url: Of the data API.
        uid: Gives the run as soon as there is one.
        key: The data key.
        frames: What it got, by frame, counted from 0.
    """

    url: str
    uid: Callable[[], str | None]
    key: str
    frames: dict[int, NDArray[Any]] = field(default_factory=dict[int, "NDArray[Any]"])
    _ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Read until `end` is called. Blocks."""
        with DataClient(self.url) as client:
            while not self._ended.wait(PAUSE):
                self._look(client)

    def end(self) -> None:
        """Let `run` return."""
        self._ended.set()

    def _look(self, client: DataClient) -> None:
        uid = self.uid()
        if uid is None:
            return
        try:
            newest = int(client.structure(uid, self.key)["committed"])
            if newest:
                self.frames[newest - 1] = client.frame(uid, self.key, seq_num=newest)
        except DataApiError:
            return  # the API has no run, no stream or no such frame yet: that is what the next look is for
