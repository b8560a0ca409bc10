"""``trema doctor``: is this installation whole?"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import trema
from trema.cli.folders import root_folder
from trema.core.errors import UsageError
from trema.sinks.text import harmless

NEEDED = ("numpy", "rich", "typer")
OPTIONAL = {
    "torch": "pip install 'trema[torch]' to watch PyTorch",
    "keras": "pip install 'trema[keras]' to watch Keras",
    "jax": "",
    "tensorflow": "",
    "sqlalchemy": "pip install 'trema[server]' for trema ui, server and index",
    "fastapi": "pip install 'trema[server]' for trema ui and server",
}


def examine(dir: Path | None) -> int:
    """Print what is there and what to do; returns 1 when something needs doing."""
    rows = [*_rows(dir)]
    for state, what, fix in rows:
        mark = {True: "ok  ", None: "–   ", False: "FAIL"}[state]
        print(f"{mark}  {harmless(what)}")
        if fix:
            print(f"        {harmless(fix)}")
    bad = sum(state is False for state, _, _ in rows)
    print("everything is in order" if not bad else f"{bad} thing{'s' * (bad != 1)} to fix")
    return 1 if bad else 0


def _rows(dir: Path | None) -> Iterator[tuple[bool | None, str, str]]:
    """State (None: not needed), what was looked at, what to do."""
    yield True, f"Trema {trema.__version__} at {Path(trema.__file__).parent}", ""
    modern = sys.version_info >= (3, 11)
    python = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    yield modern, python, "" if modern else "install Python 3.11 or newer"
    for package in NEEDED:
        found = installed(package)
        fix = "" if found else f"pip install {package}"
        yield bool(found), f"{package} {found or 'is missing'}", fix
    frameworks = [package for package in ("torch", "keras") if installed(package)]
    for package, hint in OPTIONAL.items():
        found = installed(package)
        known = package in ("torch", "keras") and frameworks
        fix = "" if found or known else hint
        yield (True if found else None), f"{package} {found or 'is not installed'}", fix
    yield _writable(root_folder(dir))
    yield from _settings()
    yield from _server()
    yield from _checks()


def installed(package: str) -> str | None:
    """The installed version, found without importing; None when there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _writable(root: Path) -> tuple[bool, str, str]:
    existing = next((p for p in (root, *root.parents) if p.exists()), root)
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        reason = error.strerror or type(error).__name__
        fix = "name a folder that can be written: --dir, or the variable TREMA_DIR"
        return False, f"{root} cannot be written ({reason})", fix
    return True, f"runs are kept in {root}", ""


def _settings() -> Iterator[tuple[bool | None, str, str]]:
    """The file of settings, what is set where, and what does not hold."""
    from trema.checks.base import all_checks
    from trema.checks.configure import configured
    from trema.core.config import Config

    config = Config.of()
    file = config.origin.file if config.origin is not None else None
    yield (
        (True, f"settings of {file}", "")
        if file is not None
        else (None, "no settings: no trema.toml and no [tool.trema] in a pyproject.toml", "")
    )
    for name, value in config.changed().items():
        if name != "checks":
            yield True, f"{name} = {value!r} ({config.place(name)})", ""
    for check, table in config.checks.items():
        for name, value in table.items():
            place = config.place(f"checks.{check}.{name}")
            yield True, f"checks.{check}.{name} = {value!r} ({place})", ""
    try:
        _, problems = configured(all_checks(), config)
    except Exception:  # told with the checks
        problems = []
    for problem in (*config.problems, *problems):
        yield False, problem, "correct it; everything else holds"


def _server() -> Iterator[tuple[bool | None, str, str]]:
    """Whether the team server that runs are sent to answers, where there is one."""
    from trema.journal.client import Client, Unreachable, parse_server, read_token

    url = os.environ.get("TREMA_SERVER", "").strip()
    if not url:
        return
    try:
        server = parse_server(url, read_token())
        client = Client(server, timeout=5.0)
        answer = client.request("GET", ("status",))
        client.close()
    except UsageError as error:
        yield False, f"runs are not sent: {error}", "set TREMA_SERVER and TREMA_TOKEN anew"
        return
    except Unreachable as error:
        fix = "start the server, or check TREMA_SERVER; what is unsent waits for trema sync"
        yield False, f"the team server {server.url} cannot be reached ({error})", fix
        return
    if answer.status == 401:
        yield False, f"the team server {server.url} does not know the token", "set TREMA_TOKEN"
    elif not answer.good or not isinstance(answer.data.get("version"), str):
        fix = "check TREMA_SERVER"
        yield False, f"{server.url} does not answer as a team server does ({answer.status})", fix
    elif not answer.data.get("writable", True):
        fix = "set TREMA_TOKEN to a token that may write"
        yield False, f"the team server {server.url} takes nothing with this token", fix
    else:
        yield True, f"runs are sent to the team server {server.url}", ""


def _checks() -> Iterator[tuple[bool | None, str, str]]:
    from trema.checks.base import all_checks, load_plugins

    try:
        checks = all_checks()
    except Exception as error:  # whatever it is, say it
        fix = "reinstall Trema: pip install --force-reinstall trema"
        yield False, f"checks do not load ({type(error).__name__}: {error})", fix
        return
    yield True, f"{len(checks)} checks", ""
    for name, reason in load_plugins().items():
        yield (
            False,
            f"plug-in {name} fails ({reason})",
            "update or uninstall the package it is from",
        )
