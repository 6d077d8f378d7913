"""Count and scan under bluesky's engine with ophyd-async devices; prints JSON. argv: protocol."""

import json
import sys

from bluesky.plans import count, scan
from bluesky.run_engine import RunEngine
from ophyd_async.core import StandardReadable, init_devices
from ophyd_async.epics.core import epics_signal_r
from ophyd_async.epics.motor import Motor


class Ring(StandardReadable):
    """The ring's current and the shutter's state."""

    def __init__(self, prefix: str, name: str = "") -> None:
        with self.add_children_as_readables():
            self.current = epics_signal_r(float, f"{prefix}SR:CURRENT")
            self.scaler = epics_signal_r(int, f"{prefix}SCALER.S2")
            self.rotation = epics_signal_r(float, f"{prefix}THETA.RBV")
        super().__init__(name)


def main(protocol: str) -> None:
    engine, documents = RunEngine(), []
    with init_devices():
        ring, y, theta = Ring(f"{protocol}://SIM:"), Motor(f"{protocol}://SIM:Y"), Motor(f"{protocol}://SIM:THETA")
    engine.subscribe(lambda name, document: documents.append((name, document)))
    engine(count([ring], num=3))
    engine(scan([ring, theta], y, 0.0, 1.0, 5))
    engine(scan([ring], theta, 0.0, 2.0, 2))
    events = [document["data"] for name, document in documents if name == "event"]
    print(
        json.dumps(
            {
                "names": [name for name, _ in documents].count("stop"),
                "exit": [document["exit_status"] for name, document in documents if name == "stop"],
                "current": [event["ring-current"] for event in events],
                "y": [event["y"] for event in events if "y" in event],
                "theta": events[-1]["theta"],
                "units": [
                    document["data_keys"]["theta"]["units"]
                    for name, document in documents
                    if name == "descriptor" and "theta" in document["data_keys"]
                ],
            }
        )
    )


main(sys.argv[1])
