"""How slow and how awkward the servers are, as faults of IOCs make them."""

import asyncio


class Pace:
    """What all servers of a beamline look at before they serve.

    Attributes:
        delay: Seconds by which each operation is late.
        circuit_blocks: A put with completion on a channel whose last one is still pending holds up everything else of
            that client, as EPICS' own server does, for at most `BLOCKED_SECONDS`.
    """

    BLOCKED_SECONDS = 60.0

    def __init__(self) -> None:
        self.delay = 0.0
        self.circuit_blocks = False

    async def wait(self) -> None:
        """Wait as long as an operation has to."""
        if self.delay > 0:
            await asyncio.sleep(self.delay)
