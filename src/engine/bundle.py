"""An event being bundled: what was read between `create` and `save`.

A bundle belongs to one run and one branch of the plan. Nothing of it is in the run until `save`: the event's number
is given there, so that a bundle that is dropped leaves no hole.
"""

from collections.abc import Mapping
from typing import Any

from .errors import IllegalMessageError
from .operation import name_of

AssetDocument = tuple[str, dict[str, Any]]


class Bundle:
    """Readings and asset documents of one event to be.

    Attributes:
        stream: The name of the stream that it is for.
        readings: Reading by data key, in the order of reading.
        devices: What has been read.
        assets: Asset documents of the devices, in order.
    """

    __slots__ = ("assets", "devices", "readings", "stream")

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.readings: dict[str, Mapping[str, Any]] = {}
        self.devices: list[Any] = []
        self.assets: list[AssetDocument] = []

    def add(self, device: Any, reading: Mapping[str, Mapping[str, Any]]) -> None:
        """Take in the reading of a device.

        Raises:
            IllegalMessageError: The device, or a key of it, is in the bundle already.
        """
        twice = self.readings.keys() & reading.keys()
        if twice or device in self.devices:
            where = f"event of stream {self.stream!r}"
            msg = f"{name_of(device)} was read into this {where} already (keys {sorted(twice)}); read it once per event"
            raise IllegalMessageError(msg)
        self.devices.append(device)
        self.readings.update(reading)
