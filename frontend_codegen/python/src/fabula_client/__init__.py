"""A typed, asynchronous client of the Fabula GraphQL API. `Fabula` is where to begin."""

import warnings

with warnings.catch_warnings():
    # Every class of pydantic has a `register` of abstract base classes; that a mutation has its name harms nobody.
    warnings.filterwarnings("ignore", 'Field name "register"', UserWarning)
    from . import generated as _generated  # noqa: F401

from .client import Fabula, Watched
from .credentials import ApiToken, Credentials
from .errors import (
    BadInput,
    ConnectionLost,
    FabulaError,
    Forbidden,
    InternalError,
    NotGraphQL,
    RateLimited,
    RequestRefused,
    Unauthenticated,
    UserErrors,
    check,
)
from .generated.enums import *  # noqa: F403
from .generated.input_types import *  # noqa: F403
from .session import Session, Tokens
from .streams import StreamState, reduce_stream

__all__ = [
    "ApiToken",
    "BadInput",
    "ConnectionLost",
    "Credentials",
    "Fabula",
    "FabulaError",
    "Forbidden",
    "InternalError",
    "NotGraphQL",
    "RateLimited",
    "RequestRefused",
    "Session",
    "StreamState",
    "Tokens",
    "Unauthenticated",
    "UserErrors",
    "Watched",
    "check",
    "reduce_stream",
]
