"""A small PV Access server: what the conformance tests of the back ends need. Ends when its stdin does."""

import sys
import time

import numpy as np
from p4p import Type, Value
from p4p.nt import NTEnum, NTScalar, NTTable
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


class Refuses:
    def put(self, pv, op):
        op.done(error="not today")


def scalar(code, value, handler=None, **meta):
    full = {"display": True, "control": True} if meta else {}
    return SharedPV(
        nt=NTScalar(code, **full), initial={"value": value, **meta}, handler=handler or Keeps(), timestamp=time.time()
    )


def main(prefix: str, port: str, udp_port: str) -> None:
    table = NTTable([("name", "s"), ("number", "i")])
    odd = Value(Type([("a", "d"), ("b", ("S", None, [("c", "s")]))]), {"a": 1.0, "b": {"c": "x"}})
    structure = SharedPV(initial=odd)
    pvs = {
        "double": scalar(
            "d",
            1.5,
            display={"units": "mm", "limitLow": -5.0, "limitHigh": 5.0},
            control={"limitLow": -5.0, "limitHigh": 5.0},
        ),
        "integer": scalar("i", 7),
        "long": scalar("l", 2**40),
        "enum": SharedPV(nt=NTEnum(), initial={"index": 0, "choices": ["Idle", "Busy", "Fault"]}, handler=Keeps()),
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
    }
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
