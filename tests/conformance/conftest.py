"""bluesky's own engine, for tests that have it drive our devices."""

import pytest
from bluesky import RunEngine


@pytest.fixture
def engine():
    # Its loop runs in a thread of its own; nothing of it is left when the test has ended.
    engine = RunEngine({}, context_managers=[])
    yield engine
    engine.loop.call_soon_threadsafe(engine.loop.stop)
    engine._th.join(timeout=5)
    engine.loop.close()
