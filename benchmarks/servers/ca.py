"""A Channel Access server: its port, number of PVs, rate in Hz. EPICS base serves, a client beside it counts."""

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from . import names, until_stdin_ends

RECORD = 'record(ao,"{name}") {{field(VAL,"{value}") field(EGU,"mm") field(PREC,"3") field(PINI,"YES")}}\n'


def main(port: str, count: str, rate: str) -> None:
    """Serve until stdin ends."""
    pvs = names(int(count))
    own = {
        "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
        "EPICS_CAS_SERVER_PORT": port,
        "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
    }
    with tempfile.TemporaryDirectory() as directory:
        database = Path(directory) / "bench.db"
        database.write_text("".join(RECORD.format(name=name, value=n) for n, name in enumerate(pvs)))
        command = [sys.executable, "-m", "epicscorelibs.ioc", "-d", str(database)]
        quiet = subprocess.DEVNULL
        ioc = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, env=os.environ | own)
        try:
            asyncio.run(_serve(pvs, float(rate)))
        finally:
            ioc.stdin.close()
            ioc.terminate()
            ioc.wait(timeout=10)


async def _serve(pvs: list[str], rate: float) -> None:
    import aioca

    await aioca.connect(pvs, timeout=20)

    async def post(n: int) -> None:
        await aioca.caput(pvs, [float(n)] * len(pvs))

    await until_stdin_ends(rate, post)
    aioca.purge_channel_caches()


main(*sys.argv[1:])
