"""Errors as answers: each one sentence, none with a traceback."""

from __future__ import annotations

import logging
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from trema.api.parameters import NAME, SERIES_KEY
from trema.core.errors import NotAllowed, NotFound, RunActive, TremaError, UsageError
from trema.core.text import clip, harmless
from trema.store.base import CursorConflict, JournalReplaced, RunConflict, StoreError

SHOWN = 100  # characters of what came
SENTENCE = 1000  # characters of an answer
_log = logging.getLogger(__name__)
_ELSEWHERE = ("query", "path", "header", "body")
_STATUS: Sequence[tuple[type[TremaError], int]] = (
    (NotFound, 404),
    (NotAllowed, 403),
    (RunActive, 409),
    (CursorConflict, 409),
    (RunConflict, 409),
    (JournalReplaced, 409),
    (StoreError, 503),
    (UsageError, 422),
    (TremaError, 422),
)
_SENTENCES = {
    400: "expected JSON in UTF-8 but the body cannot be read as that: check the request",
    404: "there is nothing at this address: check it against /api/openapi.json",
    405: "this address does not take this method: check it against /api/openapi.json",
}
_PATTERNS = {
    NAME: "should be a name without control characters, / and \\",
    SERIES_KEY: "should be a key of the list of series, or key:position",
}
FAILED = "Trema failed to answer this: the log of the server says why"


def problem(
    status: int,
    error: str,
    *,
    expected: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The answer that says what went wrong."""
    body = {"error": harmless(error, SENTENCE), "expected": expected}
    return JSONResponse(body, status_code=status, headers=dict(headers or {}))


def install_problems(app: FastAPI) -> None:
    """Let the application answer every error with a problem."""
    for kind in (TremaError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _handle)


def _handle(request: Request, error: Exception) -> JSONResponse:
    answer = answer_to(error)
    if answer.status_code == 405:  # the router names the methods of one route of several
        answer.headers["Allow"] = ", ".join(_methods(request))
    return answer


def _methods(request: Request) -> Iterator[str]:
    """The methods that this address takes."""
    for method in ("DELETE", "GET", "HEAD", "POST", "PUT"):
        scope = {**request.scope, "method": method}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes):
            yield method


def answer_to(error: Exception) -> JSONResponse:
    """The answer to a request that failed so; 500 for what nobody foresaw."""
    if isinstance(error, TremaError):
        return _refused(error)
    if isinstance(error, RequestValidationError):
        found = error.errors()
        return problem(422, sentence(found[0]) if found else "the request is not valid")
    return _http(error) if isinstance(error, HTTPException) else problem(500, FAILED)


def _refused(error: TremaError) -> JSONResponse:
    status = next(code for kind, code in _STATUS if isinstance(error, kind))
    if status == 503:
        _log.error("the store cannot be used: %s", error)
        return problem(503, "the store cannot be used now: try again", headers={"Retry-After": "2"})
    expected = error.expected if isinstance(error, CursorConflict) else None
    return problem(status, str(error), expected=expected)


def _http(error: HTTPException) -> JSONResponse:
    # FastAPI says 400 where a body is no JSON at all, 422 where it is but not the one expected
    status = 422 if error.status_code == 400 else error.status_code
    told = _SENTENCES.get(error.status_code, error.detail)
    return problem(status, told, headers=error.headers)


def sentence(error: Mapping[str, Any]) -> str:
    """One sentence that names the field, what was expected and what came."""
    kind, where = str(error.get("type", "")), _place(error.get("loc", ()))
    if kind == "json_invalid":
        return f"the body should be JSON but is not ({error.get('ctx', {}).get('error', '')})"
    if kind == "missing":
        return f"{where} is missing: give it"
    if kind == "extra_forbidden":
        return f"{where} is not known: leave it out"
    told = str(error.get("msg", "is not valid"))
    pattern = (error.get("ctx") or {}).get("pattern")
    told = _PATTERNS.get(str(pattern), told)
    first, _, rest = told.partition(" ")
    if first in ("Input", "String", "List", "Value", "Dictionary", "Object"):
        told = rest
    elif told not in _PATTERNS.values():
        told = f"is not valid ({told})"
    return f"{where} {told} but got {_shown(error.get('input'))}"


def _place(location: Any) -> str:
    parts = [str(part) for part in location]
    if len(parts) > 1 and parts[0] in _ELSEWHERE:
        parts = parts[1:]
    return harmless(".".join(parts), SHOWN) if parts else "the request"


def _shown(value: Any) -> str:
    short = reprlib.Repr()  # a body may nest deep and be long
    short.maxstring = short.maxother = SHOWN
    return clip(harmless(short.repr(value)), SHOWN)
