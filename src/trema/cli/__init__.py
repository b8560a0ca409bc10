"""The command line. Each command loads what it needs when it is called."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import trema
from trema.cli.travel_app import travel_app
from trema.core.errors import TremaError

app = typer.Typer(
    name="trema",
    help="The debugger for the training of neural networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

#: Options of ``trema run`` that are followed by a value.
_RUN_VALUES = ("--json", "--fail-on", "--stop-on", "--name", "--dir")


class Level(StrEnum):
    """Severities, the worst first."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class ListFormat(StrEnum):
    """How the list of checks is printed."""

    TEXT = "text"
    JSON = "json"
    MD = "md"


class FileFormat(StrEnum):
    """What a run is written as."""

    JSON = "json"
    CSV = "csv"
    HTML = "html"


Dir = Annotated[Path | None, typer.Option("--dir", help="The folder that holds the runs.")]
Host = Annotated[str, typer.Option(help="The address to listen at.")]
Port = Annotated[
    int | None, typer.Option(min=1, max=65535, help="Default: 6120, or the next that is free.")
]
AlertsFile = Annotated[
    Path | None,
    typer.Option("--alerts", help="Rules of alerts (TOML); default alerts.toml of the folder."),
]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Open no browser.")]
Database = Annotated[
    str | None,
    typer.Option(envvar="TREMA_DATABASE", help="URL of a PostgreSQL or SQLite database."),
]

server_app = typer.Typer(help="Serve the runs of a team from one database.", no_args_is_help=False)
token_app = typer.Typer(help="Tokens of the team's server.", no_args_is_help=True)
app.add_typer(server_app, name="server")
app.add_typer(travel_app, name="travel")
server_app.add_typer(token_app, name="token")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; a mistake of the caller is one sentence on stderr and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a name must not fail on an ASCII terminal
    try:
        app(args=split_run(list(sys.argv[1:] if arguments is None else arguments)))
    except TremaError as error:
        print(f"trema: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except BrokenPipeError:  # trema runs | head
        sys.stderr.close()
        raise SystemExit(1) from None


def split_run(arguments: list[str]) -> list[str]:
    """``run -m module ARGS`` with ``--`` before ARGS, so that they stay the module's own."""
    if arguments[:1] != ["run"]:
        return arguments
    place = 1
    while place < len(arguments):
        word = arguments[place]
        if word == "-m":
            return [*arguments[: place + 2], "--", *arguments[place + 2 :]]
        if word == "--" or not word.startswith("-"):
            return arguments
        place += 2 if word in _RUN_VALUES else 1
    return arguments


@app.callback(invoke_without_command=True)
def about(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """The debugger for the training of neural networks."""
    if version:
        print(f"trema {trema.__version__}")
        raise typer.Exit


@app.command(context_settings={"allow_interspersed_args": False})
def run(
    script: Annotated[list[str] | None, typer.Argument(metavar="script.py ARGS…")] = None,
    module: Annotated[str | None, typer.Option("-m", help="Run a module instead.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the findings document here.")] = None,
    fail_on: Annotated[
        Level | None, typer.Option(help="Exit with 3 on a finding of this level or worse.")
    ] = None,
    stop_on: Annotated[
        Level | None, typer.Option(help="End training on a finding of this level or worse.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The run's name.")] = None,
    dir: Dir = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing.")] = False,
) -> None:
    """Run an unmodified script and say what is wrong with its training."""
    from trema.cli.run import Options, run_program

    options = Options(json=json, fail_on=fail_on, stop_on=stop_on, name=name, dir=dir, quiet=quiet)
    raise SystemExit(run_program(list(script or []), module, options))


@app.command()
def runs(dir: Dir = None) -> None:
    """List the runs that are kept, the newest first."""
    from trema.cli.show import list_all

    list_all(dir)


@app.command()
def show(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Name, id, or last.")],
    json: Annotated[bool, typer.Option("--json", help="Print the findings document.")] = False,
    dir: Dir = None,
) -> None:
    """Show the findings of a run."""
    from trema.cli.show import show_run

    show_run(run, dir, as_json=json)


@app.command()
def why(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Name, id, or last.")] = "last",
    symptom: Annotated[
        str | None,
        typer.Argument(metavar="[loss-nan|not-learning|overfitting]", help="What to explain."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
    dir: Dir = None,
) -> None:
    """Say why a run went wrong: from the symptom to what to fix first."""
    from trema.cli.why import explain_run

    explain_run(run, symptom, dir, as_json=json)


@app.command()
def explain(check: Annotated[str, typer.Argument(metavar="CHECK")]) -> None:
    """Explain what a check looks for, why it matters and when it may be wrong."""
    from trema.cli.checks import explain_check

    explain_check(check)


@app.command()
def checks(
    format: Annotated[ListFormat, typer.Option(help="text, json or md.")] = ListFormat.TEXT,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="With md: the folder of the pages.")
    ] = None,
) -> None:
    """List all checks."""
    from trema.cli.checks import list_checks

    if format is ListFormat.MD:
        from trema.cli.pages import write_pages

        write_pages(output)
        return
    list_checks(as_json=format is ListFormat.JSON)


@app.command()
def doctor(dir: Dir = None) -> None:
    """Tell whether the installation is whole."""
    from trema.cli.doctor import examine

    raise SystemExit(examine(dir))


@app.command()
def prune(
    keep: Annotated[int | None, typer.Option(min=0, help="Keep this many of the newest.")] = None,
    older_than: Annotated[float | None, typer.Option(min=0, help="Days.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dir: Dir = None,
) -> None:
    """Delete runs that are not needed any more."""
    from trema.cli.prune import prune_runs

    prune_runs(dir, keep=keep, days=older_than, yes=yes)


@app.command()
def index(
    url: Annotated[str | None, typer.Option(help="The database; default SQLite.")] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Drop the index first.")] = False,
    dir: Dir = None,
) -> None:
    """Bring the index of all runs up to date with the journals."""
    from trema.cli.prune import index_folder

    index_folder(dir, url, rebuild=rebuild)


@app.command()
def sync(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="RUN…", help="Names or ids; all by default.")
    ] = None,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="The server; default TREMA_SERVER.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="A file with the token; default TREMA_TOKEN.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until Ctrl-C.")] = False,
    dir: Dir = None,
) -> None:
    """Send runs to a team server, also those that were killed."""
    from trema.cli.sync import Options, sync_runs

    options = Options(server=server, token_file=token_file, follow=follow, dir=dir)
    raise SystemExit(sync_runs(runs or [], options))


@app.command()
def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Name, id, or last.")],
    format: Annotated[FileFormat, typer.Option(help="json, csv or html.")] = FileFormat.JSON,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; - is the standard output.")
    ] = None,
    facts: Annotated[
        bool, typer.Option("--facts", help="With json: all facts, not only metrics and loss.")
    ] = False,
    dir: Dir = None,
) -> None:
    """Write a run to one file: its data, its numbers, or a page to send around."""
    from trema.cli.export import export_run

    export_run(run, dir, format=format.value, output=output, facts=facts)


@app.command()
def alerts(
    config: Annotated[
        Path | None, typer.Option(help="The rules; default alerts.toml in the folder of runs.")
    ] = None,
    dir: Dir = None,
) -> None:
    """Tell somebody of findings, crashes and ends, until Ctrl-C."""
    from trema.cli.alerts import run_alerts

    run_alerts(dir, config)


@app.command()
def mcp(
    database: Annotated[
        str | None, typer.Option(help="URL of a database instead of a folder.")
    ] = None,
    dir: Dir = None,
) -> None:
    """Let a coding assistant ask about the runs (Model Context Protocol, stdio)."""
    from trema.cli.mcp import run_mcp

    run_mcp(dir, database)


@app.command()
def demo(
    json: Annotated[Path | None, typer.Option(help="Write the findings document here.")] = None,
    no_browser: NoBrowser = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve the page until Ctrl-C, also without a terminal.")
    ] = False,
    dir: Dir = None,
) -> None:
    """Train a buggy program on real images for under a minute and open its page."""
    from trema.cli.demo import run_demo

    raise SystemExit(run_demo(json, dir, browser=not no_browser, serve=serve))


@app.command()
def ui(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[DIR|URL]",
            help="A project, its .trema, a database, or a server. Default: .trema here.",
        ),
    ] = None,
    host: Host = "127.0.0.1",
    port: Port = None,
    no_browser: NoBrowser = False,
    alerts: AlertsFile = None,
) -> None:
    """Open the page of the runs: findings, curves, layers and source, live."""
    from trema.cli.ui import run_ui

    run_ui(target, host=host, port=port, browser=not no_browser, alerts=alerts)


@server_app.callback(invoke_without_command=True)
def server(
    context: typer.Context,
    database: Database = None,
    host: Host = "127.0.0.1",
    port: Port = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes.")] = 1,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A name by which browsers reach it; may be repeated.")
    ] = None,
    rate: Annotated[
        float, typer.Option(min=1, help="Requests a second of one client and process.")
    ] = 200.0,
    alerts: AlertsFile = None,
    public_url: Annotated[
        str | None, typer.Option(help="The address that links in alerts begin with.")
    ] = None,
) -> None:
    """Serve the runs of a team from one database."""
    context.obj = database
    if context.invoked_subcommand is not None:
        return
    from trema.cli.server import run_server

    run_server(
        database,
        host=host,
        port=port,
        workers=workers,
        hosts=allow_host or (),
        rate=rate,
        alerts=alerts,
        public=public_url,
    )


@token_app.command("create")
def create_token(
    context: typer.Context,
    name: Annotated[str, typer.Option(help="Whose it is.")],
    write: Annotated[bool, typer.Option("--write", help="It may also write.")] = False,
    database: Database = None,
) -> None:
    """Make a token; it is printed once."""
    from trema.cli.server import new_token

    new_token(database or context.obj, name, write=write)


@token_app.command("list")
def list_tokens(context: typer.Context, database: Database = None) -> None:
    """List the tokens."""
    from trema.cli.server import list_tokens

    list_tokens(database or context.obj)


@token_app.command("revoke")
def revoke_token(
    context: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", help="As the list shows it.")],
    database: Database = None,
) -> None:
    """End a token."""
    from trema.cli.server import revoke_token

    revoke_token(database or context.obj, id)
