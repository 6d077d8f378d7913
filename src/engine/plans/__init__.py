"""Plans, with bluesky's names, arguments, metadata and hints; each gives the run it has made.

`await count([det])` runs one in the plan that runs here, else in the default engine. A point is a step: a suspension
has it taken again, and its event is there once.
"""

from ..kinship import roots as roots
from ..stubs import move_per_step as move_per_step
from ..stubs import one_1d_step as one_1d_step
from ..stubs import one_nd_step as one_nd_step
from ..stubs import one_shot as one_shot
from .adaptive import adaptive_scan as adaptive_scan
from .adaptive import rel_adaptive_scan as rel_adaptive_scan
from .adaptive import relative_adaptive_scan as relative_adaptive_scan
from .count import count as count
from .flying import fly as fly
from .grids import grid_scan as grid_scan
from .grids import list_grid_scan as list_grid_scan
from .grids import outer_product_scan as outer_product_scan
from .grids import rel_grid_scan as rel_grid_scan
from .grids import rel_list_grid_scan as rel_list_grid_scan
from .grids import relative_outer_product_scan as relative_outer_product_scan
from .lists import list_scan as list_scan
from .lists import log_scan as log_scan
from .lists import rel_list_scan as rel_list_scan
from .lists import rel_log_scan as rel_log_scan
from .lists import relative_list_scan as relative_list_scan
from .lists import relative_log_scan as relative_log_scan
from .metadata import checked_detectors as checked_detectors
from .ramp import ramp_plan as ramp_plan
from .scans import inner_product_scan as inner_product_scan
from .scans import rel_scan as rel_scan
from .scans import relative_inner_product_scan as relative_inner_product_scan
from .scans import relative_scan as relative_scan
from .scans import scan as scan
from .scans import x2x_scan as x2x_scan
from .spirals import rel_spiral as rel_spiral
from .spirals import rel_spiral_fermat as rel_spiral_fermat
from .spirals import rel_spiral_square as rel_spiral_square
from .spirals import relative_spiral as relative_spiral
from .spirals import relative_spiral_fermat as relative_spiral_fermat
from .spirals import spiral as spiral
from .spirals import spiral_fermat as spiral_fermat
from .spirals import spiral_square as spiral_square
from .tuning import tune_centroid as tune_centroid
from .tuning import tweak as tweak
from .walk import scan_nd as scan_nd
