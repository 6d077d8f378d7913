"""A simulated beamline as real servers, over Channel Access and PV Access.

Motors, a trajectory controller, a trigger box and a camera. Nothing here imports the rest of wingbeat, nor is it
imported by it: they meet over the protocols alone. Physics is computed on a timeline of integer nanoseconds, never
ticked, so that what lands in files is exact. Run it with `python -m wingbeat.sim_iocs`.
"""
