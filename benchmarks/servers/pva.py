"""A PV Access server: TCP port, UDP port, number of PVs, rate in Hz."""

import asyncio
import sys
import time

from p4p.nt import NTScalar
from p4p.server import Server, ServerOperation
from p4p.server.thread import SharedPV

from . import names, until_stdin_ends


class Keeps:
    """Keeps what is written."""

    def put(self, pv: SharedPV, op: ServerOperation) -> None:
        """Keep it."""
        pv.post(op.value(), timestamp=time.time())
        op.done()


def main(port: str, udp_port: str, count: str, rate: str) -> None:
    """Serve until stdin ends."""
    kind = NTScalar("d", display=True, control=True)
    pvs = {
        name: SharedPV(nt=kind, initial={"value": float(n), "display": {"units": "mm"}}, handler=Keeps())
        for n, name in enumerate(names(int(count)))
    }
    conf = {
        "EPICS_PVAS_INTF_ADDR_LIST": "127.0.0.1",
        "EPICS_PVAS_SERVER_PORT": port,
        "EPICS_PVAS_BROADCAST_PORT": udp_port,
        "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO",
    }

    async def post(n: int) -> None:
        for pv in pvs.values():
            pv.post(float(n), timestamp=time.time())

    with Server(providers=[pvs], conf=conf, useenv=False):
        asyncio.run(until_stdin_ends(float(rate), post))


main(*sys.argv[1:])
