"""The speeds and ramps of a motor record, held between VBAS and VMAX."""

from functools import partial

from .pv import Handler
from .pv_group import PVGroup

SLOWEST = 1e-6
SHORTEST_RAMP = 1e-3
SPEEDS = (".VELO", ".BVEL", ".JVEL", ".HVEL")


class MotorSpeeds:
    """What the fields say of speed.

    Args:
        pvs: The record's fields.
    """

    def __init__(self, pvs: PVGroup) -> None:
        self._pvs = pvs

    def handlers(self) -> dict[str, Handler]:
        """Give what is done when a field is put."""
        clamped: dict[str, Handler] = {field: partial(self._put_speed, field) for field in SPEEDS}
        return clamped | {".VBAS": self._put_base, ".VMAX": self._put_most}

    def speed(self, field: str) -> float:
        """A speed in units per second, > 0."""
        return float(self._pvs[field].value)

    def ramp(self, field: str, seconds: str) -> float:
        """Units per second²: the speed reached in as many seconds as another field says."""
        return self.speed(field) / max(float(self._pvs[seconds].value), SHORTEST_RAMP)

    @property
    def most(self) -> float:
        """VMAX in units per second; infinite when the field is 0."""
        return float(self._pvs[".VMAX"].value) or float("inf")

    async def _put_speed(self, field: str, velocity: float) -> None:
        least = max(float(self._pvs[".VBAS"].value), SLOWEST)
        self._pvs[field].post(min(max(abs(velocity), least), self.most))

    async def _put_base(self, velocity: float) -> None:
        self._pvs[".VBAS"].post(min(max(velocity, 0.0), self.most))
        await self._clamp()

    async def _put_most(self, velocity: float) -> None:
        self._pvs[".VMAX"].post(max(velocity, 0.0))
        await self._clamp()

    async def _clamp(self) -> None:
        for field in SPEEDS:
            await self._put_speed(field, self.speed(field))
