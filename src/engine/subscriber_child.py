"""The process of a subscriber; `subscriber_process` says what is spoken with it."""

import importlib
import os
import pickle
import signal
import sys
from typing import IO, Any, cast

import orjson

from .delivery import deliveries
from .subscriber_pipe import receive, send
from .subscriber_terms import Subscriber


def find(hello: dict[str, Any]) -> Subscriber:
    """Give the callable that the parent named, an instance if it named a class."""
    sys.path[:] = [*sys.path, *(entry for entry in hello["path"] if entry not in sys.path)]
    if "pickle" in hello:
        return cast(Subscriber, pickle.loads(bytes.fromhex(hello["pickle"])))  # the parent's own
    module, _, name = str(hello["import"]).partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return cast(Subscriber, found() if isinstance(found, type) else found)


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer the parent until it says no more."""
    greeting = receive(requests)
    if greeting is None:
        return
    hello = orjson.loads(greeting[1])
    try:
        function = find(hello)
    except Exception as error:  # noqa: BLE001  # boundary: whatever its import raises is the subscriber's
        _answer(answers, gone=f"{type(error).__name__}: {error}")
        return
    _answer(answers, delivered=0)
    while (request := receive(requests)) is not None:
        _answer(answers, **_delivered(function, *request, pages=hello["pages"]))


def _delivered(function: Subscriber, name: str, payload: bytes, *, pages: bool) -> dict[str, Any]:
    delivered, errors = 0, list[str]()
    for kind, doc in deliveries(name, payload, pages=pages):
        delivered += 1
        try:
            function(kind, doc)
        except Exception as error:  # noqa: BLE001  # boundary: somebody else's code; the parent reports it
            errors.append(f"{type(error).__name__}: {error}")
    return {"delivered": delivered, "errors": errors}


def _answer(answers: IO[bytes], **what: Any) -> None:
    send(answers, b"answer", orjson.dumps(what))


def main() -> None:
    """Speak with the parent over standard input and output; whatever else is printed goes to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the engine; the parent ends this process
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        serve(requests, answers)
    except BrokenPipeError:  # the parent is gone
        os._exit(1)


if __name__ == "__main__":
    main()
