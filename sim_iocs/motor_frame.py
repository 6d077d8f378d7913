"""The coordinates of a motor record: user, dial and axis; limits and backlash in them.

user = ±dial + OFF, the sign by DIR. The dial is what the encoder reads plus `zero`, which is 0 until the dial is
redefined (SET with FOFF = Frozen). The axis itself is at dial - zero.
"""

from functools import partial

from .axis import Axis
from .pv import Handler
from .pv_group import PVGroup
from .world import World


class MotorFrame:
    """Positions in the record's fields.

    Args:
        pvs: The record's fields.
        axis: Whose position they show.
        world: For the present.

    Attributes:
        zero: Dial position of the axis' own zero, in units.
    """

    def __init__(self, pvs: PVGroup, axis: Axis, *, world: World) -> None:
        self._pvs, self._axis, self._world = pvs, axis, world
        self.zero = 0.0

    def handlers(self) -> dict[str, Handler]:
        """Give what is done when a field is put."""
        limits: dict[str, Handler] = {
            field: partial(self._put_limit, field) for field in (".LLM", ".HLM", ".DLLM", ".DHLM")
        }
        return limits | {".OFF": self._put_offset, ".DIR": self._put_direction}

    def get(self, field: str) -> float:
        """A field's value."""
        return float(self._pvs[field].value)

    @property
    def sign(self) -> float:
        """1, or -1 where DIR is Neg."""
        return -1.0 if self._pvs[".DIR"].label == "Neg" else 1.0

    def dial(self, user: float) -> float:
        """Convert a user position to the dial's."""
        return (user - self.get(".OFF")) * self.sign

    def user(self, dial: float) -> float:
        """Convert a dial position to the user's."""
        return self.sign * dial + self.get(".OFF")

    @property
    def limits(self) -> tuple[float, float]:
        """User limits (low, high); equal when there are none."""
        return self.get(".LLM"), self.get(".HLM")

    @property
    def axis_limits(self) -> tuple[float, float]:
        """Limits in the axis' own coordinates (low, high); equal when there are none."""
        return self.get(".DLLM") - self.zero, self.get(".DHLM") - self.zero

    @property
    def has_backlash(self) -> bool:
        """Whether targets are approached from one side."""
        return abs(self.get(".BDST")) >= self.get(".MRES")

    def needs_far_side(self, dial: float) -> bool:
        """Whether a target has to be approached from its far side: from the wrong one, or from beyond the backlash."""
        backlash, distance = self.get(".BDST"), dial - self.get(".DRBV")
        if not self.has_backlash:
            return False
        same = self.get(".BVEL") == self.get(".VELO") and self.get(".BACC") == self.get(".ACCL")
        preferred = distance * backlash > 0
        return not (preferred and (same or abs(distance) <= abs(backlash)))

    def inside(self, user: float) -> bool:
        """Whether the soft limits allow a user position, and the way to it by the backlash's far side."""
        low, high = self.limits
        dial = self.dial(user)
        far = [self.user(dial - self.get(".BDST"))] if self.needs_far_side(dial) else []
        return low == high or all(low <= way <= high for way in (user, *far))

    def post_readback(self, t_ns: int) -> None:
        """Post where the encoder says the axis is."""
        dial = self._axis.measured(t_ns) + self.zero
        self._pvs[".DRBV"].post(dial)
        self._pvs[".RBV"].post(self.user(dial))
        self._pvs[".RRBV"].post(round(dial / self.get(".MRES")))
        self._pvs[".DIFF"].post(self.get(".DVAL") - dial)

    def post_value(self, user: float) -> None:
        """Post a set point in all its forms."""
        for field in ("", ".VAL"):
            self._pvs[field].post(user)
        dial = self.dial(user)
        self._pvs[".DVAL"].post(dial)
        self._pvs[".RVAL"].post(round(dial / self.get(".MRES")))

    def redefine(self, user: float) -> None:
        """Have the present position called `user`: by OFF, or with FOFF = Frozen by the dial."""
        now_ns = self._world.settle()
        if self._pvs[".FOFF"].label == "Frozen":
            self.zero = self.dial(user) - self._axis.measured(now_ns)
        else:
            self._pvs[".OFF"].post(user - self.sign * (self._axis.measured(now_ns) + self.zero))
            self._share_limits()
        self.post_readback(now_ns)
        self.post_value(user)

    def redefine_dial(self, dial: float) -> None:
        """Have the present dial position called `dial`; the user's stays, unless FOFF = Frozen."""
        now_ns, user = self._world.settle(), self.get(".RBV")
        self.zero = dial - self._axis.measured(now_ns)
        if self._pvs[".FOFF"].label == "Variable":
            self._pvs[".OFF"].post(user - self.sign * dial)
            self._share_limits()
        self._show_here(now_ns)

    async def _put_offset(self, offset: float) -> None:
        self._pvs[".OFF"].post(offset)
        self._show_here(self._world.now_ns())
        self._share_limits()

    async def _put_direction(self, index: int) -> None:
        user = self.get(".RBV")
        self._pvs[".DIR"].post(index)
        if self._pvs[".FOFF"].label == "Variable":
            self._pvs[".OFF"].post(user - self.sign * self.get(".DRBV"))
        self._show_here(self._world.now_ns())
        self._share_limits()

    def _show_here(self, now_ns: int) -> None:
        self.post_readback(now_ns)
        self.post_value(self.get(".RBV"))

    def _share_limits(self) -> None:
        self._post_limits(*sorted(self.user(self.get(field)) for field in (".DLLM", ".DHLM")))

    async def _put_limit(self, field: str, value: float) -> None:
        self._pvs[field].post(value)
        if field in (".DLLM", ".DHLM"):
            self._share_limits()
            return
        # Equal limits are none in every coordinate; turned round, the low one is the dial's high one.
        low, high = (self.dial(self.get(side)) for side in (".LLM", ".HLM")[:: int(self.sign)])
        self._pvs[".DLLM"].post_change(low)
        self._pvs[".DHLM"].post_change(high)
        self._post_limits(*self.limits)

    def _post_limits(self, low: float, high: float) -> None:
        self._pvs[".LLM"].post_change(low)
        self._pvs[".HLM"].post_change(high)
        for field in ("", ".VAL", ".RBV"):
            self._pvs[field].set_limits(low, high)
