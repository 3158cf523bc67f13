"""What the control panel's start form offers: strategies with what they declare, accounts, contracts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from workbench.domain.contract import spec
from workbench.domain.errors import InputError, WorkbenchError

Json = dict[str, Any]
MOST_VERSIONS = 100
FOLDER = Path(__file__).resolve().parents[2] / "strategies"  # beside the package
SHIPPED, STORED = "shipped:", "version:"


class Asked(Protocol):
    """What the form asks of a desk client."""

    def ask(self, method: str, path: str, **options: Any) -> Any: ...


def offers(desk: Asked, snapshot: Json) -> Json:
    """Return what may be chosen: stored versions (the newest first), shipped strategies, and linked accounts."""
    stored = [
        {"id": f"{STORED}{row['version']}", "label": f"{row['name']}@{row['version'][:8]} · {row['state']}"}
        for row in desk.ask("GET", "/api/strategies", params={"limit": MOST_VERSIONS})
    ]
    shipped = [{"id": f"{SHIPPED}{name}", "label": name} for name in _shipped()]
    accounts = [
        {"account": a["account"], "label": f"{a['account']} {a['name']} · {a['kind']}"}
        for a in snapshot.get("accounts", [])
        if a.get("linked") and a.get("can_trade") is not False
    ]
    return {"stored": stored, "shipped": shipped, "accounts": accounts}


def declaration(what: str, strategy: Any, snapshot: Json) -> Json:
    """Return what a strategy declares, as the form needs it: parameters with ranges, and contracts it is made for."""
    parameters = [
        {
            "name": p.name,
            "type": p.type,
            "value": strategy.values[p.name],
            "min": p.min,
            "max": p.max,
            "step": p.step,
            "about": p.description,
        }
        for p in strategy.parameters.values()
    ]
    return {
        "what": what,
        "name": strategy.name,
        "about": strategy.description,
        "timeframe": strategy.timeframe,
        "root": strategy.roots[0],
        "contracts": _contracts(snapshot, strategy.roots),
        "parameters": parameters,
    }


def chosen(desk: Asked, what: str) -> Any:
    """Return the strategy that the form means.

    Raises
    ------
    InputError
        Nothing goes by this name.
    """
    from workbench.rules.load import load_strategy, parse_strategy

    if what.startswith(STORED):
        version = what.removeprefix(STORED)
        return parse_strategy(desk.ask("GET", f"/api/strategies/{version}")["source"])
    file = _shipped().get(what.removeprefix(SHIPPED))
    if file is None:
        raise InputError(f"there is no strategy {what!r} any more; choose again")
    return load_strategy(file)


def _shipped() -> dict[str, Path]:
    files = sorted(FOLDER.iterdir()) if FOLDER.is_dir() else []
    return {file.stem: file for file in files if file.suffix in (".yaml", ".yml", ".py")}


def _contracts(snapshot: Json, roots: tuple[str, ...]) -> list[str]:
    """Return the contracts that the desk knows of and the strategy is made for."""
    known = {row["contract"] for part in ("data", "sessions") for row in snapshot.get(part, [])}
    known |= {p["contract"] for a in snapshot.get("accounts", []) for p in a.get("positions", [])}
    return sorted(contract for contract in known if _root(contract) in roots)


def _root(contract: str) -> str:
    try:
        return spec(contract).exchange_root
    except WorkbenchError:
        return ""
