"""Devices of EPICS IOCs: motors, areaDetector, PandA, PMAC trajectories, and what else a beamline has."""

from .area_detector import AravisDetector as AravisDetector
from .area_detector import AreaDetector as AreaDetector
from .area_detector import EigerDetector as EigerDetector
from .area_detector import PilatusDetector as PilatusDetector
from .area_detector import SimDetector as SimDetector
from .coordinate_system import CoordinateSystem as CoordinateSystem
from .coordinate_system import PmacMotor as PmacMotor
from .motor import Motor as Motor
from .motor_flight import FlyMotorInfo as FlyMotorInfo
from .panda import Panda as Panda
from .pmac import Pmac as Pmac
from .pmac_profile import Profile as Profile
from .scaler import Scaler as Scaler
from .storage_ring import Beam as Beam
from .storage_ring import StorageRing as StorageRing
from .temperature import TemperatureController as TemperatureController
from .valve import Shutter as Shutter
from .valve import Valve as Valve
from .xspress import Xspress3 as Xspress3
