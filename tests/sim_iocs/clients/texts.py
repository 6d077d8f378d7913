"""Put texts as bytes over PV Access, too long and without their ends, and look at severities; prints JSON."""

import asyncio
import json

import aioca
import numpy as np
from p4p.client.asyncio import Context

NAME, EXISTS = "SIM:CAM:HDF1:FileName", "SIM:CAM:HDF1:FilePathExists_RBV"
UNDEFINED = "SIM:CAM:HDF1:FullFileName_RBV"


async def severities(context: Context, name: str) -> dict[str, int]:
    by_ca = await aioca.caget(name, format=aioca.FORMAT_TIME)
    return {"ca": int(by_ca.severity), "pva": int((await context.get(name))["alarm.severity"])}


async def main() -> None:
    with Context("pva", nt=False) as context:

        async def put(text: bytes) -> str:
            await context.put(NAME, {"value": np.frombuffer(text, np.int8)}, wait=True)
            return (await context.get(NAME))["value"].tobytes().split(b"\0", 1)[0].decode()

        seen = {"undefined": await severities(context, UNDEFINED)}
        first = await context.get(NAME)
        seen["form"] = [str(first["value"].dtype), first["display.form.choices"][first["display.form.index"]]]
        seen["long"] = await put(b"x" * 300)
        seen["tail"] = await put(b"new-name")
        seen["ended"] = await put(b"new\0")
        seen["by ca"] = str(await aioca.caget(NAME, datatype=aioca.DBR_CHAR_STR))
        await aioca.caput("SIM:CAM:HDF1:FilePath", "/nowhere\0", datatype=aioca.DBR_CHAR_STR, wait=True)
        seen["absent"] = await severities(context, EXISTS)
    print(json.dumps(seen))


asyncio.run(main())
