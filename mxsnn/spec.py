"""Constructor calls as text, `LIF(tau=30, reset=to_value(0))`: how a configuration says which object it means."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

from mxsnn.errors import UserError


def build(text: str, names: Mapping[str, Callable[..., Any]]) -> Any:
    """The object that `text` describes: a name of `names` (dots in it, too), or its call with literals and further names and calls.

    Nothing else is evaluated. Raises UserError, with a suggestion, for unknown names, for what is no such call, and for
    arguments that the constructor refuses.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise UserError(f"cannot read {text!r}: {error.msg}; write it like Name(option=value)") from None
    except (ValueError, MemoryError, RecursionError):
        raise UserError(f"cannot read {text[:80]!r}; write it like Name(option=value)") from None
    return _value(tree, text, names)


def suggestion(word: str, known: Mapping[str, Any] | list[str]) -> str:
    """`; did you mean ...?` where something known is close, else what is known."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known)}"


def _value(node: ast.expr, text: str, names: Mapping[str, Callable[..., Any]]) -> Any:
    dotted = isinstance(node, ast.Attribute) and any(name.startswith(f"{ast.unparse(node.value)}.") for name in names)
    if isinstance(node, ast.Name) or dotted:
        word = ast.unparse(node)
        if word == "inf":
            return float("inf")
        if word not in names:
            raise UserError(f"{word!r} in {text!r} is unknown{suggestion(word, names)}")
        return names[word]
    if isinstance(node, ast.Call):
        constructor = _value(node.func, text, names)
        if any(k.arg is None for k in node.keywords):
            raise UserError(f"cannot read {text!r}: ** is not understood; name each option")
        args = [_value(a, text, names) for a in node.args]
        kwargs = {k.arg: _value(k.value, text, names) for k in node.keywords if k.arg}
        try:
            return constructor(*args, **kwargs)
        except (TypeError, ValueError) as error:
            raise UserError(f"{text}: {error}") from None
    if isinstance(node, ast.Tuple | ast.List):
        values = [_value(each, text, names) for each in node.elts]
        return tuple(values) if isinstance(node, ast.Tuple) else values
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise UserError(f"cannot read {ast.unparse(node)!r} in {text!r}: only names, calls and literals are understood") from None


_TYPES: dict[str, tuple[Any, str]] = {
    "str": (str, "text"),
    "int": (Integral, "a whole number"),
    "float": (Real, "a number"),
    "bool": (bool, "True or False"),
    "Codec": (Callable, ""),
    "None": (type(None), ""),
}


def mistyped(value: object, annotation: str) -> str:
    """What is wrong with a value for a parameter annotated as, say, "int | None"; "" for nothing, or where that is not plain."""
    kinds = annotation.split(" | ")
    if any(kind not in _TYPES or isinstance(value, _TYPES[kind][0]) for kind in kinds):
        return ""
    return f"is {' or '.join(_TYPES[kind][1] for kind in kinds if _TYPES[kind][1])}, got {value!r}"
