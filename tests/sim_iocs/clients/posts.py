"""Watch RBV over both protocols during one move, with clients of their own; prints JSON. argv: prefix."""

import asyncio
import json
import sys

import aioca
from p4p.client.asyncio import Context


async def main(prefix: str) -> None:
    over_ca, over_pva = [], []
    subscription = aioca.camonitor(f"{prefix}Y.RBV", lambda value: over_ca.append(float(value)), all_updates=True)
    with Context("pva") as context:

        async def note(value: object) -> None:
            over_pva.append(float(value))

        monitor = context.monitor(f"{prefix}Y.RBV", note)
        await asyncio.sleep(0.3)
        await aioca.caput(f"{prefix}Y", 3.0, wait=True)
        await asyncio.sleep(0.2)
        moved = {"ca": list(over_ca), "pva": list(over_pva)}
        refused = await aioca.caput(f"{prefix}Y.RBV", 1.0, wait=True, throw=False)
        text = await aioca.caget(f"{prefix}CAM:HDF1:FilePath", datatype=aioca.DBR_CHAR_STR)
        await aioca.caput(f"{prefix}PMAC:X:Positions", [float(i) for i in range(1000)], wait=True)
        array = await aioca.caget(f"{prefix}PMAC:X:Positions")
        pva_array = await context.get(f"{prefix}PMAC:X:Positions")
        enum = await aioca.caget(f"{prefix}CAM:cam1:ImageMode", format=aioca.FORMAT_CTRL)
        await context.put(f"{prefix}Y", 0.0, wait=True)
        limits = await aioca.caget(f"{prefix}Y.VAL", format=aioca.FORMAT_CTRL)
        monitor.close()
    subscription.close()
    print(
        json.dumps(
            moved
            | {
                "back": float(await aioca.caget(f"{prefix}Y.RBV")),
                "refused": refused.ok,
                "text": str(text),
                "array": [len(array), float(array[-1]), len(pva_array)],
                "enum": list(enum.enums),
                "limits": [limits.lower_ctrl_limit, limits.upper_ctrl_limit, limits.units, limits.precision],
            }
        )
    )


asyncio.run(main(sys.argv[1]))
