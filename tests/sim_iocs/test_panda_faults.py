"""What goes wrong with a PandA, each as a device sees it over PVA, and what is in the file."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from p4p.client.asyncio import Context
from p4p.server import Server, StaticProvider
from wingbeat.sim_iocs.errors import RefusedPutError
from wingbeat.sim_iocs.panda import Panda
from wingbeat.sim_iocs.panda_port import PortLimits

from .panda_bench import EPOCH, MS, Broken, still, table

pytestmark = pytest.mark.system


class Bench:
    """A served PandA on a clock of its own, flown through 100 frames of 1 ms."""

    def __init__(self, directory: Path, limits: PortLimits | None = None) -> None:
        self.now = EPOCH
        axes = {"INENC1": Broken((0, 0), (1000 * MS, 10_000)), "INENC2": still()}
        self.panda = Panda(prefix="F:", axes=axes, clock=lambda: self.now, limits=limits)
        self.switches = {switch.name: switch for switch in self.panda.switches()}
        self.path = directory / "scan.h5"

    async def put(self, name: str, value: Any) -> None:
        await self.client.put(f"F:{name}", {"value": value})

    async def get(self, name: str) -> Any:
        value = (await self.client.get(f"F:{name}"))["value"]
        return value["choices"][value["index"]] if hasattr(value, "has") and value.has("choices") else value

    async def arm(self, *, mode: str = "FOREVER", number: int = 0) -> None:
        settings = {"HDF_DIRECTORY": str(self.path.parent), "HDF_FILE_NAME": "scan.h5", "CAPTURE_MODE": mode}
        for name, value in (settings | {"NUM_CAPTURE": number, "CAPTURE": True}).items():
            await self.put(f"DATA:{name}", value)
        frames = table((100, "Immediate", 0, 100_000, 25_000))
        await self.put(
            "SEQ1:TABLE", {name: np.asarray(column) for name, column in frames.items()} | {"trigger": ["Immediate"]}
        )
        await self.put("PCAP:ARM", True)

    async def fly(self) -> None:
        await self.put("SEQ1:ENABLE", "ONE")
        await self.run(150 * MS)

    async def run(self, duration: int) -> None:
        for _ in range(15):
            self.now += duration // 15
            self.panda.model.advance(self.now)
            await self.panda.publish()
            await asyncio.sleep(0.002)

    async def land(self) -> dict[str, np.ndarray]:
        """End the capture; gives what is in the file."""
        await self.put("DATA:CAPTURE", False)
        with h5py.File(self.path) as file:
            return {name: file[name][:] for name in file}


@pytest.fixture
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path, getattr(request, "param", None))
    provider = StaticProvider("panda")
    for name, pv in made.panda.pvs().items():
        provider.add(name, pv)
    await made.panda.start()
    with Server(providers=[provider], isolate=True) as server:
        with Context("pva", conf=server.conf(), useenv=False, nt=False) as made.client:
            yield made
        await made.panda.aclose()


def numbers(rows: dict[str, np.ndarray]) -> list[float]:
    return rows["COUNTER1.OUT.Value"].tolist()


async def test_without_a_fault_every_row_is_there_and_the_end_is_told(bench: Bench) -> None:
    await bench.arm()
    await bench.fly()
    assert (await bench.get("DATA:END_REASON"), await bench.get("DATA:MISSED")) == ("", 0)
    await bench.put("PCAP:ARM", False)
    await bench.run(100 * MS)
    assert (await bench.get("DATA:END_REASON"), await bench.get("DATA:STATUS")) == ("Disarmed", "capturing")
    assert numbers(await bench.land()) == list(range(1, 101))
    assert await bench.get("DATA:STATUS") == "idle"


async def test_an_overrun_loses_all_that_follows_and_only_the_status_says_so(bench: Bench) -> None:
    bench.switches["PandaOverrunAt"].apply(41)
    await bench.arm()
    await bench.fly()
    assert await bench.get("DATA:END_REASON") == "Data overrun"
    assert "Data overrun after 40 rows; waiting for next" in await bench.get("DATA:STATUS")
    assert await bench.get("DATA:CAPTURE")
    assert await bench.get("PCAP:ACTIVE")
    assert await bench.get("PCAP:HEALTH") == "OK"
    assert numbers(await bench.land()) == list(range(1, 41))


@pytest.mark.parametrize("bench", [PortLimits(rate=20_000.0, buffer=400)], indirect=True)
async def test_a_rate_that_the_port_does_not_take_is_an_overrun(bench: Bench) -> None:
    await bench.arm()
    await bench.fly()
    assert await bench.get("DATA:END_REASON") == "Data overrun"
    # 40 bytes a row: each ms the buffer grows by 20 of them, and holds 400.
    assert numbers(await bench.land()) == list(range(1, 20))


async def test_a_lost_connection_ends_the_rows_early(bench: Bench) -> None:
    bench.switches["PandaDisconnectAt"].apply(61)
    await bench.arm()
    await bench.fly()
    assert await bench.get("DATA:END_REASON") == "Early disconnect"
    assert numbers(await bench.land()) == list(range(1, 61))


async def test_a_torn_row_is_in_some_datasets_only_until_the_next_arming_covers_it(bench: Bench) -> None:
    bench.switches["PandaDisconnectAt"].apply(61)
    bench.switches["PandaTornRow"].apply(1)
    await bench.arm()
    await bench.fly()
    await bench.put("DATA:FLUSH_NOW", True)
    with h5py.File(bench.path, swmr=True) as file:
        assert sorted({len(file[name]) for name in file}) == [60, 61]
    assert await bench.get("DATA:NUM_CAPTURED") == 60
    bench.switches["PandaDisconnectAt"].apply(0)
    for armed in (False, True):
        await bench.put("PCAP:ARM", armed)
    await bench.put("SEQ1:ENABLE", "ZERO")
    await bench.fly()
    rows = await bench.land()
    assert {len(values) for values in rows.values()} == {160}
    assert numbers(rows) == [*range(1, 61), *range(1, 101)]


@pytest.mark.parametrize("mode", ["FIRST_N", "LAST_N"])
async def test_an_early_disarm_ends_a_capture_of_a_number(bench: Bench, mode: str) -> None:
    bench.switches["PandaDisarmAt"].apply(33)
    await bench.arm(mode=mode, number=100)
    await bench.fly()
    await bench.run(100 * MS)
    assert not await bench.get("PCAP:ACTIVE")
    assert await bench.get("SEQ1:STATE") == "WAIT_ENABLE"
    assert not await bench.get("DATA:CAPTURE")
    assert await bench.get("DATA:STATUS") == "Disarmed after 33 of 100 rows"
    assert numbers(await bench.land()) == list(range(1, 34))


async def test_a_complete_number_ends_without_complaint(bench: Bench) -> None:
    await bench.arm(mode="FIRST_N", number=70)
    await bench.fly()
    await bench.run(100 * MS)
    assert (await bench.get("DATA:CAPTURE"), await bench.get("DATA:STATUS")) == (False, "idle")
    assert numbers(await bench.land()) == list(range(1, 71))


async def test_a_table_underrun_stops_the_sequencer_and_its_health_says_why(bench: Bench) -> None:
    bench.switches["TableUnderrun"].apply(2)
    await bench.arm()
    frames = table(*[(30, "Immediate", 0, 100_000, 25_000)] * 3)
    await bench.put(
        "SEQ1:TABLE", {name: np.asarray(column) for name, column in frames.items()} | {"trigger": ["Immediate"] * 3}
    )
    await bench.fly()
    assert await bench.get("SEQ1:HEALTH") == "DMA underrun"
    assert (await bench.get("SEQ1:STATE"), await bench.get("SEQ1:ACTIVE")) == ("UNREADY", False)
    assert numbers(await bench.land()) == list(range(1, 31))


async def test_a_table_streamed_too_late_is_an_underrun(bench: Bench) -> None:
    await bench.arm()
    await bench.put("SEQ1:TABLE", {name: [] for name in table()} | {"trigger": []})
    part = {name: np.asarray(column) for name, column in table((30, "Immediate", 0, 100_000, 25_000)).items()}
    part["trigger"] = ["Immediate"]  # type: ignore[assignment]
    await bench.put("SEQ1:TABLE_APPEND", part)
    await bench.run(MS)
    await bench.put("SEQ1:TABLE_APPEND", part)
    await bench.run(MS)
    assert await bench.get("SEQ1:QUEUED_LINES") == 2
    await bench.fly()
    assert (await bench.get("SEQ1:HEALTH"), await bench.get("SEQ1:STATE")) == ("DMA underrun", "UNREADY")
    assert numbers(await bench.land()) == list(range(1, 61))


async def test_a_lost_encoder_stands_still_and_says_so_and_comes_back(bench: Bench) -> None:
    bench.switches["EncoderLoss"].apply("INENC1")
    assert not await connected(bench)
    bench.switches["EncoderLoss"].apply("")
    assert await connected(bench)
    bench.switches["EncoderLossAt"].apply(50)
    bench.switches["EncoderLoss"].apply("INENC1")
    assert await connected(bench)
    await bench.arm()
    await bench.fly()
    assert await bench.get("INENC1:HEALTH") == "Linkup error (=not CONN)"
    rows = await bench.land()
    assert numbers(rows) == list(range(1, 101))
    steps = np.diff(rows["INENC1.VAL.Mean"])
    assert steps[:49] == pytest.approx(1e-3, abs=1e-9)
    assert steps[50:].tolist() == [0.0] * 49


async def connected(bench: Bench) -> bool:
    await bench.run(100 * MS)
    return bool(await bench.get("INENC1:CONN"))


async def test_rows_made_before_the_file_was_open_are_missed(bench: Bench) -> None:
    await bench.put("PCAP:ARM", True)
    frames = table((100, "Immediate", 0, 100_000, 25_000))
    await bench.put(
        "SEQ1:TABLE", {name: np.asarray(column) for name, column in frames.items()} | {"trigger": ["Immediate"]}
    )
    await bench.put("SEQ1:ENABLE", "ONE")
    await bench.run(30 * MS)
    for name, value in (("HDF_DIRECTORY", str(bench.path.parent)), ("HDF_FILE_NAME", "scan.h5"), ("CAPTURE", True)):
        await bench.put(f"DATA:{name}", value)
    await bench.run(150 * MS)
    missed = await bench.get("DATA:MISSED")
    assert 29 <= missed <= 30
    assert numbers(await bench.land()) == list(range(missed + 1, 101))


async def test_what_cannot_go_wrong_is_refused(bench: Bench) -> None:
    with pytest.raises(RefusedPutError, match="INENC9"):
        bench.switches["EncoderLoss"].apply("INENC9")
    with pytest.raises(RefusedPutError, match="-1"):
        bench.switches["PandaOverrunAt"].apply(-1)
