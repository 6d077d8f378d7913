"""What is announced: every row once, under the number of its frame, or marked as a row whose frame nobody knows."""

import pytest
from wingbeat.async_devices.flight import Identity, StreamAsset
from wingbeat.flyscan.announcer import Announcer
from wingbeat.stream_resource.frames import FrameRange

from tests.flyscan.test_ledger import Camera, fly, ledger_of

PLANNED = 40


class Recorder:
    """As much of a detector as the announcer asks for."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def assets(self) -> tuple[StreamAsset, ...]:
        return (StreamAsset(data_key=self.name, uri=f"file://localhost/{self.name}.h5", dataset="d", chunk_shape=(1,)),)


async def datums_of(identity: Identity, camera: Camera) -> list[dict]:
    ledger = ledger_of(PLANNED, identity)
    fly(ledger, camera, [12, 25])
    ledger.advance()
    announcer = Announcer(ledger, [Recorder("panda"), Recorder("cam")])
    documents = [document async for document in announcer.documents()]
    resource = next(doc["uid"] for _, doc in documents if doc.get("data_key") == "cam")
    return [doc for name, doc in documents if name == "stream_datum" and doc["stream_resource"] == resource]


def covered(datums: list[dict]) -> list[int]:
    return [row for doc in datums for row in range(doc["indices"]["start"], doc["indices"]["stop"])]


@pytest.mark.parametrize("identity", list(Identity))
async def test_every_row_is_announced_once_whatever_is_known_of_it(identity: Identity):
    camera = Camera(PLANNED, lost={23}, dropped={7})
    assert covered(await datums_of(identity, camera)) == list(range(len(camera.frames)))


async def test_rows_of_a_window_that_lacks_a_frame_are_marked_unknown_and_no_others():
    datums = await datums_of(Identity.SOFTWARE_TIME, Camera(PLANNED, lost={23}))
    marked = [FrameRange(doc["seq_nums"]["start"], doc["seq_nums"]["stop"]) for doc in datums if "verdict" in doc]
    assert [doc["verdict"] for doc in datums if "verdict" in doc] == ["unknown"]
    assert marked == [FrameRange(21, 30)]  # nine rows of the window of frames 20 to 29


async def test_where_the_identity_names_the_lost_frame_nothing_is_marked():
    datums = await datums_of(Identity.HARDWARE_TIME, Camera(PLANNED, lost={23}))
    assert not [doc for doc in datums if "verdict" in doc]
