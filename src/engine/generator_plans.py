"""Generators of messages, as bluesky's plans are, accepted wherever a Plan is."""

from collections.abc import Iterable
from typing import Any, cast

from .errors import PlanTypeError
from .messages import MsgLike
from .plan import Plan


def as_messages(candidate: Any) -> Iterable[MsgLike]:
    """Give the messages of a generator plan, of a list of messages, or of one message.

    Raises:
        PlanTypeError: It is none of these.
    """
    if hasattr(candidate, "command"):
        return [candidate]
    if isinstance(candidate, Iterable) and not isinstance(candidate, (str, bytes)):
        messages = cast(Iterable[MsgLike], candidate)
        return messages if hasattr(messages, "send") or isinstance(messages, (list, tuple)) else iter(messages)
    msg = (
        f"{candidate!r} is not a plan; expected what a @plan function gives, or a generator of messages."
        " Did you forget to call it, or to decorate it with @plan?"
    )
    raise PlanTypeError(msg)


def plan_type_of(candidate: Any) -> str:
    """Name the kind of a plan for the start document: bluesky's `plan_type`."""
    return candidate.plan_type if isinstance(candidate, Plan) else type(candidate).__name__


def plan_name_of(candidate: Any) -> str:
    """Name a plan for the start document."""
    return candidate.name if isinstance(candidate, Plan) else str(getattr(candidate, "__name__", ""))
