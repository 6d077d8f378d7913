"""What every test gets: EPICS on loopback, a beamline and a virtual clock on request, a look for what it left behind.

The EPICS environment is set when this file is imported, before any client library can read it: private ports on
loopback, chosen once per session, so that neither a test nor a mistake reaches a real IOC.
"""

import os
from collections.abc import Iterator

import hypothesis
import pytest

from tests import beamline, leaks, virtual_clock

os.environ.update(beamline.environment())


# The same examples in every run: a test that fails today failed yesterday.
hypothesis.settings.register_profile("wingbeat", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("wingbeat")


@pytest.fixture(scope="module")
def simulated_beamline() -> Iterator[beamline.Beamline]:
    """The simulated beamline in a process of its own, at the ports that this process' EPICS clients look at.

    Each module gets a new one: what one module's tests leave on its PVs must not decide whether another's pass.
    """
    with beamline.running() as served:
        yield served
        beamline.forget_channels()


def pytest_configure(config: pytest.Config) -> None:
    """Register what looks for leftovers: hooks in this file are not called for fixtures of the whole session."""
    config.pluginmanager.register(leaks)
    config.pluginmanager.register(virtual_clock)


def pytest_unconfigure() -> None:
    """Give back the ports of this session's servers, and the one that stands in for the CA repeater."""
    beamline.close()
