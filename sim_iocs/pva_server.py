"""The PV Access server of a beamline: p4p's, which can also be away for a while."""

from collections.abc import Iterable, Mapping

from p4p.server import Server
from p4p.server.asyncio import SharedPV

from .pace import Pace
from .ports import LOOPBACK, PortClaim
from .pv import SimPV
from .pva_face import PvaFace


class PVAccessServer:
    """Serves PVs over PV Access with p4p; between `start` and `stop`.

    Args:
        pvs: What is served.
        port: UDP search port; 0 = a free one.
        others: PVs that are served over this protocol alone.
        pace: How puts are served.
        texts_are_bytes: Show texts as EPICS' own server does.

    Raises:
        PortTakenError: The port is in use.
    """

    def __init__(
        self,
        pvs: Iterable[SimPV],
        *,
        port: int,
        others: Mapping[str, SharedPV],
        pace: Pace,
        texts_are_bytes: bool = False,
    ) -> None:
        self._claim = PortClaim(port, purpose="PV Access")
        self.port = self._claim.port
        faces = {pv.name: PvaFace(pv, pace=pace, texts_are_bytes=texts_are_bytes) for pv in pvs}
        self._provider = {name: face.shared for name, face in faces.items()} | dict(others)
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

    def close(self) -> None:
        """Give the port back; nothing is served afterwards."""
        self._claim.close()

    def stop(self) -> None:
        """Close every connection and stop serving."""
        if self._server is not None:
            self._server.stop()
            self._server = None
