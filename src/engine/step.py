"""Steps: stretches of a plan that can be taken again.

Theory of operation. A coroutine cannot be rewound; it can be unwound and entered again. So whoever wants a point to be
retaken when the beam was lost in it writes it as a body that may run more than once::

    async for step in run.steps(points):
        async with step as point:
            await mv(x, point)
            await trigger_and_read([det])

A suspension that comes while the body runs *trips* the innermost step that is entered. When all is clear again,
`Rewind` is raised at every pending operation of that step, in its child tasks too; the body unwinds, `__aexit__` takes
the Rewind, and the iterator yields the same point once more::

    entered ──body ends, not tripped──► committed                 its events are emitted, in order
       │
       └─suspension─► tripped ──clear──► Rewind ──► discarded ──► entered again, attempt + 1

What a step has saved is staged and becomes events at its end, so each event is there exactly once and seq_nums have no
hole. An inner step's events go to the step around it, since that may be taken again as a whole. Whatever else ends a
body, an error or an abort, wins over a Rewind, and what was saved is committed: data is dropped only to be taken again.

Who is told. Rewind is raised once per branch and attempt; a branch that was told unwinds, and the operations of its
`finally` pass.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast, runtime_checkable

from .branch import Branch, here
from .dispatch import dispatch
from .errors import IllegalMessageError, Rewind
from .messages import Msg
from .scope import LAYERS

if TYPE_CHECKING:
    from .transaction import Entry

T = TypeVar("T")

STEP: ContextVar["Step[Any] | None"] = ContextVar("wingbeat_step", default=None)


@runtime_checkable
class Redoing(Protocol):
    """Middleware that may have a failed step taken again."""

    def redoes(self, step: "Step[Any]", error: BaseException) -> bool:
        """Whether the step that `error` has ended is to be taken again."""
        ...


class Step(Generic[T]):
    """One attempt at a point of `steps`; enter it with `async with step as point`.

    Attributes:
        point: What is to be done.
        name: Of the checkpoint at its beginning.
        attempt: 1 the first time.
        expected: Seconds that it is expected to take; None if nobody knows.
        began: When it was entered, on the loop's clock.
        tripped: Whether it is to be taken again.
        outer: The step around it, if any.
        entries: What it has saved.
        triggered: Names of devices that were triggered in it: an attempt may leave rows behind that nobody has read.
    """

    retaken_after_pause = False
    """Whether a pause has it taken again, too."""

    def __init__(self, point: T, *, name: str | None, attempt: int, expected: float | None = None) -> None:
        self.point = point
        self.expected = expected
        self.name = name
        self.attempt = attempt
        self.tripped = False
        self.again = False
        self.entered = False
        self.began = 0.0
        self.outer: Step[Any] | None = None
        self.entries: list[Entry] = []
        self.triggered: set[str] = set()
        self._told: set[Branch] = set()
        self._branch: Branch | None = None
        self._token: Token[Step[Any] | None] | None = None

    @property
    def can_be_retaken(self) -> bool:
        """Whether a suspension has it taken again."""
        return True

    def tell(self, branch: Branch) -> None:
        """Note that Rewind has been raised in this branch."""
        self._told.add(branch.root)

    def has_told(self, branch: Branch) -> bool:
        """Whether Rewind has been raised in this branch already."""
        return branch.root in self._told

    async def __aenter__(self) -> T:
        if self.entered:
            msg = "a step is entered once; take the next one from `async for step in run.steps(...)`"
            raise IllegalMessageError(msg)
        self._branch = here()
        await dispatch(Msg("checkpoint", None, (), {"name": self.name}))
        if self.expected is not None:
            await self._branch.execution.engine.suspenders.clearance(self._branch, self.expected)
        self.entered = True
        self.began = asyncio.get_running_loop().time()
        self.outer = STEP.get()
        self._token = STEP.set(self)
        self._branch.execution.steps.append(self)
        return self.point

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        branch = cast(Branch, self._branch)
        execution = branch.execution
        rest = _besides_rewind(error, self)
        if rest is not None and self._is_redone(rest):
            self._forget(branch)
            rest, self.again = None, True
        STEP.reset(cast("Token[Step[Any] | None]", self._token))
        if rest is None and self.tripped:
            await execution.freezer.gate.passage(branch)
            self.again = True
        execution.leave(self)
        if rest is not None and rest is not error:
            raise rest
        return rest is None

    def _is_redone(self, error: BaseException) -> bool:
        """Whether a policy (`redo_point`) has the step taken again after an error."""
        execution = cast(Branch, self._branch).execution
        if execution.ending or self.tripped:
            return False
        layers = (*LAYERS.get(), *execution.engine.middleware)
        judges = [layer.redoes for layer in layers if isinstance(layer, Redoing)]
        return any(judge(self, error) for judge in judges)

    def _forget(self, branch: Branch) -> None:
        """Drop the open events of a failed attempt, and wait no more for what it has begun."""
        for key, bundle in list(branch.bundles.items()):
            del branch.bundles[key]
            run = branch.execution.runs.get(key)
            if bundle.assets and run is not None:
                run.drop(bundle)
        for members in branch.groups.values():
            members[:] = [member for member in members if member.step is not self]

    def stage(self, entry: "Entry") -> None:
        """Keep an event until the step's end."""
        self.entries.append(entry)


async def steps(
    points: Iterable[T] | AsyncIterable[T], *, name: str | None = None, duration: float | None = None
) -> AsyncGenerator[Step[T], None]:
    """Iterate over points, each as a step that is yielded again until it was taken undisturbed.

    Args:
        points: Any iterable, also an async one that decides from what was measured.
        name: Of the checkpoint at the beginning of each.
        duration: Seconds that each takes, for deadlines; as long as the longest before it unless given.

    Raises:
        IllegalMessageError: A step was not entered with `async with`.
    """
    expected = duration
    async for point in _each(points):
        attempt = 1
        while True:
            step = Step(point, name=name, attempt=attempt, expected=expected)
            yield step
            if not step.entered:
                msg = "a step was not entered: write `async with step as point:` in the loop over `run.steps(...)`"
                raise IllegalMessageError(msg)
            if not step.again:
                break
            attempt += 1
        if duration is None:
            expected = max(expected or 0.0, asyncio.get_running_loop().time() - step.began)


async def _each(points: Iterable[T] | AsyncIterable[T]) -> AsyncGenerator[T, None]:
    if isinstance(points, AsyncIterable):
        async for point in points:
            yield point
    else:
        for point in points:
            yield point


def _besides_rewind(error: BaseException | None, step: Step[Any]) -> BaseException | None:
    """Give what there is in `error` besides Rewinds of this step; None if there is nothing."""
    if isinstance(error, BaseExceptionGroup):
        group = cast(BaseExceptionGroup[BaseException], error)
        return group.split(lambda one: isinstance(one, Rewind) and one.step is step)[1]
    return None if isinstance(error, Rewind) and error.step is step else error
