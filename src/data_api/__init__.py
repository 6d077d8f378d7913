"""The data API: a process that follows a journal, catalogues its runs and serves their frames over HTTP as they grow.

`python -m wingbeat.data_api DIR` serves; `DataClient` reads.
"""

from .app import make_app as make_app
from .client import DataClient as DataClient
from .client import Frames as Frames
from .errors import DataApiError as DataApiError
from .server import ServeSettings as ServeSettings
from .server import serve as serve
from .service import open_service as open_service
