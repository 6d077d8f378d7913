"""The PandA over PVA, driven by clients not written here: p4p, and ophyd-async's HDFPanda in a process of its own."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from p4p.client.asyncio import Context
from p4p.client.thread import RemoteError
from p4p.server import Server, StaticProvider
from wingbeat.sim_iocs.panda import Panda

pytestmark = pytest.mark.system


class Steady:
    """An encoder that moves at a steady rate from the moment it is made."""

    resolution, units = 1e-4, "mm"

    def __init__(self, counts_per_second: int) -> None:
        self.rate, self.zero = counts_per_second, time.time_ns()

    def counts(self, t_ns: int) -> int:
        return self.rate * (t_ns - self.zero) // 10**9

    def first_time(self, counts: int, *, rising: bool, start_ns: int, stop_ns: int) -> int | None:
        now = self.counts(start_ns)
        if now >= counts if rising else now <= counts:
            return start_ns
        reached = self.zero - (-counts * 10**9 // self.rate) if rising and self.rate else stop_ns
        return reached if reached < stop_ns else None

    def mean(self, start_ns: int, stop_ns: int) -> float:
        return self.rate * (start_ns + stop_ns - 2 * self.zero) / 2e9


class Served:
    def __init__(self, panda: Panda, environment: dict[str, str]) -> None:
        self.panda, self.environment = panda, environment
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    panda = Panda(prefix="T:PANDA:", axes={"INENC1": Steady(1000), "INENC2": Steady(0)}, clock=time.time_ns)
    provider = StaticProvider("panda")
    for name, pv in panda.pvs().items():
        provider.add(name, pv)
    await panda.start()
    with Server(providers=[provider], isolate=True) as server:
        made = Served(panda, {key: str(value) for key, value in server.conf().items()})
        panda.wake = made.wake
        async with asyncio.TaskGroup() as group:
            pumping = group.create_task(pump(panda))
            yield made
            pumping.cancel()
        await panda.aclose()


async def pump(panda: Panda) -> None:
    while True:
        panda.model.advance(time.time_ns())
        await panda.publish()
        await asyncio.sleep(0.01)


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Context]:
    with Context("pva", conf=served.environment, useenv=False, nt=False) as context:
        yield context


FLY = """
import asyncio, json, sys
from pathlib import Path
import numpy as np
from ophyd_async.core import DetectorTrigger, StaticFilenameProvider, StaticPathProvider, TriggerInfo
from ophyd_async.fastcs.panda import HDFPanda, SeqTable, PandaTimeUnits

async def main():
    panda = HDFPanda("T:PANDA:", StaticPathProvider(StaticFilenameProvider("flown"), Path(sys.argv[1])), name="panda")
    await panda.connect(timeout=20)
    seq = panda.seq[1]
    table = SeqTable.row(repeats=3, trigger="POSB<=POSITION", position=-7, time1=2, outa1=True) + SeqTable.row(
        repeats=100, trigger="Immediate", time1=400, outa1=True, outf2=True, time2=600
    )
    await seq.table.set(table)
    back = await seq.table.get_value()
    same = {name: bool(np.array_equal(getattr(back, name), getattr(table, name))) for name in SeqTable.model_fields}
    await seq.table.set(SeqTable.row(repeats=100, trigger="Immediate", time1=400, outa1=True, time2=600))
    await seq.prescale_units.set(PandaTimeUnits.US)
    await seq.prescale.set(1.0)
    await panda.stage()
    await panda.prepare(TriggerInfo(number_of_events=100, trigger=DetectorTrigger.EXTERNAL_LEVEL))
    described = await panda.describe_collect()
    await panda.kickoff()
    await seq.enable.set("ONE")
    await panda.complete()
    docs = [doc async for doc in panda.collect_asset_docs()]
    await seq.enable.set("ZERO")
    await panda.unstage()
    rows = [doc["indices"]["stop"] for name, doc in docs if name == "stream_datum"]
    print(json.dumps({"same": same, "described": sorted(described), "rows": rows,
                      "active": bool(await panda.pcap.active.get_value())}))

asyncio.run(main())
"""


@pytest.mark.conformance
@pytest.mark.slow
async def test_the_fields_own_panda_device_flies_it(served: Served, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", FLY, str(tmp_path)),
        env=os.environ | served.environment,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    seen: dict[str, Any] = json.loads(out)
    assert all(seen["same"].values())
    names = ["COUNTER1.OUT.Value", "INENC1.VAL.Mean", "INENC2.VAL.Mean", "PCAP.TS_START.Value", "PCAP.TS_TRIG.Value"]
    assert seen["described"] == names
    assert seen["rows"] == [100] * 5
    assert seen["active"] is False
    with h5py.File(tmp_path / "flown.h5") as file:
        assert sorted(file) == names
        assert file["COUNTER1.OUT.Value"][:].tolist() == list(range(1, 101))
        starts = np.rint(file["PCAP.TS_START.Value"][:] * 1e9).astype(int)
        assert np.diff(starts).tolist() == [1_000_000] * 99
        assert np.diff(file["INENC1.VAL.Mean"][:]) == pytest.approx(1e-4)


async def put(client: Context, name: str, value: Any) -> None:
    await client.put(f"T:PANDA:{name}", {"value": value})


async def get(client: Context, name: str) -> Any:
    value = (await client.get(f"T:PANDA:{name}"))["value"]
    return value["choices"][value["index"]] if hasattr(value, "has") and value.has("choices") else value


async def test_the_tree_lists_every_pv_and_no_other(served: Served, client: Context) -> None:
    found, waiting = set[str](), ["T:PANDA:PVI"]
    while waiting:
        name = waiting.pop()
        found.add(name)
        entries = (await client.get(name))["value"].todict()
        waiting += [entry["d"] for entry in entries.values() if "d" in entry]
        found |= {pv for entry in entries.values() for kind, pv in entry.items() if kind != "d"}
    assert found == set(served.panda.pvs())


async def test_the_power_on_wiring_is_what_the_muxes_say(served: Served, client: Context) -> None:
    shown = {mux: await get(client, mux.replace(".", ":")) for mux in served.panda.model.routing}
    assert shown == served.panda.model.routing
    assert shown["SEQ1.POSB"] == "INENC2.VAL"
    assert shown["PCAP.TRIG"] == "SEQ1.OUTA"
    assert await get(client, "PCAP:TRIG_EDGE") == "Falling"
    assert await get(client, "INENC1:VAL_CAPTURE") == "Mean"


async def test_a_mux_that_is_put_is_wired_and_one_that_is_unknown_is_refused(served: Served, client: Context) -> None:
    await put(client, "SEQ1:BITA", "BITS.OUTC")
    assert served.panda.model.routing["SEQ1.BITA"] == "BITS.OUTC"
    with pytest.raises(RemoteError, match="999"):
        await put(client, "SEQ1:BITA", {"index": 999})
    assert await get(client, "SEQ1:BITA") == "BITS.OUTC"


async def test_arming_is_shown_at_once_and_wakes_the_pump(served: Served, client: Context) -> None:
    await put(client, "PCAP:ARM", True)
    assert await get(client, "PCAP:ACTIVE")
    assert served.woken
    assert served.panda.busy
    await put(client, "PCAP:ARM", False)
    assert not await get(client, "PCAP:ACTIVE")


@pytest.mark.parametrize(("value", "units", "ticks"), [(8e-3, "us", 1), (1.0, "us", 125), (0.5, "s", 62_500_000)])
async def test_a_prescale_is_a_time_in_its_units(
    served: Served, client: Context, value: float, units: str, ticks: int
) -> None:
    await put(client, "SEQ1:PRESCALE_UNITS", units)
    await put(client, "SEQ1:PRESCALE", value)
    assert served.panda.model.sequencer(1).prescale == ticks


async def test_other_units_show_the_same_time_as_another_number(served: Served, client: Context) -> None:
    await put(client, "PULSE1:DELAY", 0.0025)
    for units, shown in (("ms", 2.5), ("us", 2500.0), ("min", 0.0025 / 60), ("s", 0.0025)):
        await put(client, "PULSE1:DELAY_UNITS", units)
        assert await get(client, "PULSE1:DELAY") == pytest.approx(shown, rel=1e-12)
    assert served.panda.model.blocks["PULSE1"].delay == 312_500  # type: ignore[attr-defined]
    await put(client, "PULSE1:DELAY", 12e-9)
    assert await get(client, "PULSE1:DELAY") == 16e-9


async def test_a_function_a_delay_and_a_force_act_on_the_blocks(served: Served, client: Context) -> None:
    await put(client, "LUT1:FUNC", "A&~B")
    await put(client, "LUT1:INPA", "ONE")
    assert await get(client, "LUT1:OUT")
    with pytest.raises(RemoteError, match="LUT function 'A&&B'"):
        await put(client, "LUT1:FUNC", "A&&B")
    assert await get(client, "LUT1:FUNC") == "A&~B"
    await put(client, "SRGATE1:ENABLE", "ONE")
    await put(client, "SRGATE1:FORCE_SET", True)
    assert await get(client, "SRGATE1:OUT")
    assert not await get(client, "SRGATE1:FORCE_SET")
    await put(client, "SRGATE1:FORCE_RST", True)
    assert not await get(client, "SRGATE1:OUT")
    await put(client, "SEQ2:BITA_DELAY", 31)
    assert served.panda.model.buses.delays["SEQ2.BITA"] == 31
    with pytest.raises(RemoteError, match="0 to 31"):
        await put(client, "SEQ2:BITA_DELAY", 32)
    await put(client, "SEQ2:LABEL", "line gate")
    assert await get(client, "SEQ2:LABEL") == "line gate"


async def test_counts_become_what_scale_and_offset_say(client: Context) -> None:
    for name, value in (("SCALE", 0.5), ("OFFSET", 10.0), ("UNITS", "V")):
        await put(client, f"COUNTER1:OUT_{name}", value)
    await put(client, "COUNTER1:SET", 6)
    assert await get(client, "COUNTER1:OUT") == 13.0
    await put(client, "INENC2:SETP", -40_000)
    assert await get(client, "INENC2:VAL") == -4.0
    assert await get(client, "INENC2:HOMED")


async def test_what_is_captured_can_be_named_and_cannot_change_meanwhile(
    served: Served, client: Context, tmp_path: Path
) -> None:
    await put(client, "INENC2:VAL_CAPTURE", "No")
    await put(client, "PCAP:TS_START_CAPTURE", "No")
    await put(client, "PCAP:GATE_DURATION_CAPTURE", "Value")
    await put(client, "INENC1:VAL_CAPTURE", "Min Max")
    await put(client, "INENC1:VAL_DATASET", "x")
    datasets = (await client.get("T:PANDA:DATA:DATASETS"))["value"]
    expected = ["x.Min", "x.Max", "COUNTER1.OUT.Value", "PCAP.TS_TRIG.Value", "PCAP.GATE_DURATION.Value"]
    assert list(datasets["name"]) == expected
    assert list(datasets["dtype"]) == ["float64"] * 4 + ["uint32"]
    await put(client, "DATA:HDF_DIRECTORY", str(tmp_path))
    assert await get(client, "DATA:DIRECTORY_EXISTS")
    await put(client, "DATA:HDF_FILE_NAME", "named.h5")
    await put(client, "DATA:CAPTURE", True)
    with pytest.raises(RemoteError, match="cannot change while data is captured"):
        await put(client, "INENC1:VAL_CAPTURE", "Mean")
    with pytest.raises(RemoteError, match="while a file is open"):
        await put(client, "DATA:HDF_FILE_NAME", "other.h5")
    await put(client, "DATA:CAPTURE", False)
    with h5py.File(tmp_path / "named.h5") as file:
        assert sorted(file) == sorted(expected)


async def test_a_capture_without_a_directory_is_refused(client: Context) -> None:
    with pytest.raises(RemoteError, match="hdf_directory ''"):
        await put(client, "DATA:CAPTURE", True)
    assert not await get(client, "DATA:CAPTURE")


async def test_a_table_that_cannot_be_used_leaves_the_old_one(served: Served, client: Context) -> None:
    table = (await client.get("T:PANDA:SEQ1:TABLE"))["value"].todict()
    assert all(len(column) == 0 for column in table.values())
    row = {name: [1] for name in table} | {"trigger": ["POSX"]}
    with pytest.raises(RemoteError, match="line 1: trigger 'POSX'"):
        await put(client, "SEQ1:TABLE", row)
    assert len((await client.get("T:PANDA:SEQ1:TABLE"))["value"]["repeats"]) == 0
    await put(client, "SEQ1:TABLE", row | {"trigger": ["Immediate"]})
    assert served.panda.model.sequencer(1).state == 1
    assert await get(client, "SEQ1:STATE") == "WAIT_ENABLE"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SEQ1:PRESCALE", -1.0),
        ("SEQ1:PRESCALE", float("nan")),
        ("SEQ1:PRESCALE", 35.0),
        ("CLOCK1:PERIOD", float("inf")),
        ("PCAP:SHIFT_SUM", 9),
        ("SEQ1:REPEATS", -1),
    ],
)
async def test_a_number_that_the_register_cannot_hold_is_refused(client: Context, name: str, value: float) -> None:
    before = await get(client, name)
    with pytest.raises(RemoteError, match="expected 0 to"):
        await put(client, name, value)
    assert await get(client, name) == before
