"""The documents of small runs, for the tests of the indexes and the readers."""

from itertools import count

from wingbeat.stream_resource.composer import StreamComposer
from wingbeat.stream_resource.frames import FrameRange

CAM = {"source": "sim", "dtype": "array", "shape": [1, 2, 3], "dtype_numpy": "<u2", "external": "STREAM:"}
X = {"source": "sim", "dtype": "number", "shape": []}


class Documents:
    """Makes (name, doc) pairs of one run, as an engine emits them."""

    def __init__(self, uid="run-1", *, stream="primary", data_keys=None):
        self.uid, self.stream = uid, stream
        self.data_keys = data_keys or {"cam": CAM, "x": X}
        self.composer = StreamComposer(new_uid=map(f"{uid}-r{{}}".format, count()).__next__)
        self.rows = {}
        self.number = count()

    def start(self):
        return "start", {"uid": self.uid, "time": 1.0}

    def descriptor(self, name=None, **more):
        name = name or self.stream
        doc = {
            "uid": f"{self.uid}-{name}",
            "run_start": self.uid,
            "name": name,
            "time": 2.0,
            "data_keys": self.data_keys,
            "object_keys": {"detector": [key for key in self.data_keys if key != "x"], "x": ["x"]},
            "configuration": {},
            "hints": {},
        }
        return "descriptor", doc | more

    def resource(self, key="cam", *, uri="file://localhost/cam.h5", chunk_shape=(1, 2, 3), dataset="/entry/data/data"):
        doc = self.composer.resource(key, uri=uri, dataset=dataset, chunk_shape=chunk_shape)
        self.rows[key] = 0
        return "stream_resource", doc | {"run_start": self.uid}

    def datum(self, seq_nums, key="cam"):
        numbers = FrameRange(*seq_nums)
        rows = FrameRange(self.rows[key], self.rows[key] + numbers.size)
        self.rows[key] = rows.stop
        doc = self.composer.datum(key, rows=rows, seq_nums=numbers)
        return "stream_datum", doc | {"descriptor": f"{self.uid}-{self.stream}"}

    def event(self, seq_num, x, **more):
        doc = {
            "uid": f"{self.uid}-e{next(self.number)}",
            "descriptor": f"{self.uid}-{self.stream}",
            "seq_num": seq_num,
            "time": 10.0 + seq_num,
            "data": {"x": x},
            "timestamps": {"x": 20.0 + seq_num},
            "filled": {},
        }
        return "event", doc | more

    def stop(self, **more):
        doc = {"uid": f"{self.uid}-stop", "run_start": self.uid, "time": 99.0, "exit_status": "success"}
        return "stop", doc | more


def page(*events):
    docs = [doc for _, doc in events]
    columns = {key: [doc[key] for doc in docs] for key in ("uid", "seq_num", "time")}
    nested = {key: {"x": [doc[key]["x"] for doc in docs]} for key in ("data", "timestamps")}
    return "event_page", {"descriptor": docs[0]["descriptor"], "filled": {}} | columns | nested
