"""A progress bar for a flight: frames, rate, time gone and time left."""

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class ProgressBar:
    """Draws what a flyer reports: `with ProgressBar(console) as bar: flight.watch(bar.update)`.

    On a terminal it is drawn again as it grows; elsewhere one line is printed when it ends.
    """

    def __init__(self, console: Console) -> None:
        self._task: TaskID | None = None
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[eta]}"),
            console=console,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def update(
        self,
        *,
        name: str,
        current: float,
        target: float,
        unit: str = "",
        time_elapsed: float | None = None,
        time_remaining: float | None = None,
        **rest: Any,
    ) -> None:
        """Take one report, with the fields of `Progress` as keywords."""
        del rest
        if self._task is None:
            self._task = self._progress.add_task(name, total=target, rate="", eta="")
        rate = f"{current / time_elapsed:.0f} {unit}/s" if time_elapsed else ""
        # The flyer knows its timeline: better than a guess from the rate, which the turnarounds upset.
        eta = f"ETA {time_remaining:.0f} s" if time_remaining else ""
        self._progress.update(self._task, completed=current, total=target, rate=rate, eta=eta)
