"""Plans that are not taken back."""

from typing import Any

from ..dispatch import dispatch
from ..messages import Msg
from .decorator import decorator_of
from .wrapped import Inner, Wrapped


def rewindable_wrapper(plan: Any, rewindable: bool) -> Wrapped:  # noqa: FBT001  # bluesky's signature
    """With False, do not take generators in the plan back to a checkpoint: after a pause they go on where they were."""

    async def around(inner: Inner) -> Any:
        before: bool = await dispatch(Msg("rewindable", None, (None,)))
        if rewindable or not before:
            return await inner()
        await dispatch(Msg("rewindable", None, (False,)))
        try:
            return await inner()
        finally:
            await dispatch(Msg("rewindable", None, (True,)))

    return Wrapped(plan, around)


rewindable_decorator = decorator_of(rewindable_wrapper)
