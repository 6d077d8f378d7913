"""One coordinate system of a trajectory controller: which letter moves which motor, and demands on single axes.

Theory of operation. A demand starts at once, or together with others when DeferMoves goes back to No; then they take
equally long, as coordinated moves do. The put on a demand is complete when its motor rests.
"""

import asyncio
from collections.abc import Mapping
from functools import partial

from .motor import Motor
from .pv import Kind
from .pv_group import PVGroup
from .track import Track, trapezoid
from .world import Plan, World

LETTERS = "ABCUVWXYZ"


class CoordinateSystem:
    """A coordinate system.

    Args:
        port: Its name, as CS1.
        pvs: Where its PVs are added, under its name.
        world: Clock.
        motors: Motor records by axis letter.
    """

    def __init__(self, port: str, pvs: PVGroup, *, world: World, motors: Mapping[str, Motor]) -> None:
        self.port, self.motors = port, dict(motors)
        self._pvs, self._world = pvs, world
        self._deferred: dict[str, float] = {}
        self._released = asyncio.Event()
        self._released.set()
        pvs.add(f"{port}:Port", Kind.STRING, port, read_only=True)
        pvs.enum(f"{port}:DeferMoves", ("No", "Yes"), handler=self._defer)
        for number, letter in enumerate(LETTERS, start=1):
            name = f"{port}:M{number}:DirectDemand"
            pvs.add(name, Kind.FLOAT, 0.0, handler=partial(self._demand, name, letter), precision=4)
        for letter, motor in self.motors.items():
            motor.pvs.add(":CsAxis_RBV", Kind.STRING, letter, read_only=True)
            motor.pvs.add(":CsPort_RBV", Kind.STRING, port, read_only=True)
            motor.pvs.add(":CsRaw_RBV", Kind.INT, int("".join(c for c in port if c.isdigit()) or 1), read_only=True)

    async def _demand(self, name: str, letter: str, position: float) -> None:
        self._pvs[name].post(position)
        motor = self.motors.get(letter)
        if motor is None:
            return
        if not self._pvs[f"{self.port}:DeferMoves"].value:
            self._move_together({letter: position})
            await motor.at_rest()
            return
        self._deferred[letter] = position
        await self._released.wait()
        await motor.at_rest()

    async def _defer(self, value: int) -> None:
        self._pvs[f"{self.port}:DeferMoves"].post(value)
        if value:
            self._released.clear()
            return
        targets, self._deferred = self._deferred, {}
        self._move_together(targets)
        self._released.set()

    def _move_together(self, targets: Mapping[str, float]) -> None:
        now_ns = self._world.settle()
        moves = {
            self.motors[letter]: target
            for letter, target in targets.items()
            if self.motors[letter].claimed_by is None and self.motors[letter].reachable(target)
        }
        alone = {motor: _coordinated(motor, target, scale=1.0) for motor, target in moves.items()}
        durations = {
            motor: plan(now_ns, motor.axis.demand(now_ns), motor.axis.demand_velocity(now_ns)).stop_ns - now_ns
            for motor, plan in alone.items()
        }
        longest = max(durations.values(), default=0)
        plans = {
            motor: _coordinated(motor, target, scale=durations[motor] / longest if longest else 1.0)
            for motor, target in moves.items()
        }
        self._world.command(*((motor.axis, plan) for motor, plan in plans.items()))
        for motor in plans:
            motor.follow()


def _coordinated(motor: Motor, target: float, *, scale: float) -> Plan:
    """Plan a move that takes 1/scale times as long as the motor needs alone; from rest, exactly."""
    # Speed × k and acceleration × k² stretch a move in time by 1/k.
    k = scale or 1.0

    def plan(t_ns: int, position: float, velocity: float) -> Track:
        speed, acceleration = motor.velocity * k, motor.acceleration * k * k
        return trapezoid(t_ns, position, velocity=velocity, target=target, speed=speed, acceleration=acceleration)

    return plan
