"""A part of the settings file."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the settings file; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)
