"""The run engine: it runs plans, owns every task that they start, and emits documents, the journal first."""

from .errors import EngineError as EngineError
from .foreign import foreign as foreign
from .messages import Msg as Msg
from .plan import Plan as Plan
from .plan import plan as plan
from .run import Run as Run
from .run_engine import RunEngine as RunEngine
from .scope import using as using
from .time_limit import timeout as timeout
