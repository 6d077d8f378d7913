"""A subscriber in a process of its own, for what computes: it takes no time from the plan's interpreter.

Theory of operation. The child (`subscriber_child`) is told on its standard input which callable it is to use, and then
gets records as they are in the journal: taking them apart and decoding costs the child's time. It answers each with
what it has done, and the next is sent only then, so that nothing piles up in the pipe and a lag is seen::

    parent ──► hello {callable, pages} ──► child        child ──► {"delivered": 0}, or {"gone": why}
    parent ──► record (name, payload)  ──► child        child ──► {"delivered": 1, "errors": ["ValueError: ..."]}

The child's own output goes to standard error. It ends at the end of its input, so also when the parent is killed. A
child that dies is noticed at the end of its answers; the subscriber is `died` then and is sent nothing more.
"""

import inspect
import pickle
import subprocess
import sys
from typing import IO, Any, cast

import orjson

from ..stream_resource.journal import JournalRecord
from .errors import SubscriberGoneError, SubscriberRaisedError, SubscriptionError
from .subscriber_call import Failed
from .subscriber_pipe import receive, send
from .subscriber_terms import Subscriber, Terms

END_TIME = 5.0
"""Seconds that a child has to end when there is no more for it."""


class ProcessCall:
    """Calls a subscriber in a child process.

    Args:
        function: A callable that pickle can name (of a module, not of a notebook or a script), or "module:name".
        terms: What it was promised.

    Attributes:
        pid: Of the child; None until it is ready.

    Raises:
        SubscriptionError: It cannot be handed to another process.
    """

    def __init__(self, function: Subscriber | str, terms: Terms) -> None:
        self._name = function if isinstance(function, str) else repr(function)
        self._hello = _hello(function, terms)
        self._child: subprocess.Popen[bytes] | None = None
        self.pid: int | None = None

    def open(self) -> None:
        """Start the child, and wait until it has found the callable.

        Raises:
            SubscriberGoneError: It cannot be started, or does not find it.
        """
        command = [sys.executable, "-m", f"{__package__}.subscriber_child"]
        try:
            self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        except OSError as error:
            msg = f"no process can be started for {self._name}: {error}"
            raise SubscriberGoneError(msg) from error
        self._ask(b"hello", self._hello)
        self.pid = self._child.pid

    def deliver(self, record: JournalRecord, failed: Failed) -> int:
        """Send it a record, and wait for what it has done with it."""
        answer = self._ask(record.name.encode(), record.payload)
        for text in answer.get("errors", ()):
            failed(SubscriberRaisedError(text))
        return int(answer["delivered"])

    def _ask(self, name: bytes, payload: bytes) -> dict[str, Any]:
        child = cast("subprocess.Popen[bytes]", self._child)
        to_child, from_child = cast("IO[bytes]", child.stdin), cast("IO[bytes]", child.stdout)
        try:
            send(to_child, name, payload)
            received = receive(from_child)
        except OSError:
            received = None
        if received is None:
            msg = f"the process {child.pid} of {self._name} has died: {_status(child)}; subscribe again to go on"
            raise SubscriberGoneError(msg)
        answer = cast("dict[str, Any]", orjson.loads(received[1]))
        if "gone" in answer:
            msg = f"{self._name} cannot be used in a process of its own: {answer['gone']}"
            raise SubscriberGoneError(msg)
        return answer

    def close(self) -> None:
        """End the child; one that does not end is killed."""
        if self._child is None:
            return
        for pipe in (self._child.stdin, self._child.stdout):
            try:
                cast("IO[bytes]", pipe).close()
            except OSError:  # it has died with something still unsent
                continue
        try:
            self._child.wait(END_TIME)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


def _status(child: "subprocess.Popen[bytes]") -> str:
    try:
        code = child.wait(END_TIME)
    except subprocess.TimeoutExpired:
        return "it closed its output"
    return f"killed by signal {-code}" if code < 0 else f"exit status {code}"


def _hello(function: Subscriber | str, terms: Terms) -> bytes:
    told: dict[str, Any] = {"pages": terms.pages, "path": [entry for entry in sys.path if entry]}
    if isinstance(function, str):
        told["import"] = function
        return orjson.dumps(told)
    if inspect.iscoroutinefunction(function):
        raise SubscriptionError(_needs(function, "it is a coroutine function"))
    try:
        pickled = pickle.dumps(function)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise SubscriptionError(_needs(function, str(error))) from error
    if b"__main__" in pickled:
        raise SubscriptionError(_needs(function, "it is defined in the script or notebook itself"))
    return orjson.dumps({**told, "pickle": pickled.hex()})


def _needs(function: Any, why: str) -> str:
    return (
        f"{function!r} cannot be handed to a process of its own: {why}; give a callable of a module that can be"
        ' imported, or its path as "package.module:name"'
    )
