"""From a spec to triggers, then flown.

One line flies a hardware-triggered scan, checked before it moves, accounted for while it flies.
"""

from .errors import FlightError as FlightError
from .errors import FlyScanError as FlyScanError
from .errors import InfeasibleScanError as InfeasibleScanError
from .errors import LostFramesError as LostFramesError
from .errors import RigError as RigError
from .errors import SpecError as SpecError
from .errors import StalledDetectorError as StalledDetectorError
from .flight import FlyScan as FlyScan
from .fly_scan import Flight as Flight
from .fly_scan import fly_scan as fly_scan
from .ledger import Ledger as Ledger
from .policy import Policy as Policy
from .preflight import Preflight as Preflight
from .preflight import judge as judge
from .rig import Rig as Rig
from .scan import Scan as Scan
from .scan import compile as compile
from .solve import solve as solve
from .timeline import Timeline as Timeline
from .trajectory import AxisLimits as AxisLimits
from .trajectory import Trajectory as Trajectory
from .triggers import TriggerTable as TriggerTable
from .triggers import encode as encode
from .window import Window as Window
