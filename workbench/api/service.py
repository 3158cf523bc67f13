"""What the API asks of a desk; it stands in services/, where the desk that answers stands, too."""

from workbench.services.desk_service import (
    VERBS,
    AllowOrigin,
    ClearStop,
    DeskService,
    Json,
    ManualOrder,
    SessionCommand,
    StartSession,
    StopRequest,
    Verb,
)

__all__ = [
    "VERBS",
    "AllowOrigin",
    "ClearStop",
    "DeskService",
    "Json",
    "ManualOrder",
    "SessionCommand",
    "StartSession",
    "StopRequest",
    "Verb",
]
