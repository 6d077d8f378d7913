"""What the demonstration can be asked for."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """The command line of `wingbeat demo`.

    Attributes:
        data: Directory of journal, catalogue and files; made if it does not exist.
        once: Leave after the ledger instead of serving on.
        faults: Lose two triggers and drop one frame.
        seed: Where they are lost; also the seed of the simulated beamline.
        json: Where to write the ledger and the paths of what was written, for other programs; None: nowhere.
        port: Of the data API; 0 takes a free one.
        lines: Of the raster, along y.
        points: Frames per line, along x.
        size: Width and height of a frame in pixels.
        step: Between frames of a line, in mm.
    """

    data: Path = Path("wingbeat-demo")
    once: bool = False
    faults: bool = False
    seed: int = 1
    json: Path | None = None
    port: int = 0
    lines: int = 50
    points: int = 100
    size: int = 64
    step: float = 0.01
