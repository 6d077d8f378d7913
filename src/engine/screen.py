"""What people see of a run: heading, live table, progress line, and at the end the uid, the status and the ledger.

Theory of operation. A subscriber that writes text. The progress line is for terminals alone: it is drawn over itself
below the newest row and wiped before anything else is written. Into a file or a notebook go whole lines only. What it
cannot write (a terminal that is gone, a document that is odd) is logged and never the run's affair.
"""

import logging
import os
import sys
import time
from collections.abc import Callable
from typing import IO, Any

from .documents import Document
from .heading import ending, heading
from .live_table import LiveTable, columns_of
from .progress_line import ProgressLine

log = logging.getLogger(__name__)

REDRAW_TIME = 0.1
"""Seconds between two drawings of the progress line at least."""

DEFAULT_WIDTH = 80
NARROWEST_WIDTH = 40


class _Shown:
    """One run on the screen."""

    def __init__(self, start: Document, *, now: float) -> None:
        self.start = start
        self.begun = now
        self.progress = ProgressLine(start)
        self.table: LiveTable | None = None
        self.stream = _main_stream(start)
        self.descriptors: set[str] = set()


class Screen:
    """Shows runs as text: `RE.subscribe(Screen(), critical=True)`, so that all is written when a plan returns.

    Args:
        file: Where to write; what is standard output at that time unless given.
        clock: Seconds, for the progress line.
    """

    def __init__(self, file: IO[str] | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._given = file
        self._clock = clock
        self._runs: dict[str, _Shown] = {}
        self._of_descriptor: dict[str, _Shown] = {}
        self._last: _Shown | None = None
        self._drawn = float("-inf")
        self._line = ""
        self._gone = False

    def __call__(self, name: str, doc: Document) -> None:
        """Show a document."""
        if self._gone:
            return
        try:
            self._show(name, doc)
        except OSError as error:
            self._gone = True
            log.warning("nothing more is shown: what it is written to is gone (%s)", error)
        except Exception:  # boundary: what cannot be shown must not fail the run
            log.exception("the screen cannot show %s document %s", name, doc.get("uid"))

    def _show(self, name: str, doc: Document) -> None:
        match name:
            case "start":
                self._runs[doc["uid"]] = _Shown(doc, now=self._clock())
                self._write(heading(doc, width=self._width))
            case "descriptor":
                self._descriptor(doc)
            case "event":
                self._event(doc)
            case "stream_resource" if doc["run_start"] in self._runs:
                self._runs[doc["run_start"]].progress.resource(doc)
            case "stream_datum":
                self._frames(doc)
            case "stop":
                self._stop(doc)
            case _:
                pass

    def _descriptor(self, doc: Document) -> None:
        run = self._runs.get(doc["run_start"])
        if run is None or doc["name"] != run.stream:
            return
        run.descriptors.add(doc["uid"])
        self._of_descriptor[doc["uid"]] = run
        columns = columns_of(run.start, doc)
        if run.table is None and columns:
            run.table = LiveTable(columns, width=self._width)

    def _event(self, doc: Document) -> None:
        run = self._of_descriptor.get(doc["descriptor"])
        if run is None:
            return
        run.progress.event(doc)
        if run.table is not None:
            head = [] if run is self._last else run.table.head()
            self._write([*head, run.table.row(doc)])
            self._last = run
        self._draw(run)

    def _frames(self, doc: Document) -> None:
        run = self._of_descriptor.get(doc["descriptor"])
        if run is not None:
            run.progress.frames(doc)
            self._draw(run)

    def _stop(self, doc: Document) -> None:
        run = self._runs.pop(doc["run_start"], None)
        if run is None:
            return
        for descriptor in run.descriptors:
            del self._of_descriptor[descriptor]
        self._last = None
        self._write(ending(doc, run.start, width=self._width))

    # Writing.

    @property
    def _file(self) -> IO[str]:
        return self._given or sys.stdout

    @property
    def _width(self) -> int:
        try:
            return max(NARROWEST_WIDTH, os.get_terminal_size(self._file.fileno()).columns or DEFAULT_WIDTH)
        except (OSError, ValueError, AttributeError):  # no terminal
            return DEFAULT_WIDTH

    def _write(self, lines: list[str]) -> None:
        wiped = f"\r{' ' * len(self._line)}\r" if self._line else ""
        self._line = ""
        self._file.write(wiped + "".join(f"{line}\n" for line in lines))
        self._file.flush()

    def _draw(self, run: _Shown) -> None:
        now = self._clock()
        growing = run.table is not None  # each row has wiped the line
        useless = growing and run.progress.total is None
        if not self._file.isatty() or useless or (now - self._drawn < REDRAW_TIME and not growing):
            return
        old, self._line, self._drawn = len(self._line), run.progress.text(now - run.begun, width=self._width - 1), now
        self._file.write(f"\r{self._line:{old}}\r")
        self._file.flush()


def _main_stream(start: dict[str, Any]) -> str:
    """The stream that its dimensions are of; "primary" if it does not say."""
    dimensions: list[Any] = start.get("hints", {}).get("dimensions") or []
    return str(dimensions[0][1]) if dimensions and len(dimensions[0]) == 2 else "primary"
