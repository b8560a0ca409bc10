"""Lines of a Trainer program: the user's arguments, data, collator and tokenizer call."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from types import CodeType
from typing import Any

from torch.utils.data import DataLoader

from trema.adapters.torch import locate
from trema.core.diagnosis import Location
from trema.source.construction import Sites
from trema.source.frames import is_user_file, user_path
from trema.source.matching import match_call
from trema.source.origins import origin
from trema.source.reading import SourceTree, source_tree
from trema.source.syntax import argument

#: Where each tokenizer was called first, known under ``trema run``.
tokenizer_calls = Sites()

#: Argument of the Trainer -> its place, role here.
_ARGUMENTS = {
    "train_dataset": (3, ("data", "inputs")),
    "eval_dataset": (4, ("validation",)),
    "data_collator": (2, ("collator",)),
}


def places(
    trainer: Location | None,
    train: Location | None,
    loader: DataLoader[Any] | None,
    tokenizer: object | None,
) -> dict[str, Location]:
    """Roles and their lines.

    trainer : the call that made the Trainer
    train : the call of ``train``
    """
    found: dict[str, Location] = {}
    if train is not None:
        found |= {"fit": train, "loop": train}
    if trainer is not None:
        found["trainer"] = trainer
        for name, (position, roles) in _ARGUMENTS.items():
            given = argument(trainer, name, position)
            if given is not None:
                found |= dict.fromkeys(roles, given)
        data = found.get("data")
        found.setdefault("inputs", trainer)
        if data is not None and (read := origin(data)) is not None:
            found["load"] = read
    site = tokenizer_calls.site(tokenizer) if tokenizer is not None else None
    if site is not None and (called := site.resolve()) is not None:
        found["tokenize"] = called
    labels = labels_place(loader)
    if labels is not None:
        found |= {"labels": labels, "targets": labels}
    elif (wanted := found.get("collator") or found.get("data")) is not None:
        found["targets"] = wanted
    return found


def arguments_place(args: object) -> Location | None:
    """The call that made the training arguments."""
    made = locate.site_of(args)
    return made or match_call(locate.user_files(), type(args).__name__)


def labels_place(loader: DataLoader[Any] | None) -> Location | None:
    """The one expression of the user's code that gives a batch or sample its labels.

    It is looked for in the collator, then in the data set's ``__getitem__``, then in all of the
    user's files; where several could be meant, there is none.
    """
    if loader is None:
        return None
    for code in (_collator(loader), _item(loader.dataset)):
        found = _labels_in(code)
        if found:
            return found[0]
    found = []
    for file in locate.user_files():
        tree = source_tree(file)
        if tree is not None:
            found += list(_labels(tree, tree.tree))
    return found[0] if len(found) == 1 else None


def _collator(loader: DataLoader[Any]) -> CodeType | None:
    function: Any = loader.collate_fn
    function = getattr(function, "data_collator", function)  # the Trainer's own wrapper
    if not inspect.isfunction(function) and not inspect.ismethod(function):
        function = vars(type(function)).get("__call__")
    return getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None


def _item(dataset: object) -> CodeType | None:
    method = getattr(type(dataset), "__getitem__", None)
    return getattr(method, "__code__", None)


def _labels_in(code: CodeType | None) -> list[Location]:
    file = user_path(code.co_filename) if code is not None else None
    tree = source_tree(file) if file is not None and is_user_file(file) else None
    if code is None or tree is None:
        return []
    for node in tree.nodes:
        same = isinstance(node, ast.FunctionDef | ast.Lambda) and code.co_firstlineno in (
            node.lineno,
            *(d.lineno for d in getattr(node, "decorator_list", ())),
        )
        if same:
            return list(_labels(tree, node))
    return []


def _labels(tree: SourceTree, scope: ast.AST) -> Iterator[Location]:
    """Values under the key ``labels``, in the order of the text."""
    found: list[ast.expr | ast.stmt] = []
    for node in ast.walk(scope):
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            found += [value for key, value in pairs if key is not None and _is_labels(key)]
        elif isinstance(node, ast.Assign):
            targets = [t for t in node.targets if isinstance(t, ast.Subscript)]
            found += [node.value for t in targets if _is_labels(t.slice)]
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "dict"
        ):
            found += [k.value for k in node.keywords if k.arg == "labels"]
    for one in sorted(found, key=lambda n: (n.lineno, n.col_offset)):
        yield tree.location(one)


def _is_labels(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == "labels"
