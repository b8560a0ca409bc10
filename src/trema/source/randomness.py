"""Random choices that a program writes down: seeds that it sets, generators that it makes."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

#: Last part of the name of a call that sets a seed or makes a generator -> place of the seed.
_CALLS = {
    "seed": 0,
    "manual_seed": 0,
    "manual_seed_all": 0,
    "set_random_seed": 0,
    "set_seed": 0,
    "seed_everything": 0,
    "enable_determinism": 0,
    "enable_op_determinism": 0,
    "default_rng": 0,
    "RandomState": 0,
    "PRNGKey": 0,
    "SeedGenerator": 0,
    "use_deterministic_algorithms": 0,
}
_OPTIONS = ("random_state", "seed")
_MOST = 40


def random_choices(sources: Mapping[str, str]) -> dict[str, str]:
    """``train.py:7`` -> ``torch.manual_seed(3)``, of all calls that fix what is drawn.

    sources : text by name of the file
    """
    found: dict[str, str] = {}
    for name, text in sources.items():
        if len(found) >= _MOST:  # enough is told: the other files need not be parsed
            break
        if not any(word in text for word in (*_CALLS, *_OPTIONS)):
            continue
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            continue
        for line, call in _calls(tree):
            if len(found) < _MOST:
                found.setdefault(f"{name}:{line}", call)
    return found


def _calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)[-60:]
        last = name.rsplit(".", 1)[-1]
        if last in _CALLS:
            inner = ", ".join(ast.unparse(argument) for argument in node.args)
            inner = inner or ", ".join(ast.unparse(keyword) for keyword in node.keywords)
            yield node.lineno, f"{name}({inner[:60]})"
            continue
        for keyword in node.keywords:
            if keyword.arg in _OPTIONS:
                yield node.lineno, f"{name}({keyword.arg}={ast.unparse(keyword.value)[:60]})"
