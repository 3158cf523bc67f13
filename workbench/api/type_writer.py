"""TypeScript types from the OpenAPI description: `python -m workbench.api.type_writer` writes them anew.

Every schema becomes an interface; every route an entry of `Operations`, by which the client types its calls.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "typescript"
TYPES, DESCRIPTION = FOLDER / "src" / "types.ts", FOLDER / "openapi.json"
HEAD = "// Generated from openapi.json by `python -m workbench.api.type_writer`; do not edit.\n"
_SIMPLE = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean", "null": "null"}
_WORD = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


def types(description: dict[str, Any]) -> str:
    """Return the TypeScript text of an OpenAPI description."""
    schemas = description["components"]["schemas"]
    interfaces = [_interface(name, schema) for name, schema in sorted(schemas.items())]
    return "\n".join([HEAD, *interfaces, _operations(description)])


def type_of(schema: dict[str, Any]) -> str:
    """Return the type of a schema.

    >>> type_of({"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]})
    'number[] | null'
    >>> type_of({"type": "object", "properties": {"a-b": {"enum": ["x", 1]}}})
    '{ "a-b"?: "x" | 1 }'
    """
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[1])
    if "enum" in schema or "const" in schema:
        return " | ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(type_of(each) for each in schema["anyOf"]))
    if schema.get("type") == "array":
        inner = type_of(schema.get("items", {}))
        return f"({inner})[]" if " | " in inner else f"{inner}[]"
    if schema.get("type") == "object":
        return _object(schema)
    return _SIMPLE.get(schema.get("type", ""), "unknown")


def _object(schema: dict[str, Any]) -> str:
    if "properties" not in schema:
        more = schema.get("additionalProperties", True)
        return f"Record<string, {type_of(more) if isinstance(more, dict) and more else 'unknown'}>"
    return "{ " + " ".join(_properties(schema)).rstrip(";") + " }"


def _properties(schema: dict[str, Any]) -> Iterator[str]:
    for name, value in schema["properties"].items():
        key = name if _WORD.fullmatch(name) else json.dumps(name)
        mark = "" if name in schema.get("required", []) else "?"
        yield f"{key}{mark}: {type_of(value)};"


def _interface(name: str, schema: dict[str, Any]) -> str:
    told = " ".join(schema.get("description", "").split())
    lines = [f"/** {told} */"] if told else []
    if "properties" not in schema:
        return "\n".join([*lines, f"export type {name} = {type_of(schema)};", ""])
    more = ["  [more: string]: unknown;"] if schema.get("additionalProperties") is True else []
    body = [f"  {line}" for line in _properties(schema)]
    return "\n".join([*lines, f"export interface {name} {{", *body, *more, "}", ""])


def _operations(description: dict[str, Any]) -> str:
    lines = [
        "/** What each route takes and answers; `scope` is what the token needs. */",
        "export interface Operations {",
    ]
    for path, methods in sorted(description["paths"].items()):
        for method, operation in sorted(methods.items()):
            lines.append(f"  {json.dumps(f'{method.upper()} {path}')}: {{")
            lines.append(f"    scope: {json.dumps(operation['x-scope'])};")
            lines += [f"    {part}: {_parameters(operation, where)};" for part, where in _PLACES]
            lines += [f"    body: {_body(operation)};", f"    answer: {_answer(operation)};", "  };"]
    return "\n".join([*lines, "}", ""])


_PLACES = (("path", "path"), ("query", "query"))


def _parameters(operation: dict[str, Any], where: str) -> str:
    found = [each for each in operation.get("parameters", []) if each["in"] == where]
    if not found:
        return "undefined"
    parts = [f"{each['name']}{'' if each.get('required') else '?'}: {type_of(each['schema'])}" for each in found]
    return "{ " + "; ".join(parts) + " }"


def _body(operation: dict[str, Any]) -> str:
    body = operation.get("requestBody")
    if body is None:
        return "undefined"
    written = type_of(body["content"]["application/json"]["schema"]).removesuffix(" | null")
    return written if body.get("required") else f"{written} | undefined"


def _answer(operation: dict[str, Any]) -> str:
    good = next(value for status, value in sorted(operation["responses"].items()) if status.startswith("2"))
    content = good.get("content", {})
    return type_of(content["application/json"]["schema"]) if "application/json" in content else "string"


def current() -> dict[Path, str]:
    """Return the files as they should be, by path."""
    from workbench.api.app import build_app
    from workbench.storage.home import Home

    class Nothing:
        home = Home(Path("nowhere"))

        async def snapshot(self) -> dict[str, Any]:
            return {}

    app = build_app(Nothing(), token="-" * 16)  # type: ignore[arg-type]
    description = app.openapi()
    description["info"]["version"] = "0"  # a new program with the same API is the same client
    text = json.dumps(description, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    return {DESCRIPTION: text, TYPES: types(description)}


def main() -> None:
    """Write the files."""
    for path, text in current().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
