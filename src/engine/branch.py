"""Where in a plan we are: a branch is the plan itself or one of its child tasks.

Event bundles and wait groups belong to a branch, so that two children of a TaskGroup that take points at the same
time do not fall into each other's bundle. The ContextVar `CURRENT` says which branch runs; a child task inherits its
parent's value and gets a branch of its own at its first operation (`here`).
"""

import asyncio
from collections.abc import Hashable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from .errors import NotInPlanError

if TYPE_CHECKING:
    from .bundle import Bundle
    from .dispatch import PlanStatus
    from .execution import Execution
    from .operation import Operation


GROUP_SIZE = 64
"""From this size on, a wait group is rid of what is done when something joins."""


class Branch:
    """One strand of a plan, with the bundles and wait groups that are open in it.

    Attributes:
        execution: The plan that is being run.
        task: The task that runs this strand.
        exempt: Whether its operations pass while the plan is paused: it runs a suspender's plan.
        told: Whether a stop or abort has been raised in it; from then on its operations are clean-up and pass.
        bundles: Open event bundles by run key.
        groups: Operations to be waited for, by group.
    """

    __slots__ = ("_lender", "_status", "bundles", "execution", "exempt", "groups", "task", "told")

    def __init__(self, execution: "Execution", task: asyncio.Task[Any] | None, *, told: bool = False) -> None:
        self.execution = execution
        self.task = task
        self.told = told
        self.exempt = False
        self._lender: Branch | None = None
        self._status: PlanStatus | None = None
        self.bundles: dict[Hashable | None, Bundle] = {}
        self.groups: dict[Hashable | None, list[Operation]] = {}

    def child(self, task: asyncio.Task[Any] | None) -> "Branch":
        """Give a branch for `task`, which this one has started."""
        child = Branch(self.execution, task, told=self.told)
        child.exempt = self.exempt
        return child

    def lend(self, task: asyncio.Task[Any] | None, status: "PlanStatus") -> "Branch":
        """Give a branch that acts for this one in the `task` of `status`: same bundles, same groups."""
        lent = Branch(self.execution, task, told=self.told)
        lent.bundles, lent.groups = self.bundles, self.groups
        lent._lender, lent._status, lent.exempt = self, status, self.exempt
        return lent

    @property
    def root(self) -> "Branch":
        """The branch of the plan that this one acts for: itself, unless it was lent."""
        return self if self._lender is None else self._lender.root

    @property
    def is_awaited(self) -> bool:
        """Whether what is raised here reaches the plan: not if this acts for a Status that nobody awaits."""
        return self._status is None or self._status.claimed

    def join(self, group: Hashable | None, operation: "Operation") -> None:
        """Put an operation into a wait group."""
        members = self.groups.setdefault(group, [])
        if len(members) >= GROUP_SIZE:
            # Operations awaited one by one never see the `wait` that would empty their group.
            members[:] = [member for member in members if not (member.done and (member.claimed or member.success))]
        members.append(operation)

    def tell(self) -> None:
        """Note that the interruption has been raised here."""
        self.told = True
        if self._lender is not None:
            self._lender.tell()


CURRENT: ContextVar[Branch | None] = ContextVar("wingbeat_branch", default=None)


def here() -> Branch:
    """Find the branch of the running task.

    Raises:
        NotInPlanError: No plan runs here, or the plan that started this task has ended.
    """
    branch = CURRENT.get()
    if branch is None:
        msg = "this operation belongs into a plan: await it in an `async def` decorated with @plan, and await that plan"
        raise NotInPlanError(msg)
    task = asyncio.current_task()
    if branch.task is not task:
        branch = branch.child(task)
        CURRENT.set(branch)
    return branch
