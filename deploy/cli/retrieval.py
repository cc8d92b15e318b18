"""`echoworker search`, `similar`, `same-patient`, `rank`: looking for studies and reports by what the model sees."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from config.errors import ConfigurationError
from deploy.cli.shared import StudyUID, console, open_registry, start

if TYPE_CHECKING:
    from config.settings import Settings
    from db.session import Database
    from deploy.printing.retrieval import Answer

Top = Annotated[int, typer.Option(min=1, help="At most so many.")]
AsJSON = Annotated[bool, typer.Option("--json", help="All of it as JSON, for programs.")]


def search(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="A phrase, in the words of a report.")] = "",
    file: Annotated[
        Path | None, typer.Option(metavar="REPORT.TXT", exists=True, dir_okay=False, help="A report, instead of TEXT.")
    ] = None,
    top: Top = 20,
    as_json: AsJSON = False,
) -> None:
    """List the studies with the clips most like a text. A likeness is no finding: the text need not be true of them."""
    from deploy.printing.retrieval import found_for_text  # noqa: PLC0415  commands load what they need: --help is quick
    from worker.retrieval.library import open_library  # noqa: PLC0415
    from worker.retrieval.loading import load_retrieval_model  # noqa: PLC0415
    from worker.retrieval.packs import retrieval_pack  # noqa: PLC0415
    from worker.retrieval.ranking import studies_like_text  # noqa: PLC0415

    wanted = _text(text, file)
    settings = start("search")
    registry = open_registry(settings)
    pack = retrieval_pack(settings)
    library = open_library(settings, registry, embedder=pack.embedder)
    model = load_retrieval_model(settings)
    (embedding,) = model.embed_texts([wanted])
    found = studies_like_text(library.index, embedding, top=top)
    doubt = model.doubt(wanted)
    _show(found_for_text(settings, registry, pack, library, found, doubt), as_json=as_json)


def similar(uid: StudyUID, top: Top = 20, as_json: AsJSON = False) -> None:
    """List the studies most like a study, clip by clip."""
    from deploy.printing.retrieval import found_for_study  # noqa: PLC0415
    from worker.retrieval.library import open_library  # noqa: PLC0415
    from worker.retrieval.packs import retrieval_pack  # noqa: PLC0415
    from worker.retrieval.ranking import studies_like_study  # noqa: PLC0415

    settings = start("similar")
    registry = open_registry(settings)
    pack = retrieval_pack(settings)
    library = open_library(settings, registry, embedder=pack.embedder)
    clips = library.clips_of(registry, uid)
    found = studies_like_study(library.index, clips.vectors, top=top, besides={uid})
    _show(found_for_study(settings, registry, pack, library, found, clips), as_json=as_json)


def same_patient(
    uids: Annotated[list[str] | None, typer.Argument(metavar="UID UID", help="Two Study Instance UIDs.")] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Learn how alike this installation's own pairs of studies are.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Say how alike two studies are, and of how many pairs of different patients that is more. No proof of identity."""
    settings = start("same-patient")
    registry = open_registry(settings)
    if calibrate and not uids:
        answer = _calibrated(settings, registry)
    elif not calibrate and uids and len(set(uids)) == len(uids) == 2:
        answer = _compared(settings, registry, uids[0], uids[1])
    else:
        raise ConfigurationError("same-patient: give two different Study Instance UIDs, or --calibrate alone")
    _show(answer, as_json=as_json)


def rank(
    uid: StudyUID,
    reports: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER|FILE.JSONL", exists=True, help='.txt files, or lines of {"id": "...", "text": "..."}.'
        ),
    ],
    own: Annotated[
        str, typer.Option(metavar="ID", help="The study's own report, to see its place. By default, the UID.")
    ] = "",
    top: Top = 20,
    as_json: AsJSON = False,
) -> None:
    """Put candidate reports into the order of their likeness to a study."""
    from deploy.printing.retrieval import ranked_for_study  # noqa: PLC0415
    from worker.retrieval.candidates import ranked_reports, read_candidates  # noqa: PLC0415
    from worker.retrieval.library import open_library  # noqa: PLC0415
    from worker.retrieval.loading import load_retrieval_model  # noqa: PLC0415
    from worker.retrieval.packs import retrieval_pack  # noqa: PLC0415

    candidates = read_candidates(reports)
    ids = [candidate.id for candidate in candidates]
    if own and own not in ids:
        raise ConfigurationError(f"--own {own}: no report has this id")
    settings = start("rank")
    registry = open_registry(settings)
    pack = retrieval_pack(settings)
    library = open_library(settings, registry, embedder=pack.embedder)
    clips = library.clips_of(registry, uid)
    model = load_retrieval_model(settings)
    ranked = ranked_reports(clips.vectors, model.embed_texts([candidate.text for candidate in candidates]), ids)
    doubts = {candidate.id: doubt for candidate in candidates if (doubt := model.doubt(candidate.text))}
    _show(ranked_for_study(pack, library, clips, ranked, doubts, own=own or uid, top=top), as_json=as_json)


def _compared(settings: "Settings", registry: "Database", first: str, second: str) -> "Answer":
    from config.errors import SearchError  # noqa: PLC0415
    from deploy.printing.retrieval import compared  # noqa: PLC0415
    from worker.retrieval.library import open_library  # noqa: PLC0415
    from worker.retrieval.packs import retrieval_pack  # noqa: PLC0415
    from worker.retrieval.same_patient import calibration_path, likeness, read_calibration  # noqa: PLC0415

    pack = retrieval_pack(settings)
    library = open_library(settings, registry, embedder=pack.embedder)
    alike = likeness(library.clips_of(registry, first), library.clips_of(registry, second))
    if alike is None:
        raise SearchError("the two studies have no view in common: clips of different views are not compared")
    kept = calibration_path(
        settings.data_dir, embedder=pack.embedder, preprocessing_profile=library.preprocessing_profile
    )
    return compared(pack, library, alike, read_calibration(kept, embedder=pack.embedder))


def _calibrated(settings: "Settings", registry: "Database") -> "Answer":
    from functools import partial  # noqa: PLC0415
    from importlib.metadata import version  # noqa: PLC0415

    from db.reading.retrieval import patients_of  # noqa: PLC0415
    from deploy.printing.retrieval import calibrated  # noqa: PLC0415
    from worker.retrieval.library import open_library  # noqa: PLC0415
    from worker.retrieval.packs import retrieval_pack  # noqa: PLC0415
    from worker.retrieval.same_patient import calibrate, calibration_path, write_calibration  # noqa: PLC0415

    pack = retrieval_pack(settings)
    library = open_library(settings, registry, embedder=pack.embedder)
    kind = {"embedder": pack.embedder, "preprocessing_profile": library.preprocessing_profile}
    with registry.read() as session:
        patients = patients_of(session, **kind)
    made = calibrate(
        patients,
        partial(library.clips_of_many, registry),
        model=pack.identity,
        software_version=version("echoworker"),
        **kind,
    )
    path = calibration_path(settings.data_dir, **kind)
    write_calibration(path, made)
    return calibrated(pack, library, made, path)


def _text(text: str, file: Path | None) -> str:
    if bool(text.strip()) == (file is not None):
        raise ConfigurationError("search: give a TEXT, or --file")
    if file is None:
        return text
    try:
        content = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"--file {file}: is not UTF-8 text") from error
    if not content.strip():
        raise ConfigurationError(f"--file {file}: is empty")
    return content


def _show(answer: "Answer", *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(answer.facts, indent=1))
    else:
        console.print(answer.view)
