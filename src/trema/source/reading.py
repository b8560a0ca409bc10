"""Source text and syntax trees of the user's files, read once for each version of a file."""

from __future__ import annotations

import ast
import os
import re
import tokenize
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from trema.core.diagnosis import Location
from trema.source import notebook

MAX_BYTES = 1_000_000  # a larger file is generated; its tree would take about 100 MB
#: Characters of the files whose trees are kept, as a count of files would let 32 large ones stay
#: and read a project of 40 small ones again and again. A tree takes about 100 times its text.
_MAX_KEPT = 2_000_000
_MAX_TEXT = 200  # characters of `Location.text`

Scope = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda


class SourceTree:
    """One version of one file: text, lines and syntax tree.

    The tree counts columns in UTF-8 bytes from 0, as code objects do; a `Location` counts
    characters from 1, and its `end_column` is the first character after the expression.
    """

    def __init__(self, file: str, text: str, tree: ast.Module) -> None:
        self.file = file
        self.text = text
        self.tree = tree
        self.lines = text.split("\n")  # splitlines would also split at form feeds

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node, the outer before the inner; walking the tree anew takes 20 times as long."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def imported_as(self) -> Mapping[str, str]:
        """Real names of what is imported under another: ``from torch.nn import Linear as L``."""
        return {
            alias.asname: alias.name
            for node in self.nodes
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
            if alias.asname is not None
        }

    @cached_property
    def calls(self) -> tuple[ast.Call, ...]:
        """Every call, in the order in which the calls end in the text."""
        found = [node for node in self.nodes if isinstance(node, ast.Call)]
        return tuple(sorted(found, key=end))

    @cached_property
    def ends(self) -> frozenset[tuple[int, int]]:
        """Line and byte column just after each expression and statement."""
        return frozenset(end(node) for node in self.nodes if isinstance(node, (ast.expr, ast.stmt)))

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """The parent of every node."""
        return {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """Parents of a node from the innermost to the module."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def location(self, node: ast.expr | ast.stmt | ast.keyword) -> Location:
        """Where an expression stands; a chained method call begins at the method's name."""
        start, stop = begin(node), end(node)
        return self.span(start[0], start[1], stop[0], stop[1])

    def span(self, line: int, column: int, end_line: int, end_column: int) -> Location:
        """The location of a stretch given as the tree counts: columns in bytes from 0."""
        return Location(
            file=self.file,
            line=line,
            column=self._character(line, column),
            end_line=end_line,
            end_column=self._character(end_line, end_column),
            cell=notebook.cell_number(self.file),
            text=self.line(line),
        )

    def line(self, number: int) -> str:
        """One line, stripped and cut to what a `Location` holds; empty past the end."""
        if not 1 <= number <= len(self.lines):
            return ""
        return self.lines[number - 1].strip()[:_MAX_TEXT]

    def segment(self, node: ast.expr | ast.stmt) -> str:
        """The exact source of an expression."""
        return ast.get_source_segment(self.text, node) or ""

    def _character(self, line: int, byte: int) -> int:
        text = self.lines[line - 1] if 1 <= line <= len(self.lines) else ""
        return len(text.encode("utf-8", "replace")[:byte].decode("utf-8", "replace")) + 1


def begin(node: ast.expr | ast.stmt | ast.keyword) -> tuple[int, int]:
    """Line and byte column where a node begins.

    For ``a.b(...)`` over several lines it is the start of ``b``: Python records such a call there,
    and it is the line a reader looks for.
    """
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        name = node.func
        if name.lineno != name.end_lineno:
            return end(name)[0], end(name)[1] - len(name.attr.encode())
    return node.lineno, node.col_offset


def end(node: ast.expr | ast.stmt | ast.keyword) -> tuple[int, int]:
    """Line and byte column just after a node."""
    return (
        node.end_lineno if node.end_lineno is not None else node.lineno,
        node.end_col_offset if node.end_col_offset is not None else node.col_offset,
    )


def read_source(file: str) -> str | None:
    """The text of a file or notebook cell; None where it is missing, too large or not text."""
    if notebook.is_cell(file):
        text = notebook.cell_source(file)
        return text if text is None or len(text) <= MAX_BYTES else None
    try:
        if os.path.getsize(file) > MAX_BYTES:
            return None
        with tokenize.open(file) as opened:
            return opened.read()
    except (OSError, SyntaxError, ValueError):  # unknown encodings raise SyntaxError
        return None


def source_tree(file: str) -> SourceTree | None:
    """The parsed file, cached by its version; None where it cannot be read or parsed."""
    version = file_version(file)
    kept = _trees.get(file)
    if kept is not None and kept[0] == version:
        return kept[1]
    text = read_source(file)
    tree = _parse(file, text) if text is not None else None
    _trees[file] = (version, tree)
    _trees.move_to_end(file)
    total = sum(len(kept.text) for _, kept in _trees.values() if kept is not None)
    while total > _MAX_KEPT and len(_trees) > 1:
        _, (_, gone) = _trees.popitem(last=False)
        total -= 0 if gone is None else len(gone.text)
    return tree


def mentions(file: str, words: Iterable[str]) -> bool:
    """Whether one of the words stands in a file, which is not parsed for it."""
    version = file_version(file)
    kept = _texts.get(file)
    if kept is None or kept[0] != version:
        text = read_source(file)
        kept = _texts[file] = version, frozenset(_WORD.findall(text or ""))
    return any(word in kept[1] for word in words)


_trees: OrderedDict[str, tuple[object, SourceTree | None]] = OrderedDict()
_texts: dict[str, tuple[object, frozenset[str]]] = {}
_WORD = re.compile(r"[^\W\d]\w*")


def file_version(file: str) -> object:
    """What changes when the file does; None where it is missing."""
    if notebook.is_cell(file):
        return notebook.cell_source(file)
    try:
        status = os.stat(file)
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size


def _parse(file: str, text: str) -> SourceTree | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the import of the file has already shown them
            return SourceTree(file, text, ast.parse(text, file))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
