"""The handle of a run: its documents so far, and its data; the same while it runs and afterwards."""

from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from typing import TypeVar

from ..stream_resource.reader import RunReader, StreamReader
from ..stream_resource.runindex import RunIndex
from .documents import Document
from .errors import ExitStatus
from .step import Step, steps

T = TypeVar("T")


class Run:
    """A run, from its documents.

    Example:
        `run["primary"]["motor"]` is a column of the events; `run["primary"]["cam"][0]` is a frame, read from its file.

    Attributes:
        uid: Of the run.
        index: The reducer over its documents.
    """

    def __init__(self, uid: str) -> None:
        self.uid = uid
        self.index = RunIndex()

    @property
    def start(self) -> Document | None:
        """The start document."""
        return self.index.start

    @property
    def stop(self) -> Document | None:
        """The stop document; None while the run is open."""
        return self.index.stop

    @property
    def exit_status(self) -> ExitStatus | None:
        """How it ended; None while it is open."""
        return None if self.stop is None else self.stop["exit_status"]

    def steps(
        self, points: Iterable[T] | AsyncIterable[T], *, name: str | None = None, duration: float | None = None
    ) -> AsyncGenerator[Step[T], None]:
        """Iterate over points, each as a step that a suspension may have taken again.

        Example:
            `async for step in run.steps(points): async with step as point: await mv(x, point); ...`
        """
        return steps(points, name=name, duration=duration)

    def __getitem__(self, stream: str) -> StreamReader:
        """Give a stream: `[key]` of it is a column of its events, or the frames of an external key.

        Raises:
            UnknownKeyError: The run has no such stream.
        """
        return RunReader(self.index)[stream]

    def __repr__(self) -> str:
        return (
            f"<Run {self.uid[:8]}: {self.exit_status or 'open'}; streams {', '.join(self.index.streams) or 'none yet'}>"
        )
