"""What the routes share: answers as JSON, documented refusals, and slices of lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import Path, Query, Request, Response

from workbench.api.scopes import Principal
from workbench.services.desk_answers import Refusal
from workbench.services.desk_bodies import LARGEST

ENCODER = msgspec.json.Encoder(decimal_format="number")
WHY = {
    400: "The Host is not served here, or the request cannot be read.",
    401: "Token missing, wrong, expired or revoked.",
    403: "The token has too small a scope, or the Origin may not call.",
    404: "There is no such path or thing.",
    408: "The body did not arrive in time.",
    409: "Refused, with the reason; nothing was done, or the Idempotency-Key was used for something else.",
    413: "The body is too long.",
    422: "A value is wrong; nothing was done.",
    423: "The emergency stop is latched.",
    429: "Too many requests with this token.",
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refusal, "description": why} for status, why in WHY.items()
}

AccountQuery = Annotated[int | None, Query(ge=0, le=LARGEST, description="One account only.", examples=[1001])]
AccountPath = Annotated[int, Path(ge=0, le=LARGEST, examples=[1001])]
ContractPath = Annotated[str, Path(min_length=1, max_length=64, examples=["CON.F.US.MES.Z26"])]
OrderPath = Annotated[int, Path(ge=0, le=2**63 - 1, examples=[9002])]
NamePath = Annotated[str, Path(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]*$")]


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is wanted."""

    limit: int
    offset: int

    def of(self, rows: Sequence[Any]) -> Response:
        """Return this part, with the length of the whole in ``X-Total-Count``."""
        response = answer(rows[self.offset : self.offset + self.limit])
        response.headers["x-total-count"] = str(len(rows))
        return response


def page(
    limit: Annotated[int, Query(ge=1, le=1_000, description="Rows of one answer.")] = 500,
    offset: Annotated[int, Query(ge=0, le=1_000_000, description="Rows to skip.")] = 0,
) -> Page:
    """Read the paging of a request."""
    return Page(limit, offset)


def answer(body: Any, status: int = 200) -> Response:
    """Return `body` as JSON: Decimals as numbers, NaN and infinity as null."""
    return Response(ENCODER.encode(body), status_code=status, media_type="application/json")


def nothing(what: str) -> Response:
    """Return 404 in the shape of every refusal."""
    return answer({"error": f"there is no {what}", "kind": "NotFound"}, 404)


def name_of(request: Request) -> str:
    """Return the name of the token that a request came with."""
    principal: Principal | None = request.scope["state"].get("principal")
    return principal.name if principal is not None else "?"


def is_desks_own(request: Request) -> bool:
    """Whether a request came with the desk's own token."""
    principal: Principal | None = request.scope["state"].get("principal")
    return principal is not None and principal.kind == "desk"
