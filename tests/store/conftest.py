"""A PostgreSQL cluster for the tests of this folder, and the URL of an empty database."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

_numbers = count()


def initdb() -> str | None:
    """The program that makes a cluster, where PostgreSQL is installed."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return shutil.which("initdb") or (str(programs[-1]) if programs else None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a running cluster: ``postgres@127.0.0.1:port``."""
    if initdb() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with cluster(fsync="off") as address:
        yield address


@contextmanager
def cluster(*, fsync: str) -> Iterator[str]:
    """A running cluster of its own: ``postgres@127.0.0.1:port``."""
    found = initdb()
    if found is None:
        raise FileNotFoundError("PostgreSQL is not installed: apt-get install postgresql")
    # initdb refuses root, and pytest's own folders are closed to other users
    user: dict[str, Any] = {}
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        user = {"user": "postgres", "group": "postgres", "extra_groups": []}
    folder = Path(tempfile.mkdtemp(prefix="trema-pg-"))
    try:
        if user:
            shutil.chown(folder, "postgres", "postgres")
        data, bin_folder = folder / "data", Path(found).resolve().parent
        quiet: dict[str, Any] = {**user, "cwd": folder, "stdout": subprocess.DEVNULL}
        make = [f"{bin_folder / 'initdb'}", "-D", f"{data}", "-U", "postgres", "-A", "trust"]
        subprocess.run([*make, "-E", "UTF8", "--no-sync"], check=True, **quiet)
        port = _free_port()
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(folder),
            "fsync": fsync,
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [bin_folder / "postgres", "-D", data, "-p", str(port), *settings],
                stderr=log,
                **quiet,
            )
        try:
            _wait(f"postgresql://postgres@127.0.0.1:{port}/postgres", server, folder / "log")
            yield f"postgres@127.0.0.1:{port}"
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(address).close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(log.read_text(errors="replace")) from None
            time.sleep(0.1)


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """The URL of an empty database."""
    name = f"trema_{next(_numbers)}"
    with psycopg.connect(f"postgresql://{postgres}/postgres", autocommit=True) as db:
        db.execute(f'CREATE DATABASE "{name}"'.encode())
    yield f"postgresql+psycopg://{postgres}/{name}"
    with psycopg.connect(f"postgresql://{postgres}/postgres", autocommit=True) as db:
        db.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a file that does not exist."""
    return f"sqlite:///{tmp_path / 'cache' / 'index.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database of each kind."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    return str(request.getfixturevalue(name))
