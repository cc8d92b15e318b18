"""What the conformance statement says of our reports: templates and codes, from the tables of `dicom_node.report`."""

from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.sr.coding import Code

from config.catalogue import Catalogue
from config.clinical_tasks import AnyTask, ClassTask, RegressionTask
from config.coded_concepts import Coded, CodedConcept
from config.languages import Language
from dicom_node.conformance.markdown import document, table
from dicom_node.report import codes
from dicom_node.report.checking.terminology import is_private
from dicom_node.report.sources import TYPE_2
from dicom_node.report.words import words_of

_TERMS = (
    codes.ECHOCARDIOGRAPHY,
    codes.QUALITATIVE_EVALUATIONS,
    codes.COMMENT,
    codes.MEDIAN,
    codes.MEAN,
    *dict.fromkeys(codes.SCORES.values()),
)


def report_section(catalogue: Catalogue) -> str:
    """The section on the Structured Reports of these tasks."""
    tasks = [
        (task.name, _narrowed(task), _kind_of_value(task), _written(task.finding_site)) for task in catalogue.tasks
    ]
    return document(
        "## Structured Reports",
        "Comprehensive 3D SR, TID 1500 Imaging Measurement Report. Completion COMPLETE, verification UNVERIFIED, "
        "preliminary flag PRELIMINARY. Series Description carries the label of the model. UIDs are 2.25 UUIDs derived "
        "from study, run and model: the same run gives the same object. Reports of a study by one model and one "
        "version of this software are one series. A report names the previous one of its study as its predecessor. The "
        "algorithm is also in Contributing Equipment; its Device Observer UID changes with the model.",
        "Attributes of patient and study are those of the images, as far as DICOM allows them in an SR: one that is "
        "too long, has several values where one is allowed, or is not of its VR, is empty where an SR must carry it "
        f"(type 2: {_must_be_there()}) and absent otherwise. Patient ID alone is never emptied: a study whose images "
        "carry more than one, or one that is not a single value of at most 64 characters, gets no report and is "
        "FAILED. Referenced Request Sequence names each request of the images' Request Attributes Sequence, with order "
        "numbers from there or from the image itself; it is absent where they name none.",
        "One TID 1501 group for each task, those with an answer first: tracking identifier, finding site, algorithm "
        "identification (model, version, label, method, digests, preprocessing, run), the source instances with their "
        "frames, and",
        "- for an estimate: NUM with the concept and unit of the task;\n"
        "- for a finding: CODE with the concept of the task and a value of the table below, and the score that it was "
        "decided by as NUM;\n"
        "- for a class: CODE with the concept of the task and that of the class, and no NUM;",
        "and a comment in words, which says what kind of score it is. What asks for less than its concept has as HAS "
        "CONCEPT MOD what narrows it (below, behind a colon). The group with the heat map's answer refers "
        f"to it by an IMAGE, {_written(codes.ILLUSTRATION)}, and the evidence lists it. A task without an answer (not "
        "calibrated, or not answered for this study) has a short group at the end: tracking identifier, finding site, "
        f"CODE {codes.UNDETERMINED.meaning}, comment; never a NUM, no algorithm identification and no source "
        "instances.",
        f"The container {codes.QUALITATIVE_EVALUATIONS.meaning} holds comments on the whole report: what its results "
        "may be taken for; all answers in one paragraph; the tasks that are not calibrated; where the views were "
        "judged, the views of the instances used; how many instances of the study were left out, for which reasons; "
        "and what made the results. Instances that were left out are not referenced. A study of which no "
        "instance is used gets no report.",
        "The language of comments, algorithm parameters and Series Description is a setting, and named by TID "
        f"1204: {_languages()}. Meanings of codes and Tracking Identifiers are in English in each. A report in another "
        "language than English names in each comment what was asked and answered.",
        "### Tasks of the catalogue",
        table(("task", "concept", "value", "finding site"), tasks),
        "### Classes",
        table(("task", "class"), _classes(catalogue)),
        "### Other terms",
        table(
            ("term", "used for"),
            [(_written(code), f"verdict {verdict}") for verdict, code in codes.PRESENCE.items()]
            + [(_written(code), "content of the report") for code in _TERMS],
        ),
        "### Private codes",
        *_private_codes(catalogue),
    )


def _languages() -> str:
    return ", ".join(f"({words.code}, {codes.LANGUAGE_SCHEME})" for words in map(words_of, Language))


def _narrowed(asked: Coded) -> str:
    narrower = ", ".join(f"{_written(modifier.name)} = {_written(modifier.value)}" for modifier in asked.modifiers)
    return f"{_written(asked.concept)}: {narrower}" if narrower else _written(asked.concept)


def _kind_of_value(task: AnyTask) -> str:
    if isinstance(task, RegressionTask):
        return f"NUM in {_written(task.unit)}"
    if isinstance(task, ClassTask):
        return f"CODE of one of its {len(task.classes)} classes"
    return f"CODE, with the score as NUM in {_written(codes.NO_UNITS)}"


def _classes(catalogue: Catalogue) -> list[tuple[str, str]]:
    """Each set of classes once, with all the tasks that have it."""
    tasks: dict[tuple[str, ...], list[str]] = {}
    for task in catalogue.tasks:
        if isinstance(task, ClassTask):
            tasks.setdefault(tuple(_narrowed(outcome) for outcome in task.classes), []).append(task.name)
    return [(", ".join(names), outcome) for outcomes, names in tasks.items() for outcome in outcomes]


def _must_be_there() -> str:
    emptied = (keyword for keyword in TYPE_2 if keyword != "PatientID")
    return ", ".join(dictionary_description(tag_for_keyword(keyword) or 0) for keyword in emptied)


def _private_codes(catalogue: Catalogue) -> list[str]:
    """Those of a site's own catalogue: the bundled one has none."""
    concepts: list[CodedConcept] = []
    for task in catalogue.tasks:
        concepts.append(task.finding_site)
        for asked in (task, *(task.classes if isinstance(task, ClassTask) else ())):
            concepts += [asked.concept, *(code for one in asked.modifiers for code in (one.name, one.value))]
    private = sorted({concept.key: concept for concept in concepts if is_private(concept.scheme)}.items())
    if not private:
        return ["None: each code is of a public coding scheme."]
    return [
        "Named in the Coding Scheme Identification Sequence:",
        table(("code", "meaning"), [(f"`{value}`, {scheme}", concept.meaning) for (value, scheme), concept in private]),
    ]


def _written(concept: CodedConcept | Code) -> str:
    """As PS3.16 writes a coded term: (value, scheme, "meaning")."""
    scheme = concept.scheme if isinstance(concept, CodedConcept) else concept.scheme_designator
    return f'({concept.value}, {scheme}, "{concept.meaning}")'
