"""Small faults in a module's source, one at a time: where they may be put, and the source with one in it.

Not put into messages, docstrings, annotations, decorators and assertions: no test should hold those.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or,
    ast.Or: ast.And, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
"""What stands for what."""


@dataclass(frozen=True)
class Mutant:
    module: str
    """As it is imported."""
    index: int
    """Among the module's places."""
    line: int
    what: str


@dataclass(frozen=True)
class _Place:
    line: int
    what: str
    apply: Callable[[], None]
    """Puts the fault into the tree."""


def mutants_of(module: str, source: str) -> list[Mutant]:
    """Every fault that may be put into a module."""
    return [Mutant(module, i, place.line, place.what) for i, place in enumerate(_places(ast.parse(source)))]


def with_fault(source: str, mutant: Mutant) -> ast.Module:
    tree = ast.parse(source)
    list(_places(tree))[mutant.index].apply()
    return ast.fix_missing_locations(tree)


def _places(tree: ast.Module) -> Iterator[_Place]:
    for node in _code(tree):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.BinOp(op=op) | ast.BoolOp(op=op) | ast.AugAssign(op=op) if type(op) in OPERATORS:
                new = OPERATORS[type(op)]()
                yield _Place(line, f"{_name(op)} -> {_name(new)}", _set(node, "op", new))
            case ast.Compare(ops=ops):
                for k, op in enumerate(ops):
                    if type(op) in OPERATORS:
                        new = OPERATORS[type(op)]()
                        yield _Place(line, f"{_name(op)} -> {_name(new)}", _set_item(ops, k, new))
            case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
                yield _Place(line, f"{_name(node.op)} left out", _replace(node, operand))
            case ast.Constant(value=bool() as value):
                yield _Place(line, f"{value} -> {not value}", _set(node, "value", not value))
            case ast.Constant(value=int() | float() as value):
                yield _Place(line, f"{value} -> {value + 1}", _set(node, "value", value + 1))
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
                yield _Place(line, "condition turned over", _set(node, "test", ast.UnaryOp(ast.Not(), test)))
            case ast.Return(value=ast.expr()):
                yield _Place(line, "returns None", _set(node, "value", ast.Constant(None)))
        for field in ("body", "orelse"):
            statements = getattr(node, field, None)
            for k, statement in enumerate(statements if isinstance(statements, list) else ()):
                if isinstance(statement, ast.Raise | ast.AugAssign | ast.Continue) or _is_call(statement):
                    yield _Place(statement.lineno, "statement left out", _set_item(statements, k, ast.Pass()))


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run and matter, in the order of the source."""
    yield node
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "decorator_list", "type_params"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.Raise | ast.Assert | ast.JoinedStr):
                continue
            yield from _code(child)


def _is_call(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)


def _name(node: ast.AST) -> str:
    return type(node).__name__


def _set(node: ast.AST, field: str, value: object) -> Callable[[], None]:
    return lambda: setattr(node, field, value)


def _set_item(items: list[ast.AST], k: int, value: ast.AST) -> Callable[[], None]:
    return lambda: items.__setitem__(k, value)


def _replace(node: ast.UnaryOp, operand: ast.expr) -> Callable[[], None]:
    def apply() -> None:
        node.op = ast.UAdd()
        if not isinstance(operand, ast.Constant):
            node.__class__ = ast.IfExp  # `x if True else x`: the operand, whatever its type
            node.__dict__.update(test=ast.Constant(True), body=operand, orelse=operand)

    return apply
