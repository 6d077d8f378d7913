"""Devices of EPICS IOCs: motor records, areaDetector, PandA, PMAC trajectories."""

from .area_detector import AreaDetector as AreaDetector
from .motor import Motor as Motor
from .panda import Panda as Panda
from .pmac import Pmac as Pmac
