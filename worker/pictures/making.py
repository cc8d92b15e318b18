"""The heat map and the page of a run, from what is kept of it: nothing here needs the model, or loads torch."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from config.catalogue import Catalogue
from config.clinical_tasks import AnyTask
from config.errors import ReportError
from config.languages import Language
from config.sections.report_objects import ReportObject
from db.consistency.discordances import Told
from db.reading.priors import EarlierValue
from db.results.runs import Run, TaskResult
from dicom_node.report import encapsulated, heat_map
from dicom_node.report.companions import HEAT_MAP_CLASS, file_of, object_uid
from dicom_node.report.heat_map import HeatMapFrames, build_heat_map
from dicom_node.report.page import PageContent, build_page
from dicom_node.report.page_parts import Strip, Trend
from dicom_node.report.words import Words, words_of
from worker.echoclip.overlay import overlay
from worker.pictures.clip_frames import EDGE, frames_shown, maps_shown
from worker.pictures.drawing import STRONGEST, draw_frames
from worker.pictures.headline import trend_task
from worker.pictures.heat import Heat, WhyNoHeat
from worker.pictures.legend import WITHOUT_LETTERS, legend_of

IN_STRIP = 6
NOT_DRAWN = "not_drawn"
"""Of the table `no_heat_map` of the languages: there are maps, and the clip could not be shown under them."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """One run, with all that its pictures are made of."""

    run: Run
    catalogue: Catalogue
    evidence: Sequence[Dataset]
    files: Mapping[str, Callable[[], Path]]
    """Of each instance that the run used, by SOP Instance UID."""
    heat: Heat | WhyNoHeat
    earlier: Sequence[EarlierValue]
    language: Language
    told: Told | None = None
    """What the run's report says of other reports; the page says it again."""

    def heat_map(self) -> tuple[Dataset, bytes]:
        """The heat map, and its file.

        Raises
        ------
        ReportError
            The run has none; the message says why.
        ClipError, OSError
            The frames of its clip cannot be read.
        """
        if not isinstance(self.heat, Heat):
            raise ReportError(why_no_heat_map(self.heat))
        drawing = self._words_of_pictures
        legend = legend_of(self.run, self._result, self._task, self.heat, drawing)
        plain, maps = self._frames
        shown = HeatMapFrames(
            pictures=draw_frames(plain, maps, legend),
            times_ms=self.heat.frame_times_ms,
            sop_instance_uid=self.heat.sop_instance_uid,
            frame_numbers=self.heat.frame_numbers,
            said=legend_of(self.run, self._result, self._task, self.heat, self._words).answer,
            is_in_english=drawing.language is not self._words.language,
        )
        made = build_heat_map(self.run, self.evidence, shown, self._words)
        return made, file_of(made, heat_map.TRANSFER_SYNTAX)

    def page(self, report: Dataset, *, has_heat_map: bool) -> tuple[Dataset, bytes]:
        """The page as an object, and its file; `report` is the Structured Report that it says again, by its header.

        Raises
        ------
        ReportError
            As `build_page`.
        """
        strip, why = self._strip()
        content = PageContent(strip=strip, why_no_strip=why, trend=self._trend(), told=self.told)
        page = build_page(self.run, self.catalogue, self.evidence, content, self._words)
        made_from = [(report.SOPClassUID, report.SOPInstanceUID)]
        if has_heat_map:
            made_from.append((HEAT_MAP_CLASS, object_uid(self.run, ReportObject.HEAT_MAP, self.language)))
        made = encapsulated.build_encapsulated_pdf(self.run, self.evidence, page, made_from, self._words)
        return made, file_of(made, encapsulated.TRANSFER_SYNTAX)

    @cached_property
    def _words(self) -> Words:
        return words_of(self.language, self.catalogue)

    @property
    def _words_of_pictures(self) -> Words:
        return words_of(Language.ENGLISH if self.language in WITHOUT_LETTERS else self.language, self.catalogue)

    @property
    def _result(self) -> TaskResult:
        return next(
            result for result in self.run.results if isinstance(self.heat, Heat) and result.task_id == self.heat.task_id
        )

    @property
    def _task(self) -> AnyTask:
        task = self.catalogue.task(self._result.task_id)
        if task is None:
            raise ReportError(f"run {self.run.run_uid} answers a task which the catalogue does not have")
        return task

    @cached_property
    def _frames(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        if not isinstance(self.heat, Heat):
            raise ReportError(why_no_heat_map(self.heat))
        return frames_shown(self.files[self.heat.sop_instance_uid](), self.heat), maps_shown(self.heat)

    def _strip(self) -> tuple[Strip | None, str]:
        """Or why there is none: the page goes without its pictures, where these cannot be drawn."""
        if not isinstance(self.heat, Heat):
            return None, self.heat.value
        try:
            plain, maps = self._frames
        except Exception:  # noqa: BLE001  the same has been told of the heat map, and the answers need no picture
            return None, NOT_DRAWN
        chosen = np.linspace(0, len(plain) - 1, min(IN_STRIP, len(plain))).round().astype(int)
        legend = legend_of(self.run, self._result, self._task, self.heat, self._words)
        halved = plain[chosen].reshape(len(chosen), EDGE // 2, 2, EDGE // 2, 2, 3).mean(axis=(2, 4)).round()
        small = halved.astype(np.uint8)
        strip = Strip(
            said=legend.answer,
            plain=small,
            heated=overlay(small, maps[chosen][:, ::2, ::2], strongest=STRONGEST),
            captions=tuple(legend.frames[number] for number in chosen),
        )
        return strip, ""

    def _trend(self) -> Trend | None:
        task, today = trend_task(self.run.results, self.catalogue), _day(self.evidence[0].get("StudyDate"))
        points = [(day, each.value) for each in self.earlier if (day := _day(each.study_date))]
        if task is None or today is None or not points:
            return None
        value = next(result.value for result in self.run.results if result.task_id == task.id)
        return Trend(
            name=self._words.task(task),
            unit="%" if task.unit.value == "%" else task.unit.meaning,
            points=tuple(points),
            this=(today, value or 0.0),
        )


def why_no_heat_map(why: WhyNoHeat) -> str:
    """In English, for logs and the journal."""
    return f"no heat map: {words_of(Language.ENGLISH).say(f'no_heat_map.{why}')}"


def _day(written: object) -> date | None:
    with suppress(ValueError):
        return datetime.strptime(str(written), "%Y%m%d").date()  # noqa: DTZ007  a day, of no time zone
    return None
