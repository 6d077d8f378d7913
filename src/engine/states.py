"""What an engine is doing, as a table.

Theory of operation. The table below is the whole state machine: an event that a state does not name is refused there.
`pausing` and `suspending` are the time in which what is in flight is brought to rest; in `paused` and `suspended`
nothing of the engine's moves. A pause is a person's and is ended by `resume`; a suspension is a suspender's and ends
itself. While both hold the state is that of the pause. The ways out (`stopping`, `aborting`, `halting`) lead to `idle`
alone, and only a graver request overtakes a milder one. The diagram in the documentation is made from the table
(`diagram`), and the tests walk it.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from .errors import TransitionError


class State(StrEnum):
    """What an engine is doing."""

    IDLE = "idle"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    SUSPENDING = "suspending"
    SUSPENDED = "suspended"
    STOPPING = "stopping"
    ABORTING = "aborting"
    HALTING = "halting"


class Event(StrEnum):
    """What moves an engine from one state to another."""

    START = "start"
    PAUSE = "pause"
    SUSPEND = "suspend"
    AT_REST = "at rest"
    REFUSED = "refused"
    RESUME = "resume"
    RELEASE = "release"
    STOP = "stop"
    ABORT = "abort"
    HALT = "halt"
    END = "end"


_ENDINGS = {Event.STOP: State.STOPPING, Event.ABORT: State.ABORTING, Event.HALT: State.HALTING, Event.END: State.IDLE}

TRANSITIONS: Mapping[State, Mapping[Event, State]] = MappingProxyType(
    {
        State.IDLE: {Event.START: State.RUNNING},
        State.RUNNING: {Event.PAUSE: State.PAUSING, Event.SUSPEND: State.SUSPENDING, **_ENDINGS},
        State.PAUSING: {
            Event.AT_REST: State.PAUSED,
            Event.REFUSED: State.RUNNING,
            Event.RESUME: State.RUNNING,
            Event.SUSPEND: State.PAUSING,
            **_ENDINGS,
        },
        State.PAUSED: {Event.RESUME: State.RUNNING, Event.SUSPEND: State.PAUSED, **_ENDINGS},
        State.SUSPENDING: {
            Event.AT_REST: State.SUSPENDED,
            Event.REFUSED: State.RUNNING,
            Event.RELEASE: State.RUNNING,
            Event.PAUSE: State.PAUSING,
            **_ENDINGS,
        },
        State.SUSPENDED: {Event.RELEASE: State.RUNNING, Event.PAUSE: State.PAUSED, **_ENDINGS},
        State.STOPPING: {Event.ABORT: State.ABORTING, Event.HALT: State.HALTING, Event.END: State.IDLE},
        State.ABORTING: {Event.HALT: State.HALTING, Event.END: State.IDLE},
        State.HALTING: {Event.END: State.IDLE},
    }
)


def after(state: State, event: Event) -> State:
    """Give the state that follows.

    Raises:
        TransitionError: The state does not know the event.

    Example:
        >>> after(State.RUNNING, Event.PAUSE)
        <State.PAUSING: 'pausing'>
    """
    following = TRANSITIONS[state].get(event)
    if following is None:
        known = ", ".join(TRANSITIONS[state])
        msg = f"{event} makes no sense while the engine is {state}; it knows {known} there"
        raise TransitionError(msg)
    return following


def diagram() -> str:
    """Draw the table in Mermaid's notation, one line per transition.

    Example:
        >>> diagram().splitlines()[1]
        '    idle --> running: start'
    """
    lines = [
        f"    {state} --> {following}: {event}"
        for state, row in TRANSITIONS.items()
        for event, following in row.items()
    ]
    return "\n".join(["stateDiagram-v2", *lines])
