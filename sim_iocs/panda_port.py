"""The data port: what stands between PCAP and the file, and may not keep up.

Theory of operation. The hardware's server has a buffer of so many bytes, which the client empties at so many bytes a
second. With rows of b bytes at times t(i) the buffer holds, after row i, w(i) = max(w(i-1) - rate x (t(i) - t(i-1)), 0)
+ b. Where w exceeds the buffer the capture ends for the client with "Data overrun": that row and all that follow in
this arming are lost, although PCAP goes on. The recursion is unrolled to u(i) = b x i - rate x t(i), w(i) = u(i) -
min(u(k-1) + b... over k <= i), so a batch is judged at once.

Faults, by row number since PCAP was armed, counted from 1, act in the same way: an overrun, or a lost connection
("Early disconnect"), which may tear the row at which it happens: then some of its columns have been written, the
others not.
"""

from dataclasses import dataclass

import numpy as np

from .panda_rows import CaptureBatch

OVERRUN, DISCONNECT = "Data overrun", "Early disconnect"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortLimits:
    """What the data port takes.

    Attributes:
        rate: Bytes a second that the client takes; the figure documented for PandABlocks.
        buffer: Bytes that the server holds: 128 blocks of 2 MiB.
    """

    rate: float = 60e6
    buffer: float = 128 * 2**21


@dataclass(slots=True)
class PortFaults:
    """What shall go wrong, at row numbers since PCAP was armed; 0 = never.

    Attributes:
        overrun_at: This row finds no place.
        disconnect_at: The connection is lost at this row.
        torn: The row at which it is lost has been written in part.
    """

    overrun_at: int = 0
    disconnect_at: int = 0
    torn: bool = False


class DataPort:
    """Passes batches on, as far as the port can.

    Args:
        limits: What it takes.

    Attributes:
        faults: What shall go wrong.
    """

    def __init__(self, limits: PortLimits | None = None) -> None:
        self.limits, self.faults = limits or PortLimits(), PortFaults()
        self._armed_ns: int | None = None
        self._rows = 0
        self._level, self._level_ns = 0.0, 0
        self._over = False

    def pass_on(self, batch: CaptureBatch) -> CaptureBatch | None:
        """What reaches the file of a batch; None if nothing does because the arming is over for the client."""
        if batch.armed_ns != self._armed_ns:
            self._armed_ns, self._rows, self._level, self._over = batch.armed_ns, 0, 0.0, False
        if self._over:
            return None
        first, self._rows = self._rows, self._rows + batch.size
        overrun = min(self._overflow(batch), self._fault(self.faults.overrun_at, first, batch.size))
        disconnect = self._fault(self.faults.disconnect_at, first, batch.size)
        kept = min(overrun, disconnect)
        if kept >= batch.size:
            self._over = batch.end is not None
            return batch
        self._over = True
        torn = max(1, len(batch.columns) // 2) if self.faults.torn and disconnect <= overrun else 0
        end = DISCONNECT if disconnect <= overrun else OVERRUN
        return batch.rows(0, kept)._replace(
            end=end, torn={name: values[kept : kept + 1] for name, values in list(batch.columns.items())[:torn]}
        )

    @staticmethod
    def _fault(row: int, first: int, size: int) -> int:
        """Rows of a batch before the one with this number."""
        return max(0, row - 1 - first) if row else size

    def _overflow(self, batch: CaptureBatch) -> int:
        """Rows of a batch before the one that finds no place."""
        if batch.times_ns is None or not batch.size:
            return batch.size
        width = sum(values.dtype.itemsize for values in batch.columns.values())
        seconds = (batch.times_ns - batch.times_ns[0]) / 1e9
        waited = (int(batch.times_ns[0]) - self._level_ns) / 1e9
        before = max(self._level - self.limits.rate * waited, 0.0) if self._level else 0.0
        flow = width * np.arange(1, batch.size + 1) - self.limits.rate * seconds
        lowest = np.minimum.accumulate(np.concatenate([[-before], flow[1:] - width]))
        level = flow - lowest
        self._level, self._level_ns = float(level[-1]), int(batch.times_ns[-1])
        over = np.flatnonzero(level > self.limits.buffer)
        return int(over[0]) if len(over) else batch.size
