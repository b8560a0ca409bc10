"""The setting behind a value: from an expression back to the configuration key it is read from.

Followed are names, arithmetic, conversions, parameters of functions with one caller, functions of
the user and imports from the user's modules. A configuration is what was loaded from JSON, TOML or
YAML, parsed from the command line, taken from the environment, or written as a dictionary or class
of settings. Two keys in one value, or a step that the text does not show, give no setting.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trema.core.diagnosis import Location
from trema.source.calls import called_name
from trema.source.config_files import ENDINGS, found_file, key_line
from trema.source.following import definition_of, expression_at, value_in_module
from trema.source.reading import SourceTree
from trema.source.scopes import FUNCTIONS, scope_of
from trema.source.syntax import argument_node, current_tree
from trema.source.values import At, only_caller, returned, values_of

_DEPTH = 24
_LOADERS = frozenset({"load", "loads", "safe_load", "full_load", "unsafe_load", "read_text"})
_FORMATS = frozenset({"json", "toml", "tomllib", "tomli", "yaml", "OmegaConf", "pyjson5", "rtoml"})
_PARSED = frozenset({"parse_args", "parse_known_args", "parse_args_into_dataclasses"})
_WRAPPERS = frozenset(
    {"SimpleNamespace", "Namespace", "EasyDict", "Box", "DictConfig", "create", "dict", "edict"}
)
_WRAPPERS |= {"MappingProxyType", "AttrDict", "vars", "to_container", "deepcopy", "copy", "asdict"}
#: Functions whose value is that of what they are given in another form.
_CONVERSIONS = frozenset(
    {"float", "int", "str", "bool", "abs", "min", "max", "tuple", "list", "set", "round", "pow"}
)
_CONVERSIONS |= {"sorted", "len", "range", "device", "Decimal", "lower", "upper", "strip", "split"}
#: Names under which configurations are handed about, where the text does not show their origin.
_NAMES = frozenset({"cfg", "config", "conf", "args", "hparams", "hps", "opt", "opts", "settings"})


@dataclass(frozen=True)
class Setting:
    """One key of a configuration.

    key : nested keys joined by dots
    file, line : where the key stands, as far as it is known
    read : the expression that reads it
    """

    key: str
    file: str | None
    line: int | None
    read: Location


@dataclass(frozen=True)
class _Config:
    """A mapping of settings, or a part of one."""

    keys: tuple[str, ...] = ()
    file: str | None = None  # of JSON, TOML or YAML
    held: At | None = None  # a dictionary or class in the text

    def inner(self, key: str) -> _Config:
        value = _entry(self.held, key) if self.held is not None else None
        return _Config((*self.keys, key), self.file, value)


def setting_of(place: Location, names: Sequence[tuple[str, int | None]] = ()) -> Setting | None:
    """The only setting that decides the expression at a place, or None.

    names : arguments with their positions, for a place that is the call of a constructor
    """
    tree = current_tree(place)
    if tree is None:
        return None
    try:
        found = list(_behind(tree, place, names))
    except RecursionError:
        return None
    keys = {(setting.key, setting.file) for setting in found}
    return found[0] if len(keys) == 1 else None


def _behind(
    tree: SourceTree, place: Location, names: Sequence[tuple[str, int | None]]
) -> Iterator[Setting]:
    node = expression_at(tree, place)
    if node is None:
        yield from _of_loop(tree, place)
        return
    at = At(tree, node)
    yield from _settings(at, _DEPTH)
    if not isinstance(node, ast.Call):
        return
    for name, position in names:
        value = argument_node(node, name, position)
        if value is not None:
            yield from _settings(at.to(value), _DEPTH)
        else:
            yield from _splat(at, node, name)


def _of_loop(tree: SourceTree, place: Location) -> Iterator[Setting]:
    """What decides how often a loop runs: the end of its range."""
    for node in tree.nodes:
        if not isinstance(node, ast.For) or (node.lineno, node.col_offset + 1) != (
            place.line,
            place.column,
        ):
            continue
        numbers = node.iter
        if isinstance(numbers, ast.Call) and called_name(tree, numbers) in ("trange", "range"):
            ends = numbers.args[:1] if len(numbers.args) == 1 else numbers.args[1:2]
            for end in ends:
                yield from _settings(At(tree, end), _DEPTH)


def _splat(at: At, call: ast.Call, name: str) -> Iterator[Setting]:
    """``SGD(**options)``: the key of this name, where the configuration has it."""
    for word in call.keywords:
        if word.arg is not None:
            continue
        given = _keywords_given(at.to(word.value), name)
        if given is not None:
            yield from _settings(given, _DEPTH)
            continue
        config = _config(at.to(word.value), _DEPTH)
        if config is None:
            continue
        known = config.inner(name)
        if known.held is not None or (
            config.file is not None and key_line(config.file, known.keys) is not None
        ):
            yield _setting(known, at.to(word.value))


def _keywords_given(at: At, name: str) -> At | None:
    """The keyword that the caller gave, for ``**options`` of the function around."""
    if not isinstance(at.node, ast.Name):
        return None
    scope = scope_of(at.tree, at.node)
    if not isinstance(scope, ast.FunctionDef) or scope.args.kwarg is None:
        return None
    entered = at.caller or only_caller(at.tree, scope)
    if scope.args.kwarg.arg != at.node.id or entered is None:
        return None
    value = argument_node(entered.call, name)
    return At(entered.tree, value, entered.caller) if value is not None else None


# values -----------------------------------------------------------------------------------


def _settings(at: At, depth: int) -> Iterator[Setting]:
    """Settings that an expression is made of."""
    node = at.node
    if not depth or isinstance(node, (ast.Constant, ast.Lambda)):
        return
    read = _read(at, depth)
    if read is not None:
        yield read
        return
    if isinstance(node, (ast.Name, ast.Attribute)):
        for value in values_of(at):
            yield from _settings(value, depth - 1)
        imported = value_in_module(at.tree, node)
        if imported is not None and isinstance(imported[1], ast.Constant):
            other, value_node = imported
            key = node.id if isinstance(node, ast.Name) else node.attr
            place = other.location(value_node)
            yield Setting(key, other.file, place.line, at.tree.location(node))
        elif imported is not None:
            yield from _settings(At(*imported), depth - 1)
        return
    if isinstance(node, ast.Call):
        for part in _parts_of_call(at, node):
            yield from _settings(part, depth - 1)
        return
    if isinstance(node, ast.Subscript):
        yield from _settings(at.to(node.value), depth - 1)
        yield from _settings(at.to(node.slice), depth - 1)
    elif isinstance(node, (ast.BinOp, ast.UnaryOp, ast.IfExp, ast.Compare, ast.BoolOp)):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                yield from _settings(at.to(child), depth - 1)
    elif isinstance(node, (ast.Tuple, ast.List)):
        for element in node.elts:
            yield from _settings(at.to(element), depth - 1)


def _parts_of_call(at: At, call: ast.Call) -> Iterator[At]:
    name = called_name(at.tree, call)
    if name == "getattr" and len(call.args) > 1:
        yield at.to(call.args[1])
    elif name in _CONVERSIONS:
        yield from (at.to(part) for part in call.args)
        if isinstance(call.func, ast.Attribute) and name in ("lower", "upper", "strip", "split"):
            yield at.to(call.func.value)
    else:
        yield from returned(at, call)


def _read(at: At, depth: int) -> Setting | None:
    """The setting that an expression reads itself, as ``cfg["lr"]`` or ``args.lr``."""
    taken = _taken(at)
    if taken is None:
        return None
    base, key = taken
    config = _config(base, depth - 1)
    return _setting(config.inner(key), at) if config is not None else None


def _setting(config: _Config, at: At) -> Setting:
    assert isinstance(at.node, ast.expr)
    file, line = config.file, None
    if file is not None:
        line = key_line(file, config.keys)
    elif config.held is not None and isinstance(config.held.node, ast.expr):
        file, line = config.held.tree.file, config.held.node.lineno
    return Setting(".".join(config.keys), file, line, at.tree.location(at.node))


def _taken(at: At) -> tuple[At, str] | None:
    """The mapping and the key of ``m["k"]``, ``m.k``, ``m.get("k")`` or ``getattr(m, "k")``."""
    node = at.node
    if isinstance(node, ast.Subscript) and _text(node.slice) is not None:
        return at.to(node.value), _text(node.slice) or ""
    if isinstance(node, ast.Attribute):
        return at.to(node.value), node.attr
    if isinstance(node, ast.Call) and node.args:
        name = called_name(at.tree, node)
        if isinstance(node.func, ast.Attribute) and name in ("get", "pop", "getenv"):
            key = _text(node.args[0])
            return (at.to(node.func.value), key) if key else None
        if name == "getattr" and len(node.args) > 1 and (key := _text(node.args[1])):
            return at.to(node.args[0]), key
    return None


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


# configurations ---------------------------------------------------------------------------


def _config(at: At, depth: int) -> _Config | None:
    """The configuration that an expression is, or a part of one."""
    node = at.node
    if not depth:
        return None
    if isinstance(node, ast.Call):
        return _config_of_call(at, node, depth)
    if isinstance(node, ast.Dict):
        return _Config(held=at) if all(k is not None and _text(k) for k in node.keys) else None
    if isinstance(node, ast.Attribute) and ast.unparse(node) == "os.environ":
        return _Config()
    if isinstance(node, ast.Name) and node.id == "os":
        return _Config()  # os.getenv
    if isinstance(node, (ast.Name, ast.Attribute)):
        values = list(values_of(at))
        for value in values:
            if (found := _config(value, depth - 1)) is not None:
                return found
        imported = value_in_module(at.tree, node)
        if imported is not None and (found := _config(At(*imported), depth - 1)) is not None:
            return found
        if isinstance(node, ast.Name):
            defined = definition_of(at.tree, node)
            if defined is not None and _holds_settings(defined[1]):
                return _Config(held=At(defined[0], defined[1]))
            return _Config() if not values and node.id in _NAMES and _given(at, node) else None
    taken = _taken(at)
    if taken is None:
        return None
    outer = _config(taken[0], depth - 1)
    return outer.inner(taken[1]) if outer is not None else None


def _holds_settings(node: ast.AST) -> bool:
    """Whether a class is one of settings: a data class, or values and nothing that computes."""
    if not isinstance(node, ast.ClassDef):
        return False
    marks = " ".join(ast.unparse(part) for part in (*node.decorator_list, *node.bases))
    if any(word in marks for word in ("dataclass", "NamedTuple", "BaseModel", "BaseSettings")):
        return True
    kinds = (ast.Assign, ast.AnnAssign, ast.Expr)
    return not node.bases and all(isinstance(part, kinds) for part in node.body)


def _given(at: At, name: ast.Name) -> bool:
    """Whether a name is a parameter of the function around."""
    scope = scope_of(at.tree, name)
    if not isinstance(scope, FUNCTIONS):
        return False
    return any(arg.arg == name.id for arg in (*scope.args.args, *scope.args.kwonlyargs))


def _config_of_call(at: At, call: ast.Call, depth: int) -> _Config | None:
    name = called_name(at.tree, call)
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    if name in _PARSED:
        return _Config()
    if name in _LOADERS and isinstance(owner, ast.Name) and owner.id in _FORMATS:
        path = next((_path(at.to(part), _DEPTH) for part in call.args), None)
        return _Config(file=found_file(path, at.tree.file) if path else None)
    if name == "get" and (taken := _taken(at)) is not None:
        outer = _config(taken[0], depth - 1)
        return outer.inner(taken[1]) if outer is not None else None
    splats = [word.value for word in call.keywords if word.arg is None]
    defined = definition_of(at.tree, call.func)
    made = defined is not None and _holds_settings(defined[1])
    if name in _WRAPPERS or made:
        for part in (*splats, *(call.args[:1] if name in _WRAPPERS else ())):
            if (found := _config(at.to(part), depth - 1)) is not None:
                return found
    if made or (name in _WRAPPERS and call.keywords):
        return _Config(held=at)
    for value in returned(at, call):
        if (found := _config(value, depth - 1)) is not None:
            return found
    return None


def _entry(held: At, key: str) -> At | None:
    """The value of a key in a dictionary, or of a field in a class of settings."""
    node = held.node
    if isinstance(node, ast.Dict):
        for name, value in zip(node.keys, node.values, strict=True):
            if name is not None and _text(name) == key:
                return held.to(value)
        return None
    if isinstance(node, ast.Call):
        value_given = argument_node(node, key)
        if value_given is not None:
            return held.to(value_given)
        defined = definition_of(held.tree, node.func)
        return _entry(At(defined[0], defined[1]), key) if defined is not None else None
    if isinstance(node, ast.ClassDef):
        for part in node.body:
            targets = part.targets if isinstance(part, ast.Assign) else [getattr(part, "target", 0)]
            named = any(isinstance(t, ast.Name) and t.id == key for t in targets)
            if isinstance(part, (ast.Assign, ast.AnnAssign)) and named and part.value is not None:
                return held.to(part.value)
    return None


def _path(at: At, depth: int) -> str | None:
    """The name of a configuration file in the expression that opens or reads it."""
    if not depth:
        return None
    for node in ast.walk(at.node):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value.lower().endswith(ENDINGS):
                return node.value
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            for value in (*values_of(at.to(node)), *_opened(at, node)):
                if (found := _path(value, depth - 1)) is not None:
                    return found
    return None


def _opened(at: At, name: ast.Name) -> Iterator[At]:
    """``with open(path) as name``."""
    for node in ast.walk(scope_of(at.tree, name)):
        for item in node.items if isinstance(node, ast.With) else ():
            if isinstance(item.optional_vars, ast.Name) and item.optional_vars.id == name.id:
                yield at.to(item.context_expr)
