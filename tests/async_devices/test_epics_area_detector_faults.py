"""An IOC that is killed or hangs while frames are taken: a typed error in time."""

import asyncio
import os
import signal

import pytest
from wingbeat.async_devices import StaticPathProvider
from wingbeat.async_devices.epics import AreaDetector
from wingbeat.async_devices.errors import DeviceError, DisconnectedError
from wingbeat.stream_resource.files import read_rows
from wingbeat.stream_resource.frames import FrameRange
from wingbeat.stream_resource.uris import path_of_uri

from tests import beamline
from tests.async_devices.cameras import SECONDS, a_run_works, flying

pytestmark = [pytest.mark.system, pytest.mark.slow]


@pytest.fixture
async def cam(simulated_beamline, tmp_path):
    cam = AreaDetector(f"{simulated_beamline.prefix}CAM:", path_provider=StaticPathProvider(tmp_path), name="cam")
    await cam.connect()
    yield cam
    await cam.disconnect()


async def test_an_ioc_that_hangs_is_told_and_the_run_after_it_works(cam, simulated_beamline):
    completion, _ = await flying(cam)
    os.kill(simulated_beamline.pid, signal.SIGSTOP)
    try:
        with pytest.raises(DeviceError, match=r"ca://.*(has not answered|no answer)"):
            async with asyncio.timeout(SECONDS):
                await asyncio.gather(completion, cam.counts())
    finally:
        os.kill(simulated_beamline.pid, signal.SIGCONT)
    async with asyncio.timeout(SECONDS):
        await cam.stop()
    await a_run_works(cam)


async def test_an_ioc_that_is_killed_in_mid_capture_is_told_and_its_file_can_be_read(cam, simulated_beamline):
    completion, _ = await flying(cam)
    rows = (await cam.counts()).written
    await cam.identities(FrameRange(0, rows))
    asset = (await cam.assets())[0]
    os.kill(simulated_beamline.pid, signal.SIGKILL)
    with pytest.raises(DisconnectedError, match="ca://"):
        async with asyncio.timeout(SECONDS):
            await completion
    frames = await asyncio.to_thread(read_rows, path_of_uri(asset.uri), asset.dataset, rows=FrameRange(0, rows))
    assert frames.any(axis=(1, 2)).all()
    again = beamline.running()
    await asyncio.to_thread(again.__enter__)
    try:
        async with asyncio.timeout(SECONDS):
            await cam.connect()
            await cam.stop()
        await a_run_works(cam)
        await cam.disconnect()
    finally:
        beamline.forget_channels()
        await asyncio.to_thread(again.__exit__, None, None, None)
