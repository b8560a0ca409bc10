"""The OpenAPI document, and schemathesis over it: no server error, answers as documented."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.api.runs import make_run
from tests.api.serving import TOKEN, Served, local, served, team
from trema.api.access import create_token
from trema.api.app import create_app
from trema.api.schema import document
from trema.api.settings import Settings

DOCUMENT: dict[str, Any] = json.loads(document())


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_the_command_prints_the_document() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "trema.api.schema"], text=True, capture_output=True, check=True
    )
    assert done.stdout == document()
    assert done.stderr == ""


def test_every_route_is_documented() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(names)) == len(names)
    assert all(name.isalnum() and name[0].islower() for name in names)
    for path, method, operation in operations():
        where = f"{method} {path}"
        assert path.startswith("/api/"), where
        assert operation["description"], where
        assert {"401", "403", "422", "429"} <= set(operation["responses"]), where
        assert operation["security"], where
        assert "413" in operation["responses"] or "requestBody" not in operation, where
        assert "404" in operation["responses"] or "{" not in path or method == "put", where


def test_every_parameter_is_bounded() -> None:
    for path, _, operation in operations():
        for parameter in operation.get("parameters", ()):
            schema = parameter["schema"]
            for part in schema.get("anyOf", [schema]):
                where = f"{path} {parameter['name']}"
                if part["type"] == "string":
                    assert {"maxLength", "enum", "pattern"} & set(part), where
                elif part["type"] == "integer":
                    assert {"minimum", "maximum"} <= set(part), where
                elif part["type"] == "array":
                    assert "maxItems" in part, where


def test_every_answer_is_typed() -> None:
    for path, method, operation in operations():
        for status, answer in operation["responses"].items():
            if status == "204":
                continue
            content = answer["content"]
            if "application/json" in content and "export" not in path:
                schema = content["application/json"]["schema"]
                assert "$ref" in schema or schema["type"] == "array", f"{method} {path} {status}"


def test_the_document_names_no_place_of_this_machine() -> None:
    assert str(Path.home()) not in document()
    assert create_app(Settings(url="sqlite://")).docs_url is None


# schemathesis ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("project")
    # without an end: what this process still writes cannot be deleted under the other examples
    made = [make_run(folder / ".trema", name, state=None) for name in ("first", "second")]
    with served(local(folder, rate=1e6, burst=10**6, refused=1e6)) as found:
        with found.client() as client:
            while client.get("/api/runs").json()["total"] < len(made):
                pass
            listed = client.get(f"/api/runs/{made[0]}/series").json()["series"]
        KNOWN["run"] = made
        KNOWN["key"] = [series["key"] for series in listed]
        KNOWN["layer"], KNOWN["path"] = ["0", "3"], ["train.py"]
        KNOWN["id"] = ["input-scale", "overfitting"]
        yield found


@pytest.fixture(scope="module")
def team_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    folder = tmp_path_factory.mktemp("team")
    with served(team(folder, rate=1e6, burst=10**6, refused=1e6)) as found:
        yield found, create_token(found.running.store, "test", scope="write")[1]


#: What exists, by the name of the parameter: random names would only ever find nothing.
KNOWN: dict[str, list[str]] = {}


def known(parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Half of the generated names replaced by some that exist."""
    for name, value in (parameters or {}).items():
        if name not in KNOWN or sum(map(ord, str(value))) % 2:
            continue
        some = KNOWN[name]
        if isinstance(value, list):
            parameters[name] = [some[place % len(some)] for place in range(len(value))]  # type: ignore[index]
        else:
            parameters[name] = some[len(str(value)) % len(some)]  # type: ignore[index]
    return parameters


_schema = schemathesis.openapi.from_dict(DOCUMENT).exclude(path="/api/stream")


@_schema.hook
def map_path_parameters(_: schemathesis.HookContext, path_parameters: Any) -> Any:
    return known(path_parameters)


@_schema.hook
def map_query(_: schemathesis.HookContext, query: Any) -> Any:
    return known(query)


_bounded = settings(
    max_examples=25,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
@pytest.mark.timeout(600)
@_schema.parametrize()
@_bounded
def test_a_local_server_answers_as_documented(case: schemathesis.Case[Any], site: Served) -> None:
    _check(case, site, TOKEN)


@pytest.mark.slow
@pytest.mark.timeout(600)
@_schema.include(path_regex="journals|sources|/runs/{run}$|mutes|tags").parametrize()
@_bounded
def test_a_team_server_answers_as_documented(
    case: schemathesis.Case[Any], team_site: tuple[Served, str]
) -> None:
    _check(case, *team_site)


@schemathesis.serializer("application/x-ndjson")
def _lines(_: schemathesis.SerializationContext, value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def _check(case: schemathesis.Case[Any], site: Served, token: str) -> None:
    case.call_and_validate(
        base_url=site.base,
        headers={"Authorization": f"Bearer {token}"},
        # a schema cannot say that runs must differ or checks exist, and a parameter that is given
        # twice counts once
        excluded_checks=[positive_data_acceptance, negative_data_rejection],
    )
