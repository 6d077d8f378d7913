"""How a trigger box is wired, how large it is, and what its data port takes."""

from pydantic import Field

from .section import Section


class PandaSettings(Section):
    """A trigger box.

    Attributes:
        encoders: Motor name of each encoder input.
        inputs: What drives each TTL input: an output of a trajectory controller, as PMAC.GPIO1.
        blocks: How many there are of a kind of block, as LUT: 4, where not as many as usual.
        data_rate: Bytes a second that the data port takes.
        data_buffer: Bytes that it holds while they wait.
    """

    encoders: dict[str, str] = Field(default={"INENC1": "X", "INENC2": "Y"})
    inputs: dict[str, str] = Field(default={})
    blocks: dict[str, int] = Field(default={})
    data_rate: float = Field(default=60e6, gt=0)
    data_buffer: float = Field(default=128 * 2**21, gt=0)
