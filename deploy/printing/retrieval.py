"""What the search commands answer, for people and for programs. Each answer says which model gave it, and its label."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from config.catalogue import load_catalogue
from config.labels import ModelLabel
from config.settings import Settings
from db.reading.retrieval import received_at, views_of
from db.session import Database
from dicom_node.report.wording import LIMITS_OF_USE
from worker.retrieval.candidates import RankedReport
from worker.retrieval.library import Library, StudyClips
from worker.retrieval.packs import RetrievalPack
from worker.retrieval.ranking import FoundStudy
from worker.retrieval.same_patient import Calibration, Likeness

FEW_FOR_A_RATIO = 10
"""Pairs that are as alike or more, of either kind: a ratio of fewer would be chance."""
Facts = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer, twice."""

    facts: Facts
    """For json.dumps."""
    view: RenderableType


def found_for_text(
    settings: Settings,
    registry: Database,
    pack: RetrievalPack,
    library: Library,
    found: Sequence[FoundStudy],
    doubt: str | None,
) -> Answer:
    """The studies that `search` found."""
    results = _found(settings, registry, found)
    table = _table("Score", "Study Instance UID", "Most like it: clip", "View", "Last instance (UTC)")
    for entry in results:
        table.add_row(
            f"{entry['score']:.4f}", entry["study"], entry["clip"], Text(entry["view"] or ""), entry["last_instance_at"]
        )
    return _answer(pack, library, {"doubt": doubt, "results": results}, table, doubts=[doubt] if doubt else [])


def found_for_study(
    settings: Settings,
    registry: Database,
    pack: RetrievalPack,
    library: Library,
    found: Sequence[FoundStudy],
    clips: StudyClips,
) -> Answer:
    """The studies that `similar` found."""
    results = _found(settings, registry, found)
    table = _table("Score", "Study Instance UID", "Most alike: its clip", "View", "and ours", "Last instance (UTC)")
    for entry, study in zip(results, found, strict=True):
        entry |= {"like_clip": clips.instances[study.query_row]}
        table.add_row(
            f"{entry['score']:.4f}",
            entry["study"],
            entry["clip"],
            Text(entry["view"] or ""),
            entry["like_clip"],
            entry["last_instance_at"],
        )
    return _answer(pack, library, {"study": clips.study_instance_uid, "results": results}, table)


def ranked_for_study(
    pack: RetrievalPack,
    library: Library,
    clips: StudyClips,
    ranked: Sequence[RankedReport],
    doubts: Mapping[str, str],
    *,
    own: str,
    top: int,
) -> Answer:
    """The reports in the order that `rank` put them into, and where among all of them the study's own is."""
    results = [
        {
            "rank": report.rank,
            "report": report.id,
            "score": report.score,
            "clip": clips.instances[report.clip],
            "doubt": doubts.get(report.id),
        }
        for report in ranked[:top]
    ]
    table = _table("Rank", "Report", "Score", "Most like it: clip", "Note")
    for entry in results:
        table.add_row(
            str(entry["rank"]), Text(str(entry["report"])), f"{entry['score']:.4f}", str(entry["clip"]),
            Text(str(entry["doubt"] or "")),
        )  # fmt: skip
    place = next((report.rank for report in ranked if report.id == own), None)
    said = None
    if place is not None:
        said = f"its own report, {own}, is {place} of {len(ranked)}: in the top {place / len(ranked):.1%} of candidates"
    facts = {
        "study": clips.study_instance_uid,
        "candidates": len(ranked),
        "own": None if place is None else {"report": own, "rank": place, "share": place / len(ranked)},
        "results": results,
    }
    few = [f"{len(doubts)} of {len(ranked)} reports are not read as they are written"] if doubts else []
    return _answer(pack, library, facts, Group(table, *([Text(said)] if said else [])), doubts=few)


def compared(pack: RetrievalPack, library: Library, alike: Likeness, kept: Calibration | None) -> Answer:
    """How alike two studies are, and what that means here."""
    facts: Facts = {"score": alike.score, "pairs_of_clips": alike.pairs, "views": list(alike.views)}
    among = f"pairs of clips: {alike.pairs}" + (f", of view {', '.join(alike.views)}" if alike.views else "")
    said = [f"likeness {alike.score:.4f} (mean of cosines, {among})"]
    if kept is None:
        facts |= {"calibration": None}
        said.append(
            "UNCALIBRATED: what this means for the question of one patient is not known here; "
            "echoworker same-patient --calibrate compares this installation's own studies"
        )
    else:
        different, same = kept.share_of_different(alike.score), kept.share_of_same(alike.score)
        ratio = _ratio(kept, different, same)
        facts |= {
            "calibration": _provenance(kept),
            "share_of_different_patients_as_alike": different,
            "share_of_same_patient_as_alike": same,
            "likelihood_ratio": ratio,
        }
        said.append(f"as alike or more: {_share(different, len(kept.different))} pairs of different patients here")
        if same is not None:
            said.append(f"as alike or more: {_share(same, len(kept.same))} pairs of one patient here")
        if ratio is not None:
            said.append(f"likelihood ratio of a pair that is as alike or more: {ratio:.3g}")
        said.append(_calibration_line(kept))
    said.append("No proof of identity: two hearts may look alike, and one heart changes.")
    return _answer(pack, library, facts, Text("\n".join(said)))


def calibrated(pack: RetrievalPack, library: Library, made: Calibration, path: Path) -> Answer:
    """What `same-patient --calibrate` learned."""
    said = [_calibration_line(made)]
    if made.auc is not None:
        said.append(f"area under the curve for telling pairs of one patient from others: {made.auc:.3f}")
    else:
        said.append("no patient has several studies: there will be percentages of different patients alone")
    if made.placeholder_patient_ids:
        said.append(f"{made.placeholder_patient_ids} patient IDs with very many studies were left out as placeholders")
    said.append(f"kept: {path}")
    return _answer(pack, library, {"calibration": _provenance(made), "auc": made.auc}, Text("\n".join(said)))


def _found(settings: Settings, registry: Database, found: Sequence[FoundStudy]) -> list[Facts]:
    uids = [study.study_instance_uid for study in found]
    with registry.read() as session:
        views, received = views_of(session, uids), received_at(session, uids)
    catalogue = load_catalogue(settings.catalogue_path)
    results = []
    for study in found:
        view = views.get((study.study_instance_uid, study.sop_instance_uid))
        known = catalogue.view(view) if view else None
        at = received.get(study.study_instance_uid)
        results.append(
            {
                "study": study.study_instance_uid,
                "score": study.score,
                "clip": study.sop_instance_uid,
                "clip_score": study.clip_score,
                "view": known.name if known else view,
                "last_instance_at": f"{at:%Y-%m-%d %H:%M:%S}" if at else "",
            }
        )
    return results


def _table(*headings: str) -> Table:
    return Table(*(Column(heading, overflow="fold") for heading in headings))  # half a UID finds nothing


def _answer(
    pack: RetrievalPack, library: Library, facts: Facts, view: RenderableType, *, doubts: Iterable[str] = ()
) -> Answer:
    """With what every answer says: the model and its label before, what was not searched after."""
    identity = pack.identity
    role = "for retrieval" if pack.is_for_retrieval else "the one that scores: no pack for retrieval is in use"
    head = Text(
        f"{identity.name} {identity.version} ({identity.label}, {identity.digest[:12]}), {role}; "
        f"{library.index.studies} studies, {library.index.clips} clips, {library.preprocessing_profile}",
        style="dim",
    )
    limits = Text(LIMITS_OF_USE[identity.label], style="" if identity.label is ModelLabel.CLINICAL else "bold red")
    notes = [*doubts, *_gaps(library)]
    model = {name: str(value) for name, value in vars(identity).items()}
    searched = {
        "studies": library.index.studies,
        "clips": library.index.clips,
        "preprocessing_profile": library.preprocessing_profile,
        "embedder": library.embedder,
        "without_embeddings": library.without_embeddings,
        "unreadable": list(library.update.unreadable),
    }
    return Answer(
        facts={
            "model": model | {"for_retrieval": pack.is_for_retrieval},
            "limits_of_use": LIMITS_OF_USE[identity.label],
            "searched": searched,
            **facts,
        },
        view=Group(limits, head, view, *(Text(note, style="yellow") for note in notes)),
    )


def _gaps(library: Library) -> list[str]:
    gaps = []
    if library.without_embeddings:
        gaps.append(
            f"not searched: scored studies without embeddings of this model over clips prepared as "
            f"{library.preprocessing_profile}: {library.without_embeddings}; requeue them with --step prepare"
        )
    if library.update.unreadable:
        gaps.append(
            f"not searched: studies whose embeddings are missing or damaged: {len(library.update.unreadable)}; requeue "
            f"them with --step prepare: {', '.join(library.update.unreadable[:10])}"
        )
    if library.update.made_again:
        gaps.append("the index was damaged, and was made again")
    return gaps


def _ratio(kept: Calibration, different: float, same: float | None) -> float | None:
    if same is None:
        return None
    enough = min(different * len(kept.different), same * len(kept.same)) >= FEW_FOR_A_RATIO
    return same / different if enough else None


def _share(share: float, pairs: int) -> str:
    """Where none is, or all are, a percentage would claim more than so many pairs can show."""
    count = round(share * pairs)
    return f"{share:.1%} of {pairs:,}" if 0 < count < pairs else f"{'all' if count else 'none'} of {pairs:,}"


def _provenance(kept: Calibration) -> Facts:
    facts = kept.model_dump(mode="json", exclude={"different", "same"})
    return facts | {"pairs_of_different_patients": len(kept.different), "pairs_of_one_patient": len(kept.same)}


def _calibration_line(kept: Calibration) -> str:
    return (
        f"calibrated {kept.made_at:%Y-%m-%d %H:%M} UTC on {kept.patients:,} patients here, "
        f"{kept.patients_with_several_studies:,} of them with several studies: {len(kept.different):,} pairs of "
        f"different patients, {len(kept.same):,} of one; {kept.model_name} {kept.model_version} ({kept.model_label})"
    )
