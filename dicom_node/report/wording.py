"""What a report says in words; a reader who knows nothing of the model must not be misled by it."""

from collections import Counter
from collections.abc import Mapping

from config.catalogue import Catalogue
from config.labels import ModelLabel
from db.consistency.discordances import Discordance, Side, Told
from db.results.runs import Run, Verdict
from dicom_node.report.answers import brief, in_reading_order
from dicom_node.report.words import ENGLISH, Words

LIMITS_OF_USE: Mapping[ModelLabel, str] = {label: ENGLISH.say(f"limits.{label}") for label in ModelLabel}
"""What results of a model so labelled may be taken for; said with every one of them."""


def series_description(label: ModelLabel, words: Words = ENGLISH) -> str:
    """At most 64 characters: many viewers show this line and no other."""
    use = "clinical" if label is ModelLabel.CLINICAL else "not_clinical"
    return words.say(f"series.{use}", label=label)


def limits_of_use(run: Run, words: Words = ENGLISH) -> str:
    """What these results may be taken for."""
    views = words.say(f"limits.{'views_judged' if any(clip.view for clip in run.clips) else 'views_unjudged'}")
    return words.sentences(words.say(f"limits.{run.model.label}"), words.say("limits.how_made", views=views))


def answers_in_short(run: Run, catalogue: Catalogue, words: Words = ENGLISH) -> str | None:
    """All that was answered, in one paragraph; None where nothing was."""
    answered = [
        words.say("form.named", name=words.task(task), answer=brief(result, task, words))
        for result in in_reading_order(run.results)
        if (task := catalogue.task(result.task_id)) and result.verdict not in (Verdict.ABSTAINED, Verdict.UNCALIBRATED)
    ]
    said = words.say("summary.answers", answers=words.clauses(answered))
    return with_warning(said, run.model.label, words) if answered else None


def uncalibrated_in_short(run: Run, catalogue: Catalogue, words: Words = ENGLISH) -> str | None:
    """Which questions the model has no calibration for, in one paragraph; None where it has one for each."""
    names = [
        words.task(task)
        for result in run.results
        if result.verdict is Verdict.UNCALIBRATED and (task := catalogue.task(result.task_id))
    ]
    return words.say("summary.uncalibrated", count=len(names), names=words.clauses(names)) if names else None


def views_seen(run: Run, words: Words = ENGLISH) -> str | None:
    """Which views the answers come from, as far as the model can tell; None where it was not asked."""
    doubts = {None: "summary.view_in_doubt", False: "summary.view_no_heart"}
    names: Counter[str] = Counter()
    for call in (clip.view for clip in run.clips if clip.view is not None):
        name = words.view(call.view, call.name)
        names[name if call.is_heart else words.say(doubts[call.is_heart], view=name)] += 1
    return words.say("summary.views", views=_counted(names, words)) if names else None


def left_out(run: Run, words: Words = ENGLISH) -> str | None:
    """Which instances of the study gave no answer, and why; None where all did."""
    if not run.left_out:
        return None
    count = len(run.left_out)
    reasons = Counter(words.reason(clip.reason) for clip in run.left_out)
    return words.say(
        "summary.left_out", left_out=count, instances=len(run.clips) + count, reasons=_counted(reasons, words)
    )


def compared(run: Run, catalogue: Catalogue, told: Told | None, words: Words = ENGLISH) -> list[str]:
    """What of the study's reports does not agree, one paragraph each; none where there was nothing to compare with."""
    if told is None:
        return []
    said = [discordance_in_words(discordance, catalogue, words) for discordance in told.discordances]
    if not said:
        questions = words.clauses(_question(field, catalogue, words) for field in told.questions)
        said = [words.say("compared.agreed", count=told.compared, questions=questions)]
    return [with_warning(each, run.model.label, words) for each in said]


def discordance_in_words(discordance: Discordance, catalogue: Catalogue, words: Words = ENGLISH) -> str:
    """Both sides with where a report says so, the rule, and how sure it is; the sides are in the report's language."""
    what = _question(discordance.field, catalogue, words)
    one, other = (_side_in_words(side, words) for side in discordance.sides)
    how = [words.say("compared.rule", rule=discordance.rule, version=discordance.rules_version)]
    if discordance.confidence is not None:
        how.append(words.say("compared.confidence", percent=100 * discordance.confidence))
    severity = words.say(f"compared.{discordance.severity}")
    return words.say("compared.discordance", severity=severity, what=what, one=one, other=other, how=words.values(how))


def _question(field: str, catalogue: Catalogue, words: Words) -> str:
    """What a discordance is about: a task, or what only reports name."""
    task = catalogue.task(field)
    return words.texts.get(f"compared.{field}", field) if task is None else words.task(task)


def _side_in_words(side: Side, words: Words) -> str:
    source = words.say(f"compared.{side.kind}")
    if side.start is None or side.end is None:
        return words.say("compared.side", source=source, said=side.said)
    # Counted from 1, the last included, as people count.
    return words.say(
        "compared.side_at", source=source, said=side.said, start=side.start + 1, end=side.end, id=side.source
    )


def provenance(run: Run, words: Words = ENGLISH) -> list[str]:
    """What the answers were made with; identifiers and names of settings are as they are, in every language."""
    calibration = "made_with.calibration" if run.calibration_digest else "made_with.no_calibration"
    return [
        words.say("made_with.model_pack", digest=run.model.digest),
        words.say("made_with.catalogue", digest=run.catalogue_digest),
        words.say(calibration, digest=run.calibration_digest),
        words.say("made_with.preprocessing", profile=run.preprocessing_profile),
        words.say(f"made_with.{'view_gate' if run.view_gate else 'no_view_gate'}", gate=run.view_gate),
        words.say("made_with.run", run=run.run_uid),
    ]


def provenance_of_all(run: Run, words: Words = ENGLISH) -> str:
    """The same once for the whole report, whose groups without an answer do not repeat it."""
    model = f"{run.model.name} {run.model.version} ({run.model.label})"
    return words.say("made_with.of_all", parts=words.clauses([model, *provenance(run, words)]))


def with_warning(text: str, label: ModelLabel, words: Words = ENGLISH) -> str:
    """A reader may copy one group out of its report: one of a model that knows no patients says so itself."""
    knows_no_patients = label in (ModelLabel.UNTRAINED, ModelLabel.DEMO)
    return words.sentences(words.say("limits.warning", label=label) if knows_no_patients else "", text)


def _counted(said: Counter[str], words: Words) -> str:
    """The commonest first; what is as common, in the order in which it came."""
    return words.clauses(words.say("form.counted", what=text, count=count) for text, count in said.most_common())
