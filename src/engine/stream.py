"""A stream of a run: one kind of event, described once."""

import time
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from ..stream_resource.rowmap import RowMap
from .documents import Document, new_uid

STREAM_EXTERNAL = "STREAM:"


class Declared(NamedTuple):
    """What `declare_stream` answers, as bluesky does.

    Attributes:
        descriptor: The document.
        compose_event: Makes an event of data and timestamps; it is in no run until somebody emits it.
        devices: What the stream is made of.
    """

    descriptor: Document
    compose_event: Any
    devices: list[Any]


class Description:
    """What a device says of itself: its keys and its configuration, asked once per run."""

    __slots__ = ("configuration", "data_keys")

    def __init__(self, data_keys: Mapping[str, Any], configuration: Mapping[str, Any]) -> None:
        self.data_keys = data_keys
        self.configuration = configuration


class Stream:
    """One stream: its descriptor, its devices, and how many events it holds.

    Attributes:
        name: As in its descriptor.
        descriptor: The newest descriptor document.
        devices: What it is made of, in order.
        last_seq_num: Of the last event or stream frame; 0 before the first.
        next_seq_num: Per external data key, that of its next frame.
        rowmaps: Per external data key, where its frames are.
    """

    def __init__(self, name: str, run_start: str, devices: Mapping[Any, Description]) -> None:
        self.name = name
        self.devices: dict[Any, Description] = dict(devices)
        self.last_seq_num = 0
        self.next_seq_num: dict[str, int] = {}
        self.rowmaps: dict[str, RowMap] = {}
        self._run_start = run_start
        self.describe()

    def describe(self) -> Document:
        """Compose a descriptor of the devices as they are described now, and make it the current one."""
        data_keys: Document = {}
        object_keys: Document = {}
        configuration: Document = {}
        hints: Document = {}
        for device, description in self.devices.items():
            named = {key: {**data_key, "object_name": device.name} for key, data_key in description.data_keys.items()}
            data_keys.update(named)
            object_keys[device.name] = list(named)
            configuration[device.name] = description.configuration
            if hasattr(device, "hints"):
                hints[device.name] = device.hints
        self.descriptor: Document = {
            "configuration": configuration,
            "data_keys": data_keys,
            "name": self.name,
            "object_keys": object_keys,
            "run_start": self._run_start,
            "time": time.time(),
            "uid": new_uid(),
            "object_classes": {},  # as event-model's composer writes it
            "hints": hints,
        }
        external = {key: str(data_key.get("external", "")) for key, data_key in data_keys.items()}
        self.external_keys = {key for key, where in external.items() if where == STREAM_EXTERNAL}
        self.event_keys: AbstractSet[str] = data_keys.keys() - self.external_keys
        self.filled = {key: False for key, where in external.items() if where and where != STREAM_EXTERNAL}
        for key in self.external_keys:
            self.next_seq_num.setdefault(key, self.last_seq_num + 1)
            self.rowmaps.setdefault(key, RowMap(max_held=0))  # what we emit leaves no hole
        return self.descriptor
