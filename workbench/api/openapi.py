"""The OpenAPI file: scopes, the bearer token and the Idempotency-Key written beside every route."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from workbench.api.routes.common import WHY
from workbench.api.scopes import OPEN, SAFE_METHODS, needed

KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key again with the same body is answered again, and carried out once; kept for a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[ -~]+$"},
}
ABOUT = (
    "The desk of one Workbench on this machine. Every request carries `Authorization: Bearer <token>`; a token has the "
    "scopes read, trade, stop. Values that are not known are null. Times are UTC nanoseconds unless a field says "
    "otherwise, prices are points, money is USD. Live data: the WebSocket `/ws`."
)


def describe(app: FastAPI) -> None:
    """Have `app` write its OpenAPI file this way."""

    def made() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = schema(app)
        return app.openapi_schema

    app.openapi = made  # type: ignore[method-assign]


def schema(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI description of an application."""
    made = get_openapi(title=app.title, version=app.version, description=ABOUT, routes=app.routes)
    made["components"].setdefault("securitySchemes", {})["bearer"] = {"type": "http", "scheme": "bearer"}
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            need = needed(method.upper(), path)
            operation["x-scope"] = need
            operation["security"] = [] if need == OPEN else [{"bearer": []}]
            if method.upper() not in SAFE_METHODS:
                operation.setdefault("parameters", []).append(KEY_HEADER)
            operation["operationId"] = _name(method, path)
            for status in WHY:  # the same refusals everywhere: written once, and referred to
                refusal = operation["responses"].pop(str(status))
                made["components"].setdefault("responses", {}).setdefault(f"Refused{status}", refusal)
                operation["responses"][str(status)] = {"$ref": f"#/components/responses/Refused{status}"}
    for unused in ("HTTPValidationError", "ValidationError"):
        made["components"]["schemas"].pop(unused, None)
    return made


def _name(method: str, path: str) -> str:
    words = [word.strip("{}").replace("-", "_") for word in path.removeprefix("/api/").split("/")]
    return "_".join([method, *words])
