"""What an engine has to do."""

from dataclasses import dataclass

from ..task_owner import TaskStatistics
from .journal import JournalStatistics
from .subscriber_terms import SubscriberStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStatistics:
    """What an engine has to do.

    Attributes:
        tasks: Of the engine itself.
        journal: Where the journal is.
        subscribers: How each keeps up.
        running: The name of the plan that runs, or None.
    """

    tasks: TaskStatistics
    journal: JournalStatistics
    subscribers: tuple[SubscriberStatistics, ...]
    running: str | None
