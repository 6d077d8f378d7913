"""Sections: what a generator plan has done since its last checkpoint, and may have to do again.

Theory of operation. bluesky's plans are generators of messages and cannot be entered again, so theirs is the other way:
the messages since the last checkpoint are kept and, after a pause or a suspension, performed once more before the plan
goes on. A Section is a step (`step`) of this kind. What is left out of bluesky's rewind is what it does wrong:

- the message that was interrupted is performed again last, and the plan gets its answer, not None;
- an event is a checkpoint: one that was emitted is not emitted twice;
- opening and closing a run is a checkpoint: no point of one run is repeated in the next;
- flights are: prepare, kickoff, complete and collect are never performed again;
- a move that began before the checkpoint and is waited for after it is resumed (`freezer`), not forgotten;
- `clear_checkpoint` holds until the next checkpoint, not for ever.

A plan that has sent more than MOST_KEPT messages without a checkpoint is not taken back: it goes on where it was.
"""

from collections.abc import Callable, Generator, Iterable
from typing import Any, cast

from .branch import Branch, here
from .errors import Rewind
from .messages import MsgLike
from .step import STEP, Step
from .transaction import Entry, emit

MOST_KEPT = 10_000

CHECKPOINTS = frozenset(
    {
        "checkpoint",
        "open_run",
        "close_run",
        "save",
        "stage",
        "unstage",
        "subscribe",
        "unsubscribe",
        "monitor",
        "unmonitor",
        "prepare",
        "kickoff",
        "complete",
        "collect",
        "declare_stream",
        "install_suspender",
        "remove_suspender",
    }
)
"""After these, what was before is not performed again."""


class Section(Step[None]):
    """The messages since a checkpoint.

    Attributes:
        messages: That have been performed; None if they are not kept.
    """

    retaken_after_pause = True

    def __init__(self, branch: Branch) -> None:
        super().__init__(None, name=None, attempt=1)
        self.messages: list[MsgLike] | None = []
        self.outer = STEP.get()
        self._branch = branch
        self._token = STEP.set(self)
        branch.execution.steps.append(self)

    @property
    def can_be_retaken(self) -> bool:
        """Whether its messages are kept, and the plan allows it."""
        return self.messages is not None and cast(Branch, self._branch).execution.rewindable

    def close(self) -> None:
        """End it: what was done in it is not done again."""
        if self._token is not None:
            STEP.reset(self._token)
            self._token = None
            cast(Branch, self._branch).execution.leave(self)

    def keep(self, msg: MsgLike) -> None:
        """Take note of a message that was performed."""
        if self.messages is not None:
            self.messages.append(msg)
            if len(self.messages) > MOST_KEPT:
                self.messages = None

    def stage(self, entry: Entry) -> None:
        """Emit an event at once, unless a step around this one may be taken again."""
        if self.outer is None:
            emit([entry])
        else:
            self.outer.stage(entry)


class Driver:
    """Performs the messages of one generator plan, and takes it back when it has to be.

    Args:
        branch: Of the plan in which it runs.
    """

    def __init__(self, branch: Branch) -> None:
        self._branch = branch
        self._execution = branch.execution
        self._section = Section(branch)

    def close(self) -> None:
        """End the last section."""
        self._section.close()

    def _renew(self) -> None:
        if not self._branch.bundles:
            self._section.close()
            self._section = Section(self._branch)

    async def perform(self, msg: MsgLike) -> Any:
        """Perform a message, as often as it has to be, and give its last answer."""
        command = msg.command
        if command == "inline":
            return await self._inline(msg)
        if command == "checkpoint":
            self._renew()
        while True:
            try:
                answer = await self._execution.perform(self._branch, msg)
                break
            except Rewind as rewind:
                await self._take_back(rewind)
                if command == "pause":
                    return None
        if command in CHECKPOINTS:
            self._renew()
        elif command == "clear_checkpoint":
            self._section.messages = None
        else:
            self._section.keep(msg)
        return answer

    async def _inline(self, msg: MsgLike) -> Any:
        """Perform another plan, which is taken back by itself if it can be, and never by this one."""
        self._section.close()
        try:
            return await self._execution.perform(self._branch, msg)
        finally:
            self._section = Section(self._branch)

    async def _take_back(self, rewind: Rewind) -> None:
        """Perform the section's messages again.

        Raises:
            Rewind: It is for a step around this plan.
        """
        messages = self._section.messages
        while True:
            if rewind.step is not self._section or messages is None:
                raise rewind
            self._forget()
            try:
                for msg in messages:
                    await self._execution.perform(self._branch, msg)
                    self._section.keep(msg)
            except Rewind as another:
                rewind = another
            else:
                return

    def _forget(self) -> None:
        """Drop the open event and the operations of this attempt, and begin the next."""
        old = self._section
        for key, bundle in list(self._branch.bundles.items()):
            del self._branch.bundles[key]
            run = self._execution.runs.get(key)
            if bundle.assets and run is not None:
                run.drop(bundle)
        for members in self._branch.groups.values():
            members[:] = [member for member in members if member.step is not old]
        self._execution.strays |= old.triggered
        old.close()
        self._section = Section(self._branch)


async def drive(messages: Iterable[MsgLike]) -> Any:
    """Perform the messages of a generator one by one, answer it with each result, and give its return value.

    What an operation raises is thrown into the generator, which may handle it. An iterable that is no generator is
    gone through.
    """
    driver = Driver(here())
    try:
        return await _answered(messages, driver)
    finally:
        driver.close()


async def _answered(messages: Iterable[MsgLike], driver: Driver) -> Any:
    if not hasattr(messages, "send"):
        for msg in messages:
            await driver.perform(msg)
        return None
    generator = cast(Generator[MsgLike, Any, Any], messages)
    send: Callable[[Any], MsgLike] = generator.send
    answer: Any = None
    try:
        while True:
            msg = send(answer)
            try:
                answer, send = await driver.perform(msg), generator.send
            except BaseException as error:  # noqa: BLE001  # boundary: the generator is the one to handle or raise it
                answer, send = error, generator.throw
    except StopIteration as end:
        return end.value
    finally:
        generator.close()
