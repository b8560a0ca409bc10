"""``trema travel``: the commands and their options; what they do is in ``travel.py``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

travel_app = typer.Typer(
    help="Replay how every sample moved during training, and find those to look at.",
    no_args_is_help=True,
)


class Method(StrEnum):
    """Ways to lay a run on a canvas."""

    TREMA = "trema"
    DVI = "dvi"
    TIMEVIS = "timevis"
    PCA = "pca"


Run = Annotated[
    str,
    typer.Argument(metavar="RUN", help="Name or id of a run, last, or a folder with a recording."),
]
Dir = Annotated[Path | None, typer.Option("--dir", help="The folder that holds the runs.")]
How = Annotated[Method, typer.Option("--method", help="trema, dvi, timevis or pca.")]
Split = Annotated[
    str | None,
    typer.Option(
        "--split",
        help="Which samples, by default the training data; train,unlabelled lays a pool with them.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="The same seed gives the same movie.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@travel_app.command()
def build(
    run: Run = "last",
    method: How = Method.TREMA,
    split: Split = None,
    seed: Seed = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    option: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of the method; may be repeated.")
    ] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Build it even if it is there.")] = False,
    json: Json = False,
    dir: Dir = None,
) -> None:
    """Lay a recorded run on a canvas and keep the movie with the run."""
    from trema.cli.travel import Wanted, build_movie

    wanted = Wanted(run, dir, method.value, split, seed)
    build_movie(wanted, device=device, options=option or [], anew=anew, as_json=json)


@travel_app.command()
def quality(
    run: Run = "last",
    method: How = Method.TREMA,
    split: Split = None,
    seed: Seed = 0,
    k: Annotated[int, typer.Option(min=1, help="Neighbours that count.")] = 15,
    queries: Annotated[int, typer.Option(min=2, help="Samples that are asked.")] = 5000,
    unseen: Annotated[
        str | None, typer.Option(help="Ask the samples of this split, laid on the same canvas.")
    ] = None,
    json: Json = False,
    dir: Dir = None,
) -> None:
    """Measure how faithful a movie is, early, in the middle and late."""
    from trema.cli.travel import Wanted, measure_movie

    wanted = Wanted(run, dir, method.value, split, seed)
    measure_movie(wanted, k=k, queries=queries, unseen=unseen, as_json=json)


@travel_app.command()
def anomalies(
    run: Run = "last",
    method: How = Method.TREMA,
    split: Split = None,
    seed: Seed = 0,
    threshold: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Flags what scores above it, and more where many stand out; higher flags fewer.",
        ),
    ] = 0.98,
    count: Annotated[int, typer.Option(min=1, help="How many are shown.")] = 20,
    unseen: Annotated[
        str | None, typer.Option(help="Judge the samples of this split by those of the movie.")
    ] = None,
    held: Annotated[
        str | None,
        typer.Option(help="With --unseen: a split of ordinary samples to calibrate the scores by."),
    ] = None,
    json: Json = False,
    dir: Dir = None,
) -> None:
    """List samples that moved, or were predicted, otherwise than most."""
    from trema.cli.travel import Wanted
    from trema.cli.travel_anomalies import list_anomalies

    wanted = Wanted(run, dir, method.value, split, seed)
    list_anomalies(wanted, threshold=threshold, count=count, unseen=unseen, held=held, as_json=json)


@travel_app.command()
def suggest(
    run: Run = "last",
    method: How = Method.TREMA,
    split: Split = None,
    seed: Seed = 0,
    count: Annotated[int, typer.Option(min=1, help="Samples a round.")] = 50,
    intention: Annotated[
        str | None, typer.Option(help="mislabelled, mispredicted, abnormal or open.")
    ] = None,
    session: Annotated[str, typer.Option(help="Its name; answers are kept under it.")] = "default",
    accept: Annotated[
        str | None, typer.Option(help="Samples to accept: 3,7,12-15, or a file that lists them.")
    ] = None,
    reject: Annotated[str | None, typer.Option(help="Samples to reject, in the same way.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the last answers back.")] = False,
    json: Json = False,
    dir: Dir = None,
) -> None:
    """Recommend samples to look at, and learn from what you accept and reject."""
    from trema.cli.travel import Wanted
    from trema.cli.travel_suggest import Answers, suggest_samples

    wanted = Wanted(run, dir, method.value, split, seed)
    answers = Answers(accept=accept, reject=reject, undo=undo)
    suggest_samples(
        wanted, answers, count=count, intention=intention, session=session, as_json=json
    )


@travel_app.command()
def export(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A file that ends in .csv or .npz.")
    ],
    run: Run = "last",
    method: How = Method.TREMA,
    split: Split = None,
    seed: Seed = 0,
    neighbours: Annotated[
        bool,
        typer.Option(
            "--neighbours",
            help="Also which share of its neighbours is labelled otherwise, at every epoch.",
        ),
    ] = False,
    dir: Dir = None,
) -> None:
    """Write positions and features of all samples to a file."""
    from trema.cli.travel import Wanted
    from trema.cli.travel_export import export_movie

    wanted = Wanted(run, dir, method.value, split, seed)
    export_movie(wanted, output, neighbours=neighbours)
