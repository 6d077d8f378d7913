"""The engine's states, cell by cell, and their picture in the documentation."""

from pathlib import Path

import pytest
from wingbeat.engine.errors import TransitionError
from wingbeat.engine.states import TRANSITIONS, Event, State, after, diagram

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("event", list(Event))
def test_every_cell_of_the_table_leads_on_or_is_refused(state: State, event: Event) -> None:
    if event in TRANSITIONS[state]:
        assert after(state, event) is TRANSITIONS[state][event]
        assert f"{state} --> {TRANSITIONS[state][event]}: {event}" in diagram()
    else:
        with pytest.raises(TransitionError, match=f"while the engine is {state}"):
            after(state, event)


def test_every_state_can_be_reached_and_leads_back_to_idle() -> None:
    reached, frontier = {State.IDLE}, [State.IDLE]
    while frontier:
        for following in TRANSITIONS[frontier.pop()].values():
            if following not in reached:
                reached.add(following)
                frontier.append(following)
    assert reached == set(State)
    assert all(Event.END in row for state, row in TRANSITIONS.items() if state is not State.IDLE)


def test_the_diagram_in_the_documentation_is_that_of_the_table() -> None:
    assert diagram() in (DOCS / "reference" / "engine-states.md").read_text()
