"""Mutants of a module: copies of its source, each with one small fault.

The kinds are comparison, arithmetic, constant, logic and removed call, as in DeMillo, Lipton and
Sayward, "Hints on test data selection" (1978). A mutant never changes docstrings, annotations, or
what a command line prints about itself.
"""

import ast
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal, TypeVar

Kind = Literal["comparison", "arithmetic", "constant", "logic", "call"]

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr,
}  # fmt: skip
IGNORED = (ast.Import, ast.ImportFrom, ast.JoinedStr, ast.arg)

Node = TypeVar("Node", bound=ast.AST)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed copy of a module."""

    kind: Kind
    line: int
    before: str  # the source of the expression or statement
    after: str
    source: str  # the whole module


def list_mutants(source: str) -> list[Mutant]:
    """List all mutants of a module's source, in the order of its nodes."""
    tree = ast.parse(source)
    mutants = []
    for index, node in enumerate(_walk(tree)):
        for kind, changed in _change(node):
            copied = deepcopy(tree)
            target = list(_walk(copied))[index]
            _replace(copied, target, changed)
            text = ast.unparse(ast.fix_missing_locations(copied))
            line = getattr(node, "lineno", 0)
            mutants.append(Mutant(kind, line, ast.unparse(node), ast.unparse(changed), text))
    return mutants


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk in depth, without the nodes that no mutant changes."""
    yield tree
    for name, value in ast.iter_fields(tree):
        if name in ("decorator_list", "returns", "annotation", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, IGNORED):
                yield from _walk(child)


def _change(node: ast.AST) -> Iterator[tuple[Kind, ast.AST]]:
    """Yield the changes of a node that have one fault each."""
    match node:
        case ast.Compare(ops=[operator, *_]) if type(operator) in COMPARISONS:
            yield "comparison", _copy(node, ops=[COMPARISONS[type(operator)](), *node.ops[1:]])
        case ast.BinOp(op=operator) if type(operator) in OPERATORS and not _is_text(node):
            yield "arithmetic", _copy(node, op=OPERATORS[type(operator)]())
        case ast.BoolOp():
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield "logic", _copy(node, op=other)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "logic", operand
        case ast.Constant(value=bool(value)):
            yield "constant", _copy(node, value=not value)
        case ast.Constant(value=int(value) | float(value)):
            yield (
                "constant",
                _copy(node, value=value + 1 if isinstance(value, int) else value * 2 or 1.0),
            )
        case ast.Expr(value=ast.Call()):
            yield "call", ast.Pass()


def _is_text(node: ast.BinOp) -> bool:
    """True for the types `A | B` and for texts, whose operators do not calculate."""
    sides = (node.left, node.right)
    return any(isinstance(side, ast.Constant) and isinstance(side.value, str) for side in sides)


def _copy(node: Node, **changes: object) -> Node:
    copied = deepcopy(node)
    for name, value in changes.items():
        setattr(copied, name, value)
    return copied


def _replace(tree: ast.AST, target: ast.AST, changed: ast.AST) -> None:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is target:
                setattr(parent, name, changed)
            elif isinstance(value, list) and any(child is target for child in value):
                value[:] = [changed if child is target else child for child in value]
