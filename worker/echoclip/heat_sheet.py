"""A sheet of heat maps over the frames that they belong to, below what belongs to them."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from config.clinical_tasks import BinaryTask, ClassTask, RegressionTask
from config.errors import ConfigurationError
from config.labels import ModelLabel
from dicom_node.report.answers import explanation as in_words
from dicom_node.report.answers import outcome_name
from dicom_node.report.wording import LIMITS_OF_USE
from worker.echoclip.explained_prompts import estimate_of, nearest_value
from worker.echoclip.explaining import Explanation
from worker.echoclip.overlay import jet, overlay
from worker.pixels.drawing import (
    FAINT,
    GAP,
    HEADING,
    INK,
    LINE,
    MARGIN,
    RED,
    SMALL,
    YELLOW,
    Shown,
    draw_lines,
    fact_lines,
    font,
    frames_to_show,
    new_sheet,
    place_pictures,
)

NO_SUPPORT = "nothing in the clip speaks for it: the maps are zero everywhere"
_MEANINGLESS = {ModelLabel.UNTRAINED, ModelLabel.DEMO}
"""Whose maps say no more about a patient than their numbers do."""
_BAR = (240, 14)
"""Columns and rows of the bar of colours."""


def heat_sheet(explanation: Explanation, frames: Sequence[int]) -> Image.Image:
    """Draw the heat maps of these frames, by their place among the sampled ones; of a single one the frame as well.

    Nothing is on it but the region of the clip that the model sees, and what `stated` says.
    """
    is_meaningless = explanation.model.label in _MEANINGLESS
    colours = {"Model": RED if is_meaningless else INK, "Use": RED if is_meaningless else YELLOW, "Note": YELLOW}
    facts = [(heading, text, colours.get(heading, INK)) for heading, text in stated(explanation)]
    lines = list(fact_lines(facts, MARGIN))
    pictures = _pictures(explanation, frames)
    header = (len(lines) + 1) * LINE
    sheet = new_sheet(header, len(pictures))
    draw = ImageDraw.Draw(sheet)
    draw_lines(draw, lines, left=MARGIN, top=MARGIN)
    _draw_bar(sheet, draw, top=MARGIN + len(lines) * LINE)
    place_pictures(sheet, draw, pictures, top=MARGIN + header + GAP)
    return sheet


def stated(explanation: Explanation) -> list[tuple[str, str]]:
    """What belongs to the maps, in words, each with its heading. It quotes no prompt: a pack's may not be passed on."""
    clip, model, task, result = explanation.clip, explanation.model, explanation.task, explanation.result
    return [
        ("Model", f"{model.name}, {model.version}: {model.label}"),
        ("Use", _use(model.label)),
        ("Task", f"{task.name} ({task.id}), {_how_asked(explanation)}"),
        ("This clip", f"{result.verdict}. {in_words(result, task)}"),
        ("Map of", f"{_explained(explanation)} ({_target(explanation)})"),
        ("Scale", _scale(explanation)),
        ("Clip", f"{clip.sop_instance_uid}, {_counted(len(clip.frame_numbers), 'frame')} by profile {clip.profile}"),
        ("Note", "where the model finds what speaks for this answer: no outline of a structure, and no proof"),
    ]


def frames_shown(explanation: Explanation, frame_number: int | None) -> Sequence[int]:
    """The places of all sampled frames; or of the one of this number, counted from 1 in the instance.

    Raises
    ------
    ConfigurationError
        It was not sampled.
    """
    sampled = explanation.clip.frame_numbers
    if frame_number is None:
        return range(len(sampled))
    if frame_number not in sampled:
        raise ConfigurationError(
            f"frame {frame_number} is none of those that the model was shown: {', '.join(map(str, sampled))}"
        )
    return [sampled.index(frame_number)]


def _pictures(explanation: Explanation, frames: Sequence[int]) -> list[Shown]:
    clip = explanation.clip
    plain = np.ascontiguousarray(frames_to_show(clip))
    heated = overlay(plain, explanation.maps)
    shown = []
    for place in frames:
        left = f"frame {clip.frame_numbers[place]}, {clip.frame_times_ms[place]:.0f} ms"
        if len(frames) == 1:
            shown.append(Shown(picture=plain[place], left=left, right=""))
        hottest = explanation.maps[place].max()
        right = f"up to {hottest:.2f}" if hottest else "nothing"
        shown.append(Shown(picture=heated[place], left=left, right=right))
    return shown


def _draw_bar(sheet: Image.Image, draw: ImageDraw.ImageDraw, *, top: int) -> None:
    columns, rows = _BAR
    ramp = np.rint(255 * jet(np.linspace(0, 1, columns, dtype=np.float32))).astype(np.uint8)
    at = MARGIN + HEADING, top + 4
    sheet.paste(Image.fromarray(np.ascontiguousarray(np.broadcast_to(ramp, (rows, columns, 3)))), at)
    draw.text((at[0] + columns + GAP, top), "0 to 1, as opaque as it is hot", FAINT, font(SMALL))


def _how_asked(explanation: Explanation) -> str:
    match explanation.wording:
        case "pack":
            return "in the words that the model was published with"
        case "catalogue+pack":
            return "in words of the catalogue and words that the model was published with"
        case "catalogue":
            return "in the words of the catalogue"
        case None:
            return "answered by a trained head, without words"


def _target(explanation: Explanation) -> str:
    return _counted(len(explanation.prompts), "prompt") if explanation.wording else "the weights of the head"


def _explained(explanation: Explanation) -> str:
    explained = explanation.explained
    match explanation.task:
        case RegressionTask() as task if explanation.wording is None:
            return f"{task.name}: what raises the estimate"
        case RegressionTask() as task:
            value = nearest_value(task, estimate_of(explained) or 0.0)
            return f"{task.name} of {value} {task.unit.meaning}"
        case BinaryTask() as task:
            return f"{task.name}: present"
        case ClassTask() as task:
            return f"{task.name}: {outcome_name(explained.outcome or '', task)}"


def _use(label: ModelLabel) -> str:
    maps = " The same holds for the maps." if label in _MEANINGLESS else ""
    return f"{LIMITS_OF_USE[label]}{maps}"


def _scale(explanation: Explanation) -> str:
    if not explanation.support:
        return NO_SUPPORT
    silent = sum(not frame.any() for frame in explanation.maps)
    said = f"1 is the largest value of all sampled frames, {explanation.support:.3g} before it was scaled"
    return f"{said}; nothing speaks for it in {silent} of {len(explanation.maps)} frames" if silent else said


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
