"""A simulated beamline as real servers, over Channel Access and PV Access.

Motors, a trajectory controller, a trigger box, cameras and point detectors. Nothing here imports the rest of wingbeat,
nor is it imported by it: they meet over the protocols alone. Physics is computed on a timeline of integer nanoseconds,
never ticked, so that what lands in files is exact. Run it with `python -m wingbeat.sim_iocs`, or inside
`async with running(settings) as beamline`; `fly_triggers` runs triggers by the million in virtual time.
"""

from .campaign import Campaign as Campaign
from .campaign import fly_triggers as fly_triggers
from .child import RunningBeamline as RunningBeamline
from .child import running as running
from .errors import NotServedError as NotServedError
