"""Figures of the code's style, package by package.

    .venv/bin/python tests/style/figures.py [CHECKOUT]

Counts files and lines, modules at a package's root, functions that are too long or take too many
parameters, imports inside functions without a reason on their line, names that no reader would
search for, docstrings that begin with a question, and functions whose name begins with a verb.
The verbs are those of verbs.txt. Commands may take more parameters, as each is an option.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

PACKAGES = ("edge/vedette_edge", "train/vedette_train", "convert/vedette_convert")
LONGEST, MOST_PARAMETERS = 30, 5
FOREIGN = {
    "said", "told", "wish", "wanted", "given", "made", "found", "doubts", "looks", "material",
    "feeding",
}  # fmt: skip
QUESTIONS = {"What", "Whether", "How", "Where", "Which", "Who"}
VERBS = set((Path(__file__).parent / "verbs.txt").read_text(encoding="utf-8").split())

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = Function | ast.ClassDef | ast.Module


@dataclass(slots=True)
class Figures:
    """The figures of some files."""

    files: int = 0
    lines: int = 0
    at_root: int = 0
    functions: int = 0
    too_long: int = 0
    too_many_parameters: int = 0
    inner_imports: int = 0  # inside functions
    unexplained_imports: int = 0  # those of them without a comment on their line
    untyped_options: int = 0  # parameters of commands that are Any
    foreign_names: int = 0
    docstrings: int = 0
    questions: int = 0
    named: int = 0  # functions but for properties and __dunder__ methods
    verbs: int = 0

    def __add__(self, other: "Figures") -> "Figures":
        names = [field.name for field in fields(self)]
        return Figures(**{name: getattr(self, name) + getattr(other, name) for name in names})


def count_package(root: Path) -> Figures:
    """The figures of all files of a package."""
    return sum((count_file(path, root) for path in sorted(root.rglob("*.py"))), Figures())


def count_file(path: Path, root: Path) -> Figures:
    """The figures of one file of a package."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    lines = text.splitlines()
    figures = Figures(files=1, lines=len(lines), at_root=path.parent == root)
    figures.foreign_names = sum(name in FOREIGN for name in identifiers(tree))
    for node in ast.walk(tree):
        if isinstance(node, Documented) and (docstring := ast.get_docstring(node)):
            figures.docstrings += 1
            figures.questions += docstring.split(maxsplit=1)[0] in QUESTIONS
        if isinstance(node, Function):
            figures += count_function(node, lines)
    return figures


def count_function(node: Function, lines: list[str]) -> Figures:
    """The figures of one function."""
    arguments = node.args
    parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    if arguments.kwarg:
        parameters.append(arguments.kwarg)
    own = [one for one in parameters if one.arg not in ("self", "cls")]
    untyped = [one for one in own if one.annotation and "Any" in ast.unparse(one.annotation)]
    command = is_command(node)
    inner = [one for one in ast.walk(node) if isinstance(one, ast.Import | ast.ImportFrom)]
    named = not node.name.startswith("__") and not is_property(node)
    return Figures(
        functions=1,
        too_long=(node.end_lineno or 0) - node.lineno + 1 > LONGEST,
        too_many_parameters=len(own) > MOST_PARAMETERS and not command,
        inner_imports=len(inner),
        unexplained_imports=sum(not is_explained(one, lines) for one in inner),
        untyped_options=len(untyped) if command else 0,
        named=named,
        verbs=named and begins_with_verb(node.name),
    )


def is_property(node: Function) -> bool:
    """True for a property."""
    names = {ast.unparse(one).rpartition(".")[2] for one in node.decorator_list}
    return bool(names & {"property", "cached_property", "setter"})


def is_command(node: Function) -> bool:
    """True for a command of click's."""
    names = [ast.unparse(one).partition("(")[0] for one in node.decorator_list]
    return bool({"click.command", "click.group"} & set(names))


def is_explained(node: ast.Import | ast.ImportFrom, lines: list[str]) -> bool:
    """True for an import whose line, or the line above it, has a comment."""
    return any("#" in line for line in lines[max(0, node.lineno - 2) : node.end_lineno])


def begins_with_verb(name: str) -> bool:
    """True if the first word of a function's name is a verb."""
    return re.split(r"_", name.strip("_"))[0] in VERBS


def identifiers(tree: ast.AST) -> Iterator[str]:
    """The names that a file binds: variables, parameters, attributes, functions and classes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, Function | ast.ClassDef):
            yield node.name


def main(checkout: Path) -> None:
    """Print a column for each package, and one for all."""
    columns = [count_package(checkout / package) for package in PACKAGES]
    columns.append(sum(columns, Figures()))
    titles = (*(package.rpartition("_")[2] for package in PACKAGES), "all")
    print(" " * 20 + "".join(f"{title:>9}" for title in titles))  # noqa: T201
    for field in fields(Figures):
        row = "".join(f"{getattr(column, field.name):9,}" for column in columns)
        print(f"{field.name.replace('_', ' '):20}{row}")  # noqa: T201
    for title, part, whole in (
        ("questions, share", "questions", "docstrings"),
        ("verbs, share", "verbs", "named"),
    ):
        shares = (getattr(one, part) / getattr(one, whole) for one in columns)
        print(f"{title:20}" + "".join(f"{share:9.1%}" for share in shares))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
