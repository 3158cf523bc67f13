"""The rule builder's form and its YAML, both ways. Pure: every text in, every text out, nothing is guessed.

A form is plain JSON, its numbers as they were typed. A condition is ``{"not", "left", "op", "right", "upper"}``, its
sides references ``{"tf", "name", "args", "back"}``, numbers ``{"number"}`` or other words ``{"raw"}``. What the form
has no field for is kept in the words of the text: ``raw`` conditions, and whole sections in ``rest``.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

import yaml

from workbench.apps.rules_words import is_function
from workbench.domain.errors import InputError

Json = dict[str, Any]
RULES = ("entry.long", "entry.short", "exit.long", "exit.short")
OPERATORS = (">", ">=", "<", "<=", "==", "!=", "crosses above", "crosses below", "between")
UNITS = ("ticks", "points", "percent", "atr")
SIZES = ("contracts", "risk_usd")
_CROSSES = {"cross_above": "crosses above", "cross_below": "crosses below"}
_SIGNS: dict[type[ast.cmpop], str] = {
    ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_TRADING = {"flat_by": "flat_by", "max_trades_per_day": "most_trades", "cooldown": "cooldown"}
_OWN = ("name", "description", "roots", "timeframe", "entry", "exit", "stop", "target", "sizing", "trading")
_KEY = re.compile(r"^([A-Za-z_]+):", re.MULTILINE)
_TIME = re.compile(r"\d\d:\d\d(:\d\d)?")


def empty() -> Json:
    """Return the form that the builder begins with: a crossing of two averages, with a stop and a target."""
    fast, slow = (reference("sma", "close", n) for n in ("10", "30"))
    return {
        "head": "",
        "name": "my_idea",
        "description": "",
        "roots": "MES",
        "timeframe": "1m",
        "rules": {
            "entry.long": {"join": "all", "not": False, "items": [condition(fast, "crosses above", slow)]},
            "entry.short": {"join": "all", "not": False, "items": [condition(fast, "crosses below", slow)]},
            "exit.long": None,
            "exit.short": None,
        },
        "exit_after": "",
        "stop": {"unit": "atr", "amount": "2", "length": "14"},
        "target": {"unit": "atr", "amount": "4", "length": "14"},
        "sizing": {"unit": "contracts", "amount": "1", "most": ""},
        "trading": {"from": "08:30", "to": "14:30", "flat_by": "15:05", "most_trades": "", "cooldown": ""},
        "rest": {},
    }


def reference(name: str, *args: str, back: str = "", tf: str = "") -> Json:
    """Return a reference to a price, a parameter, or an indicator with arguments."""
    return {"tf": tf, "name": name, "args": list(args), "back": back}


def condition(left: Json, op: str, right: Json, upper: Json | None = None, *, negated: bool = False) -> Json:
    """Return a condition; `upper` is the higher bound of ``between``."""
    return {"not": negated, "left": left, "op": op, "right": right, "upper": upper}


# --- from the form to the text ---------------------------------------------------------------------------------------


def to_yaml(form: Json) -> str:
    """Return the strategy file of a form."""
    rest = dict(form.get("rest") or {})
    lines = [form["head"].rstrip("\n")] if form.get("head") else []
    lines.append(f"name: {_word(form['name'])}")
    if form["description"]:
        lines.append(f"description: {_word(form['description'])}")
    lines.append(f"roots: [{', '.join(_word(r) for r in _roots(form))}]")
    lines.append(f"timeframe: {_word(form['timeframe'])}")
    lines += [rest.pop(key).rstrip("\n") for key in ("secondary", "parameters", "constraints") if key in rest]
    for section in ("entry", "exit"):
        lines += [rest.pop(section).rstrip("\n")] if section in rest else _sides(form, section)
    for key in ("stop", "target", "sizing"):
        if key not in rest and form[key]["amount"]:
            lines.append(f"{key}: {{{_amounts(form[key])}}}")
    if "trading" not in rest:
        lines += _trading(form["trading"])
    lines += [block.rstrip("\n") for block in rest.values()]
    return "\n".join(lines) + "\n"


def _roots(form: Json) -> list[str]:
    return [root.strip() for root in form["roots"].split(",") if root.strip()]


def _sides(form: Json, section: str) -> list[str]:
    found = [(side, form["rules"].get(f"{section}.{side}")) for side in ("long", "short")]
    lines = [f"  {side}: {_word(group_text(group))}" for side, group in found if group and group["items"]]
    if section == "exit" and form["exit_after"]:
        lines.append(f"  after_bars: {_word(form['exit_after'])}")
    return [f"{section}:", *lines] if lines else [f"{section}: {{}}"] if section == "entry" else []


def _amounts(given: Json) -> str:
    parts = [f"{given['unit']}: {_word(given['amount'])}"]
    if given["unit"] == "atr" and given.get("length"):
        parts.append(f"length: {_word(given['length'])}")
    if given["unit"] == "risk_usd" and given.get("most"):
        parts.append(f"max_contracts: {_word(given['most'])}")
    return ", ".join(parts)


def _trading(given: Json) -> list[str]:
    lines = []
    if given["from"] or given["to"]:
        lines.append(f"  window: [{json.dumps(given['from'])}, {json.dumps(given['to'])}]")
    for key, name in _TRADING.items():
        if given[name]:
            lines.append(f"  {key}: {json.dumps(given[name]) if key == 'flat_by' else _word(given[name])}")
    return ["trading:", *lines] if lines else []


def group_text(group: Json) -> str:
    """Return a group of conditions as a rule writes it.

    >>> both = [condition(reference("close"), ">", reference("close", back="1")), {"not": True, "raw": "a or b"}]
    >>> group_text({"join": "all", "not": False, "items": both})
    'close > close[1] and not (a or b)'
    """
    parts = [condition_text(item, alone=len(group["items"]) == 1) for item in group["items"]]
    text = (" and " if group["join"] == "all" else " or ").join(parts)
    return f"not ({text})" if group["not"] and len(parts) > 1 else text


def condition_text(item: Json, *, alone: bool = False) -> str:
    """Return one condition as a rule writes it."""
    text = item["raw"] if "raw" in item else _comparison(item)
    if item["not"]:
        return f"not ({text})"
    joined = isinstance(_parsed(text), ast.BoolOp) if "raw" in item and not alone else False
    return f"({text})" if joined else text


def _comparison(item: Json) -> str:
    left, right, op = reference_text(item["left"]), reference_text(item["right"]), item["op"]
    if op == "between":
        return f"{right} <= {left} <= {reference_text(item['upper'] or {'number': '0'})}"
    if op in _CROSSES.values():
        return f"{op.replace('crosses', 'cross').replace(' ', '_')}({left}, {right})"
    return f"{left} {op} {right}"


def reference_text(ref: Json) -> str:
    """Return one side of a condition as a rule writes it.

    >>> reference_text(reference("sma", "close", "20", back="1", tf="1h")), reference_text({"number": "-3.5"})
    ('tf("1h").sma(close, 20)[1]', '-3.5')
    """
    if "number" in ref:
        return str(ref["number"])
    if "raw" in ref:
        return str(ref["raw"])
    called = f"{ref['name']}({', '.join(ref['args'])})" if ref["args"] or is_function(ref["name"]) else ref["name"]
    above = f"tf({json.dumps(ref['tf'])})." if ref["tf"] else ""
    return f"{above}{called}" + (f"[{ref['back']}]" if ref["back"] else "")


def _word(text: str) -> str:
    # A plain YAML scalar where that is what it stays, else a quoted one.
    text = " ".join(str(text).split())
    special = not text or text[0] in "&*!|>%@`\"'#{}[],?" or ": " in text or " #" in text or text[-1] == ":"
    return json.dumps(text, ensure_ascii=False) if special or text.startswith("- ") or _TIME.fullmatch(text) else text


# --- from the text to the form ---------------------------------------------------------------------------------------


def from_yaml(text: str) -> Json:
    """Return the form of a strategy file.

    Raises
    ------
    InputError
        The text is not YAML with keys, or a condition in it cannot be parsed: the form cannot show it.
    """
    try:
        data = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - the loader that makes texts of everything
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise InputError(f"this is not YAML{where}: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise InputError("a strategy is keys and values, such as name: my_idea (line 1)")
    blocks, head = _blocks(text)
    form = {**empty(), "head": head, "rest": {k: b for k, b in blocks.items() if k not in _OWN}}
    form.update({key: _text(data.get(key, "")) for key in ("name", "description", "timeframe")})
    roots = data.get("roots", [])
    form["roots"] = ", ".join(map(_text, roots)) if isinstance(roots, list) else _text(roots)
    form["rules"], form["exit_after"] = dict.fromkeys(RULES), ""
    readers = {
        "entry": _read_sides, "exit": _read_sides, "stop": _read_distance, "target": _read_distance,
        "sizing": _read_sizing, "trading": _read_trading,
    }  # fmt: skip
    for key, read in readers.items():
        if not read(form, key, data.get(key, {})):
            form["rest"][key] = blocks[key]
    return form


def _blocks(text: str) -> tuple[dict[str, str], str]:
    found = list(_KEY.finditer(text))
    ends = [*(match.start() for match in found[1:]), len(text)]
    head = text[: found[0].start()] if found else ""
    return {m[1]: text[m.start() : end] for m, end in zip(found, ends, strict=True)}, head


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise InputError("name, description, timeframe and roots are plain words")
    return value


def _read_sides(form: Json, section: str, given: Any) -> bool:
    known = {"long", "short", "after_bars"} if section == "exit" else {"long", "short"}
    if not _holds(given, known):
        return False
    for side in ("long", "short"):
        if given.get(side):
            form["rules"][f"{section}.{side}"] = read_group(given[side], f"{section}.{side}")
    if section == "exit":
        form["exit_after"] = given.get("after_bars", "")
    return True


def _read_distance(form: Json, key: str, given: Any) -> bool:
    units = [unit for unit in UNITS if isinstance(given, dict) and unit in given]
    form[key] = {"unit": "ticks", "amount": "", "length": ""}
    if given == {}:
        return True
    if len(units) != 1 or not _holds(given, {units[0], "length"} if units == ["atr"] else set(units)):
        return False
    form[key] = {"unit": units[0], "amount": given[units[0]], "length": given.get("length", "")}
    return True


def _read_sizing(form: Json, key: str, given: Any) -> bool:
    form[key] = {"unit": "contracts", "amount": "", "most": ""}
    for unit, more in (("contracts", set[str]()), ("risk_usd", {"max_contracts"})):
        if isinstance(given, dict) and unit in given and _holds(given, {unit} | more):
            form[key] = {"unit": unit, "amount": given[unit], "most": given.get("max_contracts", "")}
            return True
    return bool(given == {})


def _read_trading(form: Json, key: str, given: Any) -> bool:
    form[key] = {"from": "", "to": "", **dict.fromkeys(_TRADING.values(), "")}
    if not isinstance(given, dict):
        return False
    window = given.get("window", ["", ""])
    others = {name: value for name, value in given.items() if name != "window"}
    if not (isinstance(window, list) and len(window) == 2 and all(isinstance(w, str) for w in window)):
        return False
    if not _holds(others, set(_TRADING)):
        return False
    form[key].update({"from": window[0], "to": window[1], **{_TRADING[n]: v for n, v in others.items()}})
    return True


def _holds(given: Any, keys: set[str]) -> bool:
    return isinstance(given, dict) and set(given) <= keys and all(isinstance(v, str) for v in given.values())


# --- conditions ------------------------------------------------------------------------------------------------------


def read_group(text: str, where: str = "rule") -> Json:
    """Return the group of conditions that a rule is.

    Raises
    ------
    InputError
        It cannot be parsed.
    """
    text = " ".join(text.split())
    node = _parsed(text)
    if node is None:
        raise InputError(f"{where} cannot be read into the form: {text}")
    negated = False
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) and isinstance(node.operand, ast.BoolOp):
        node, negated = node.operand, True
    if isinstance(node, ast.BoolOp):
        join = "all" if isinstance(node.op, ast.And) else "any"
        return {"join": join, "not": negated, "items": [_condition(part, text) for part in node.values]}
    return {"join": "all", "not": False, "items": [_condition(node, text)]}


def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _condition(node: ast.expr, text: str) -> Json:
    negated = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    inner = node.operand if isinstance(node, ast.UnaryOp) and negated else node
    match inner:
        case ast.Compare(left, [op], [right]) if type(op) in _SIGNS:
            return condition(_ref(left, text), _SIGNS[type(op)], _ref(right, text), negated=negated)
        case ast.Compare(low, [ast.LtE(), ast.LtE()], [of, high]):
            return condition(_ref(of, text), "between", _ref(low, text), _ref(high, text), negated=negated)
        case ast.Call(ast.Name(name), [left, right], []) if name in _CROSSES:
            return condition(_ref(left, text), _CROSSES[name], _ref(right, text), negated=negated)
    return {"not": negated, "raw": _source(inner, text)}


def _ref(node: ast.expr, text: str) -> Json:
    source = _source(node, text)
    if re.fullmatch(r"-?\d+(\.\d+)?", source):
        return {"number": source}
    back, tf = "", ""
    if isinstance(node, ast.Subscript):
        back, node = _source(node.slice, text), node.value
    match node:
        case ast.Name(name):
            return reference(name, back=back)
        case ast.Call(ast.Name(name), args, []):
            return reference(name, *(_source(arg, text) for arg in args), back=back)
    match node:
        case ast.Attribute(ast.Call(ast.Name("tf"), [ast.Constant(str(tf))], []), name):
            return reference(name, back=back, tf=tf)
        case ast.Call(ast.Attribute(ast.Call(ast.Name("tf"), [ast.Constant(str(tf))], []), name), args, []):
            return reference(name, *(_source(arg, text) for arg in args), back=back, tf=tf)
    return {"raw": source}


def _source(node: ast.expr, text: str) -> str:
    return ast.get_source_segment(text, node) or ast.unparse(node)
