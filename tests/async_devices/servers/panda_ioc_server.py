"""A PandA as PandABlocks-ioc serves one: its PVI, its types, its file. Ends when its stdin does.

Numbered blocks are an array of entries in PVI, whose index is the number; REPEATS is a double without decimals, outputs
are bytes, ACTIVE is an enum of two choices. DATA has no `flush_now`, its table of datasets says float64 of everything,
and the file exists once PCAP has been armed, with an ISO `start_time`.
"""

import sys
import time
from pathlib import Path

import h5py
import numpy as np
from p4p import Type, Value
from p4p.nt import NTEnum, NTScalar, NTTable
from p4p.server import Server
from p4p.server.thread import SharedPV

PREFIX, TCP, UDP = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
ROWS = 10
provider = {}


class Keeps:
    def __init__(self, then=None):
        self.then = then

    def put(self, pv, op):
        pv.post(op.value(), timestamp=time.time())
        if self.then is not None:
            self.then()
        op.done()


def scalar(name, code, value, then=None, **meta):
    full = {"display": True, "control": True, "form": True} if meta else {}
    provider[PREFIX + name] = SharedPV(nt=NTScalar(code, **full), initial={"value": value, **meta}, handler=Keeps(then))


def enum(name, *labels, then=None):
    provider[PREFIX + name] = SharedPV(nt=NTEnum(), initial={"index": 0, "choices": list(labels)}, handler=Keeps(then))


def table(name, columns, value):
    provider[PREFIX + name] = SharedPV(nt=NTTable(columns), initial=value, handler=Keeps())


def pvi(name, value, type_):
    filled = Value(Type([("value", type_)], id="epics:nt/NTPVI:1.0"), {"value": value})
    provider[PREFIX + name] = SharedPV(initial=filled)


def fields(block, **access):
    """The PVI of a block: a field per keyword, with its access."""
    entries = {field: {way: f"{PREFIX}{block}:{field.upper()}"} for field, way in access.items()}
    pvi(f"{block}:PVI", entries, ("S", None, [(f, ("S", None, [(w, "s")])) for f, w in access.items()]))


def value_of(name):
    return provider[PREFIX + name].current().raw["value"]


def captured():
    """PCAP was armed or disarmed: the file appears, ten rows in it."""
    armed = bool(value_of("PCAP:ARM")["index"])
    provider[PREFIX + "PCAP:ACTIVE"].post({"index": int(armed), "choices": ["0", "1"]})
    if not armed:
        return
    path = Path(value_of("DATA:HDF_DIRECTORY"), value_of("DATA:HDF_FILE_NAME"))
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs["start_time"] = "2026-01-02T03:04:05.123456789Z"
        file["COUNTER1.OUT.Value"] = np.arange(1.0, ROWS + 1)
        file["PCAP.TS_START.Value"] = np.arange(ROWS) * 1e-3
        file["PCAP.BITS0.Value"] = np.zeros(ROWS, np.uint32)
    for name in ("NUM_RECEIVED", "NUM_CAPTURED"):
        provider[f"{PREFIX}DATA:{name}"].post(ROWS)


COLUMNS = [("repeats", "H"), ("trigger", "s"), ("position", "i"), ("time1", "I"), ("time2", "I")]
OUTPUTS = [(f"out{letter}{phase}", "B") for letter in "abcdef" for phase in (1, 2)]

for seq in ("SEQ1", "SEQ2"):
    table(f"{seq}:TABLE", COLUMNS + OUTPUTS, [])
    enum(f"{seq}:ENABLE", "ZERO", "ONE")
    scalar(f"{seq}:PRESCALE", "d", 0.0)
    enum(f"{seq}:PRESCALE_UNITS", "min", "s", "ms", "us")
    scalar(f"{seq}:REPEATS", "d", 1.0, display={"precision": 0})
    enum(f"{seq}:ACTIVE", "0", "1")
    enum(f"{seq}:HEALTH", "OK", "DMA underrun")
    scalar(f"{seq}:LABEL", "s", "")
    fields(
        seq,
        table="rw",
        enable="rw",
        prescale="rw",
        prescale_units="rw",
        repeats="rw",
        active="r",
        health="r",
        label="rw",
    )
enum("PCAP:ARM", "Disarm", "Arm", then=captured)
enum("PCAP:ACTIVE", "0", "1")
fields("PCAP", arm="rw", active="r")
for name in ("HDF_DIRECTORY", "HDF_FILE_NAME", "STATUS"):
    scalar(f"DATA:{name}", "s", "")
for name in ("NUM_CAPTURE", "NUM_CAPTURED", "NUM_RECEIVED", "CREATE_DIRECTORY"):
    scalar(f"DATA:{name}", "i", 0)
enum("DATA:DIRECTORY_EXISTS", "No", "Yes")
provider[PREFIX + "DATA:DIRECTORY_EXISTS"].post({"index": 1, "choices": ["No", "Yes"]})
enum("DATA:CAPTURE", "0", "1")
enum("DATA:CAPTURE_MODE", "FIRST_N", "LAST_N", "FOREVER")
scalar("DATA:FLUSH_PERIOD", "d", 1.0)
NAMES = ("COUNTER1.OUT.Value", "PCAP.TS_START.Value", "PCAP.BITS0.Value")
table("DATA:DATASETS", [("name", "s"), ("dtype", "s")], [{"name": name, "dtype": "float64"} for name in NAMES])
fields(
    "DATA",
    hdf_directory="rw",
    hdf_file_name="rw",
    status="r",
    num_capture="rw",
    num_captured="r",
    num_received="r",
    create_directory="rw",
    directory_exists="r",
    capture="rw",
    capture_mode="rw",
    flush_period="rw",
    datasets="r",
)
D = [("d", "s")]
pvi(
    "PVI",
    {
        "seq": [None, {"d": f"{PREFIX}SEQ1:PVI"}, {"d": f"{PREFIX}SEQ2:PVI"}],
        "pcap": {"d": f"{PREFIX}PCAP:PVI"},
        "data": {"d": f"{PREFIX}DATA:PVI"},
    },
    ("S", None, [("seq", ("aS", None, D)), ("pcap", ("S", None, D)), ("data", ("S", None, D))]),
)

conf = {
    "EPICS_PVAS_INTF_ADDR_LIST": "127.0.0.1",
    "EPICS_PVAS_SERVER_PORT": str(TCP),
    "EPICS_PVAS_BROADCAST_PORT": str(UDP),
}
with Server(providers=[provider], conf=conf, useenv=False):
    print("ready", flush=True)
    sys.stdin.read()
