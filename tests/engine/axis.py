"""An axis for tests of the engine: it moves until the test says that it has arrived."""

import asyncio

from wingbeat.async_devices.status import Status


class StalledError(Exception):
    """What the axis of these tests fails with."""


class Axis:
    """An axis that moves until told otherwise, and remembers what was done to it, in `log`."""

    parent = None

    def __init__(self, name: str = "x", log: list[str] | None = None) -> None:
        self.name = name
        self.log = [] if log is None else log
        self.moving = asyncio.Event()
        self._end: asyncio.Future[None] | None = None

    def set(self, value: float) -> Status:
        self.log.append(f"{self.name} set {value:g}")
        self._end = asyncio.get_running_loop().create_future()
        self.moving.set()
        return Status(self._end, name=self.name)

    def arrive(self) -> None:
        assert self._end is not None
        self._end.set_result(None)

    def stall(self) -> None:
        assert self._end is not None
        self._end.set_exception(StalledError("following error"))

    async def stop(self, success: bool = True) -> None:
        await asyncio.sleep(0)
        self.log.append(f"{self.name} stop {success}")
        if self._end is not None and not self._end.done():
            self._end.set_result(None)

    async def stage(self) -> None:
        self.log.append(f"{self.name} stage")

    async def unstage(self) -> None:
        await asyncio.sleep(0)
        self.log.append(f"{self.name} unstage")
