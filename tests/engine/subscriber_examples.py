"""Subscribers that another process can import."""

import os
import signal
from pathlib import Path
from typing import Any


class Lines:
    """Writes a line per document into a file: who it was, the kind and the seq_num."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        print("what a subscriber prints does not disturb", flush=True)
        with self.path.open("a") as file:
            file.write(f"{os.getpid()} {name} {doc.get('seq_num', '')}\n")


def refuses_events(name: str, doc: dict[str, Any]) -> None:
    if name == "event":
        raise ValueError(f"no fit for point {doc['seq_num']}")


def dies_at_the_first_event(name: str, doc: dict[str, Any]) -> None:
    if name == "event":
        os.kill(os.getpid(), signal.SIGKILL)
