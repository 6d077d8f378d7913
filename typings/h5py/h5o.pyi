from .h5d import DatasetID

class ObjInfo:
    @property
    def addr(self) -> int: ...

def get_info(loc: DatasetID) -> ObjInfo: ...
