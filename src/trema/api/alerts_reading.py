"""Reading the rules of alerts from a TOML file.

.. code-block:: toml

    [[alert]]
    name = "team"
    on = ["finding", "crashed", "finished"]   # crashed includes killed
    level = "error"                           # of findings: this severity or worse
    webhook = { url = "https://example.com/hook", headers = { Authorization = "Bearer ${TOKEN}" } }

Instead of ``webhook``, ``command = ["notify-send", "Trema"]`` starts a program and
``mail = { to = [...], from = "...", host = "..." }`` sends an e-mail. ``${NAME}`` in the URL or in
a header is read from the environment, so that no secret has to stand in the file.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from trema.api.alerts_rules import KINDS, LEVELS, Command, Mail, Rule, Webhook
from trema.core.errors import UsageError, did_you_mean

#: The file that is read when none is named, in the folder of runs.
DEFAULT_NAME = "alerts.toml"
_LIMIT = 1 << 20  # bytes of a file
_MAX_RULES = 64
_NAME = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_ADDRESS = re.compile(r"[^\s@<>,;\x00-\x1f]+@[^\s@<>,;\x00-\x1f]+")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def find_rules(root: Path | None, given: Path | None = None) -> list[Rule]:
    """The rules of the file named, else those that stand in the folder of runs.

    A folder of runs may come from somebody else, so a file that is only found there starts no
    program and reads no environment.

    Raises
    ------
    UsageError
        When the file cannot be read, or a rule cannot be right.
    """
    if given is not None:
        return load_rules(given)
    path = root / DEFAULT_NAME if root is not None else None
    return load_rules(path, trusted=False) if path is not None and path.is_file() else []


def load_rules(path: Path, *, trusted: bool = True) -> list[Rule]:
    """The rules of a file; one that is not trusted starts no program and reads no environment.

    Raises
    ------
    UsageError
        When the file cannot be read, or a rule cannot be right.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LIMIT + 1)
        if len(data) > _LIMIT:
            raise UsageError(f"expected at most {_LIMIT:,} bytes of alerts in {path}")
        document = tomllib.loads(data.decode("utf-8"))
    except OSError as error:
        raise UsageError(f"the alerts in {path} cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"the alerts in {path} are not valid TOML: {error}") from None
    try:
        return _rules(document, trusted)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _rules(document: Mapping[str, Any], trusted: bool) -> list[Rule]:
    _known(document, ("alert",), "the file")
    tables = document.get("alert", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError("expected tables headed [[alert]]")
    if len(tables) > _MAX_RULES:
        raise UsageError(f"expected at most {_MAX_RULES} alerts but got {len(tables)}")
    rules = [_rule(table, number, trusted) for number, table in enumerate(tables, start=1)]
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two alerts have the name {name!r}: each needs its own")
    return rules


def _rule(table: Mapping[str, Any], number: int, trusted: bool) -> Rule:
    name = _text(table, "name", f"alert {number}", default=f"alert {number}")
    what = f"alert {name!r}"
    _known(table, ("name", "on", "level", *_WAYS), what)
    on = _words(table, "on", what, default=("finding", "crashed"))
    for kind in on:
        if kind not in KINDS:
            raise UsageError(f"{what}: on holds {kind!r}: {did_you_mean(kind, KINDS)}")
    level = _text(table, "level", what, default="error")
    if level not in LEVELS:
        raise UsageError(f"{what}: level is {level!r}: {did_you_mean(level, LEVELS)}")
    ways = [way for way in _WAYS if way in table]
    if len(ways) != 1:
        came = " and ".join(ways) or "none"
        raise UsageError(f"{what}: expected one of {', '.join(_WAYS)} but got {came}")
    by = _WAYS[ways[0]](table[ways[0]], f"{what}: {ways[0]}", trusted)
    return Rule(name=name, on=on, level=level, by=by)


# the three ways ---------------------------------------------------------------------------


def _webhook(table: Any, what: str, trusted: bool) -> Webhook:
    table = _table(table, ("url", "headers"), what)
    url = _expand(_text(table, "url", what), what, trusted)
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fits = False
    if not fits or not url.isascii() or re.search(r"[\x00-\x20\x7f]", url):
        raise UsageError(f"{what}: expected a url that begins with http:// or https://")
    if parts.username is not None:
        raise UsageError(f"{what}: expected no user in the url: give an Authorization header")
    headers = _table(table.get("headers", {}), None, f"{what}: headers")
    for header, value in headers.items():
        _header(header, value, what)
    expanded = {key: _expand(value, what, trusted) for key, value in headers.items()}
    for header, value in expanded.items():
        _header(header, value, what)
    return Webhook(url=url, headers=expanded)


def _header(header: str, value: Any, what: str) -> None:
    plain = isinstance(value, str) and value.isascii() and value.isprintable()
    if not _HEADER.fullmatch(header) or not plain:
        raise UsageError(f"{what}: the header {header!r} needs a value of plain ASCII on one line")
    if header.lower() in ("host", "content-length", "content-type", "transfer-encoding"):
        raise UsageError(f"{what}: the header {header!r} is set by Trema")


def _command(words: Any, what: str, trusted: bool) -> Command:
    fits = isinstance(words, list) and words and all(isinstance(word, str) for word in words)
    if not fits or not words[0] or any("\0" in word for word in words):
        raise UsageError(f'{what}: expected a program and its arguments, such as ["prog", "arg"]')
    if not trusted:
        raise UsageError(
            f"{what}: a program is started only by a file that is named: give it with --alerts"
        )
    return Command(argv=tuple(words))


def _mail(table: Any, what: str, trusted: bool) -> Mail:
    keys = ("to", "from", "host", "port", "starttls", "user", "password_env")
    table = _table(table, keys, what)
    to = _words({"to": [table["to"]]} if isinstance(table.get("to"), str) else table, "to", what)
    sender = _text(table, "from", what)
    for address in (*to, sender):
        if not _ADDRESS.fullmatch(address) or not address.isascii():
            raise UsageError(f"{what}: {address!r} is no e-mail address")
    starttls = table.get("starttls", False)
    if not isinstance(starttls, bool):
        raise UsageError(f"{what}: expected true or false for starttls but got {starttls!r}")
    port = table.get("port", 587 if starttls else 25)
    if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
        raise UsageError(f"{what}: expected a port from 1 to 65535 but got {port!r}")
    host = _text(table, "host", what)
    user = _text(table, "user", what) if "user" in table else None
    password_env = _text(table, "password_env", what) if "password_env" in table else None
    if (user is None) != (password_env is None):
        raise UsageError(f"{what}: user and password_env belong together")
    if user is not None and not (starttls or port == 465 or host in _LOOPBACK):
        raise UsageError(f"{what}: a password is sent only encrypted: set starttls or port 465")
    if password_env is not None:
        _variable(password_env, what, trusted)
    return Mail(
        to=to,
        sender=sender,
        host=host,
        port=port,
        starttls=starttls,
        user=user,
        password_env=password_env,
    )


_WAYS: Mapping[str, Callable[[Any, str, bool], Webhook | Command | Mail]] = {
    "webhook": _webhook,
    "command": _command,
    "mail": _mail,
}


# values -----------------------------------------------------------------------------------


def _known(table: Mapping[str, Any], keys: Sequence[str], what: str) -> None:
    for key in table:
        if key not in keys:
            raise UsageError(f"{what} has an unknown key {key!r}: {did_you_mean(key, keys)}")


def _table(value: Any, keys: Sequence[str] | None, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{what}: expected a table but got {type(value).__name__}")
    if keys is not None:
        _known(value, keys, what)
    return value


def _text(table: Mapping[str, Any], key: str, what: str, *, default: str | None = None) -> str:
    value = table.get(key, default)
    if not isinstance(value, str) or not value.strip() or len(value) > 2000 or "\0" in value:
        raise UsageError(f"{what}: expected {key} to be a text")
    return value


def _words(
    table: Mapping[str, Any], key: str, what: str, *, default: tuple[str, ...] = ()
) -> tuple[str, ...]:
    value = table.get(key, list(default))
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise UsageError(f"{what}: expected {key} to be a list of texts")
    return tuple(dict.fromkeys(value))


def _expand(text: str, what: str, trusted: bool) -> str:
    return _NAME.sub(lambda found: _variable(found[1], what, trusted), text)


def _variable(name: str, what: str, trusted: bool) -> str:
    if not trusted:
        raise UsageError(
            f"{what}: the environment is read only for a file that is named: give it with --alerts"
        )
    value = os.environ.get(name)
    if not value:
        raise UsageError(f"{what}: the environment variable {name} is not set")
    return value
