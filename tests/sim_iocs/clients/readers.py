"""Read the point detectors and sources with aioca, p4p, caproto and a command-line tool; prints JSON. argv: prefix."""

import asyncio
import json
import subprocess
import sys

import aioca
from caproto.asyncio.client import Context as CaprotoContext
from p4p.client.asyncio import Context

NAMES = {"mode": "SR:MODE", "scaler": "SCALER.NM2", "spectrum": "XSP3:MCA1:ArrayData", "current": "SR:CURRENT"}


def shown(name: str, value):
    return {"mode": str, "scaler": str, "spectrum": len, "current": float}[name](value)


async def by_aioca(prefix: str) -> dict:
    text = {"mode": {"datatype": str}}
    return {
        key: shown(key, await aioca.caget(prefix + pv, timeout=10, **text.get(key, {}))) for key, pv in NAMES.items()
    }


async def by_p4p(prefix: str) -> dict:
    context = Context("pva", nt=False)
    values = {key: (await context.get(prefix + pv)).value for key, pv in NAMES.items()}
    context.close()
    values["mode"] = values["mode"].choices[values["mode"].index]
    return {key: shown(key, value) for key, value in values.items()}


async def by_caproto(prefix: str) -> dict:
    context = CaprotoContext()
    pvs = dict(zip(NAMES, await context.get_pvs(*(prefix + pv for pv in NAMES.values())), strict=True))
    values = {}
    for key, pv in pvs.items():
        async with asyncio.timeout(20):
            await pv.wait_for_connection()
        reply = await pv.read(data_type="control" if key == "mode" else None)
        data = reply.data
        if key == "mode":
            values[key] = reply.metadata.enum_strings[data[0]].decode()
        elif key == "scaler":
            values[key] = data[0].decode()
        else:
            values[key] = len(data) if key == "spectrum" else float(data[0])
    await context.disconnect()
    return values


def by_tool(prefix: str) -> str:
    command = [sys.executable, "-m", "caproto.commandline.get", "--terse", prefix + "SHTR:STA"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.strip().strip("b'[]")


async def main(prefix: str) -> None:
    seen = {"aioca": await by_aioca(prefix), "p4p": await by_p4p(prefix), "caproto": await by_caproto(prefix)}
    print(json.dumps(seen | {"caproto-get": by_tool(prefix)}))


asyncio.run(main(sys.argv[1]))
