"""Wingbeat's hardware abstraction: fully asynchronous devices over Channel Access, PV Access or plain memory.

A device is a tree of signals; `async with connected():` names and connects it. Verbs have bluesky's names: those that
take time return an awaitable Status synchronously, those that give a value are coroutines. Neither aioca nor p4p is
imported here: a back end is loaded when the first signal of its scheme (`ca://`, `pva://`) connects.
"""

from .bench import SoftDetector as SoftDetector
from .bench import SoftMotor as SoftMotor
from .bench_axis import BenchAxis as BenchAxis
from .connect import connected as connected
from .declared import DeclaredDevice as DeclaredDevice
from .declared import Pv as Pv
from .declared import Role as Role
from .declared import Soft as Soft
from .derived import derived_r as derived_r
from .derived import derived_rw as derived_rw
from .device import DEFAULT_TIMEOUT as DEFAULT_TIMEOUT
from .device import Device as Device
from .device import DeviceMap as DeviceMap
from .device import DeviceVector as DeviceVector
from .errors import DeviceError as DeviceError
from .errors import NotConnectedError as NotConnectedError
from .flight import Identity as Identity
from .mocking import mock_of as mock_of
from .paths import DEFAULT_PATHS as DEFAULT_PATHS
from .paths import PathInfo as PathInfo
from .paths import PathProvider as PathProvider
from .paths import RunPathProvider as RunPathProvider
from .paths import StaticPathProvider as StaticPathProvider
from .readable import ReadableDevice as ReadableDevice
from .settings import Settings as Settings
from .settings import current_settings as current_settings
from .settings import restore as restore
from .signal import SignalR as SignalR
from .signal import SignalRW as SignalRW
from .signal import SignalW as SignalW
from .signal import SignalX as SignalX
from .signals import set_and_wait_for_other_value as set_and_wait_for_other_value
from .signals import set_and_wait_for_value as set_and_wait_for_value
from .signals import signal_r as signal_r
from .signals import signal_rbv as signal_rbv
from .signals import signal_rw as signal_rw
from .signals import signal_w as signal_w
from .signals import signal_x as signal_x
from .signals import soft_signal_r_and_setter as soft_signal_r_and_setter
from .signals import soft_signal_rw as soft_signal_rw
from .status import Progress as Progress
from .status import Status as Status
