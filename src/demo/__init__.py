"""The demonstration: the simulated beamline, one fly scan over CA and PVA, and its frames read back over HTTP.

It is written as a user would write it, from the public parts, and judges the result by the one law.
"""

from .errors import DemoError as DemoError
from .options import DemoOptions as DemoOptions
from .story import run_demo as run_demo
