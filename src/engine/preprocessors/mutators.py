"""bluesky's two ways to change the messages of a plan, as middleware.

Both take what bluesky's take: a function of one message, and for `plan_mutator` a pair of generators. No message is
kept after it was performed.
"""

from collections.abc import Callable, Generator
from typing import Any

from ..dispatch import Call
from ..messages import MsgLike
from ..stubs import inline
from .wrapped import Inner, Wrapped, within

Generated = Generator[MsgLike, Any, Any]
Pair = tuple[Generated | None, Generated | None]


def msg_mutator(plan: Any, msg_proc: Callable[[MsgLike], MsgLike | None]) -> Wrapped:
    """Perform `msg_proc(msg)` in place of each message of the plan; None leaves it out, and the plan gets None."""

    async def layer(msg: MsgLike, call: Call) -> Any:
        changed = msg_proc(msg)
        return None if changed is None else await call(changed)

    return within(plan, layer)


def plan_mutator(plan: Any, msg_proc: Callable[[MsgLike], Pair]) -> Wrapped:
    """Perform `head, tail = msg_proc(msg)` in place of each message of the plan.

    The plan gets the answer to the last message of `head`; None in its place is the message itself. What a head or a
    tail inserts is given to `msg_proc`, too, but the message that it is there for is not given again.
    """
    return within(plan, _PlanMutator(msg_proc))


class _PlanMutator:
    def __init__(self, msg_proc: Callable[[MsgLike], Pair]) -> None:
        self._msg_proc = msg_proc

    async def __call__(self, msg: MsgLike, call: Call) -> Any:
        return await self._mutated(msg, call, ())

    async def _mutated(self, msg: MsgLike, call: Call, known: tuple[MsgLike, ...]) -> Any:
        if any(msg is one for one in known):
            return await call(msg)
        head, tail = self._msg_proc(msg)
        known = (*known, msg)
        answer = await (call(msg) if head is None else self._played(head, call, known))
        if tail is not None:
            await self._played(tail, call, known)
        return answer

    async def _played(self, messages: Generated, call: Call, known: tuple[MsgLike, ...]) -> Any:
        """Perform the messages of a generator, and give the answer to the last."""
        send: Callable[[Any], MsgLike] = messages.send
        answer: Any = None
        try:
            while True:
                msg = send(answer)
                try:
                    answer, send = await self._mutated(msg, call, known), messages.send
                except Exception as error:  # noqa: BLE001  # boundary: the generator is the one to handle or raise it
                    answer, send = error, messages.throw
        except StopIteration:
            return answer
        finally:
            messages.close()


def pchain(*args: Any) -> Wrapped:
    """Perform plans one after the other; gives the tuple of their values."""

    async def around(_: Inner) -> tuple[Any, ...]:
        return tuple([await inline(one) for one in args])

    return Wrapped(args[0] if args else [], around)
