"""A small PV Access server: what the conformance tests of the back ends need. Ends when its stdin does.

Its last argument says how it was started again: `other` serves other types under some of the same names, and the
choices of `enum` in another order.
"""

import sys
import time

import numpy as np
from p4p import Type, Value
from p4p.nt import NTEnum, NTNDArray, NTScalar, NTTable
from p4p.server import Server
from p4p.server.thread import SharedPV


class Keeps:
    def put(self, pv, op):
        pv.post(op.value(), timestamp=time.time())
        op.done()


class Slow(Keeps):
    def put(self, pv, op):
        time.sleep(0.5)
        super().put(pv, op)


class Stuck:
    def put(self, pv, op):
        held.append(op)


held = []


class Raw:
    """Keeps what comes as it comes."""

    def put(self, pv, op):
        pv.post(op.value())
        op.done()


class Refuses:
    def put(self, pv, op):
        op.done(error="not today")


def scalar(code, value, handler=None, **meta):
    full = {"display": True, "control": True} if meta else {}
    return SharedPV(
        nt=NTScalar(code, **full), initial={"value": value, **meta}, handler=handler or Keeps(), timestamp=time.time()
    )


def choices(*labels, index):
    return SharedPV(nt=NTEnum(), initial={"index": index, "choices": list(labels)}, handler=Keeps())


def variant_of(name):
    match name:
        case "other":
            return {
                "double": scalar("s", "text now"),
                "enum": choices("Fault", "Busy", "Idle", index=2),
                "door": choices("Locked", "Unlocked", index=0),
                "array": scalar("as", ["x", "y"]),
            }
        case _:
            return {}


def everything():
    table = NTTable([("name", "s"), ("number", "i")])
    odd = Value(Type([("a", "d"), ("b", ("S", None, [("c", "s")]))]), {"a": 1.0, "b": {"c": "x"}})
    structure = SharedPV(initial=odd, handler=Raw())
    alarmed = NTScalar("d", valueAlarm=True, display=True).wrap(
        {"value": 9.0, "alarm": {"severity": 2, "message": "HIHI"}}
    )
    alarmed["valueAlarm"] = {"highWarningLimit": 6.0, "highAlarmLimit": 8.0}
    alarmed["timeStamp"] = {"secondsPastEpoch": 1_700_000_000, "nanoseconds": 123_456_789}
    return {
        "double": scalar(
            "d",
            1.5,
            display={"units": "mm", "limitLow": -5.0, "limitHigh": 5.0},
            control={"limitLow": -5.0, "limitHigh": 5.0},
        ),
        "integer": scalar("i", 7),
        "long": scalar("l", 2**40),
        "enum": SharedPV(nt=NTEnum(), initial={"index": 0, "choices": ["Idle", "Busy", "Fault"]}, handler=Keeps()),
        "door": choices("Open", "Shut", index=0),
        "flag": scalar("?", False),
        "text": scalar("s", "hello"),
        "label": scalar("s", "short"),
        "bytes": scalar("ab", np.zeros(0, np.int8)),
        "array": scalar("ad", np.array([1.0, 2.0, 3.0])),
        "strings": scalar("as", ["a", "b"]),
        "slow": scalar("d", 0.0, Slow()),
        "quick": scalar("d", 0.0),
        "refuses": scalar("d", 0.0, Refuses()),
        "table": SharedPV(nt=table, initial=[{"name": "x", "number": 1}, {"name": "y", "number": 2}], handler=Keeps()),
        "structure": structure,
        "short": scalar("h", 3),
        "float": scalar("f", 3),
        "ulong": scalar("L", 3),
        "uint": scalar("I", 3),
        "ushort": scalar("H", 3),
        "ubyte": scalar("B", 3),
        "byte": scalar("b", 3),
        "stuck": scalar("d", 0.0, Stuck()),
        "alarmed": SharedPV(initial=alarmed),
        "image": SharedPV(nt=NTNDArray(), initial=np.arange(6, dtype=np.uint16).reshape(2, 3), handler=Raw()),
    }


def main(prefix: str, port: str, udp_port: str, variant: str = "") -> None:
    pvs = everything() | variant_of(variant)
    conf = {
        "EPICS_PVAS_INTF_ADDR_LIST": "127.0.0.1",
        "EPICS_PVAS_SERVER_PORT": port,
        "EPICS_PVAS_BROADCAST_PORT": udp_port,
        "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO",
    }
    with Server(providers=[{prefix + name: pv for name, pv in pvs.items()}], conf=conf, useenv=False):
        print("ready", flush=True)
        sys.stdin.read()


main(*sys.argv[1:])
