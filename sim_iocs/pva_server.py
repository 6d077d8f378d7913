"""The PV Access server of a beamline: p4p's, which can also be away for a while."""

from collections.abc import Iterable, Mapping

from p4p.server import Server
from p4p.server.asyncio import SharedPV

from .pace import Pace
from .ports import LOOPBACK, reserve_port
from .pv import SimPV
from .pva_face import PvaFace


class PVAccessServer:
    """Serves PVs over PV Access with p4p; between `start` and `stop`.

    Args:
        pvs: What is served.
        port: UDP search port; 0 = a free one.
        others: PVs that are served over this protocol alone.
        pace: How puts are served.

    Raises:
        PortTakenError: The port is in use.
    """

    def __init__(self, pvs: Iterable[SimPV], *, port: int, others: Mapping[str, SharedPV], pace: Pace) -> None:
        self.port = reserve_port(port, purpose="PV Access")
        self._provider = {pv.name: PvaFace(pv, pace=pace).shared for pv in pvs} | dict(others)
        self._server: Server | None = None

    def start(self) -> None:
        """Begin to serve."""
        self._server = Server(
            providers=[self._provider],
            useenv=False,
            conf={
                "EPICS_PVAS_INTF_ADDR_LIST": LOOPBACK,
                "EPICS_PVAS_BEACON_ADDR_LIST": "",
                "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO",
                "EPICS_PVAS_SERVER_PORT": "0",
                "EPICS_PVAS_BROADCAST_PORT": str(self.port),
            },
        )
        self.port = int(self._server.conf()["EPICS_PVAS_BROADCAST_PORT"])

    def environment(self) -> dict[str, str]:
        """Give what a client needs to find this server and no other."""
        return {
            "EPICS_PVA_ADDR_LIST": LOOPBACK,
            "EPICS_PVA_AUTO_ADDR_LIST": "NO",
            "EPICS_PVA_BROADCAST_PORT": str(self.port),
        }

    def stop(self) -> None:
        """Close every connection and stop serving."""
        if self._server is not None:
            self._server.stop()
            self._server = None
