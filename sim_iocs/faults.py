"""PVs by which things are made to go wrong: <prefix>FAULTS:."""

from typing import Any

import numpy as np

from .pv import Kind
from .pv_group import PVGroup
from .world import Faults

MOST = 10_000


class FaultPanel:
    """Shows and changes the world's faults.

    Args:
        prefix: PV prefix, as SIM:FAULTS:.
        faults: What is changed.
    """

    def __init__(self, prefix: str, faults: Faults) -> None:
        self.pvs, self._faults = PVGroup(prefix), faults
        self.pvs.add("LoseTriggers", Kind.INTS, sorted(faults.lose_triggers), handler=self._put_lose, length=MOST)
        self.pvs.add("DropFrames", Kind.INTS, sorted(faults.drop_frames), handler=self._put_drop, length=MOST)
        self.pvs.add("StallCameraAt", Kind.INT, faults.stall_camera_at, handler=self._put_stall)
        self.pvs.enum("Clear", ("Done", "Clear"), handler=self._put_clear)

    async def _put_lose(self, triggers: Any) -> None:
        self._faults.lose_triggers = frozenset(triggers.tolist())
        self._show()

    async def _put_drop(self, triggers: Any) -> None:
        self._faults.drop_frames = frozenset(triggers.tolist())
        self._show()

    async def _put_stall(self, trigger: int) -> None:
        self._faults.stall_camera_at = max(trigger, 0)
        self._show()

    async def _put_clear(self, value: int) -> None:
        if value:
            self._faults.clear()
        self._show()
        self.pvs["Clear"].post(0)

    def _show(self) -> None:
        self.pvs["LoseTriggers"].post(np.array(sorted(self._faults.lose_triggers), dtype=np.int32))
        self.pvs["DropFrames"].post(np.array(sorted(self._faults.drop_frames), dtype=np.int32))
        self.pvs["StallCameraAt"].post(self._faults.stall_camera_at)
