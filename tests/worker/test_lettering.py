"""A heat map says in which language it is lettered, where that is not the report's."""

from dataclasses import replace

import numpy as np
import pytest

from config.catalogue import load_catalogue
from config.languages import Language
from db.results.runs import TaskResult, Verdict
from dicom_node.report.words import words_of
from tests.support.clips import SMALL
from tests.support.results import INSTANCE, run_of
from worker.pictures.heat import EDGE, Heat
from worker.pictures.making import Pictures

CATALOGUE = load_catalogue()


@pytest.mark.parametrize("language", Language)
def test_a_heat_map_whose_letters_could_not_be_drawn_is_in_english_and_says_so_in_its_own_language(
    language: Language,
) -> None:
    uid, whole = str(INSTANCE.SOPInstanceUID), (0, 0, int(INSTANCE.Columns), int(INSTANCE.Rows))
    run = run_of(CATALOGUE, (TaskResult(task_id="lvef", verdict=Verdict.MEASURED, value=54.53),))
    heat = Heat(
        task_id="lvef", sop_instance_uid=uid, frame_numbers=(1, 3), frame_times_ms=(0.0, 50.0), region=whole,
        seen=whole, maps=np.ones((2, EDGE, EDGE), np.float32),
    )  # fmt: skip
    pictures = Pictures(
        run=run,
        catalogue=CATALOGUE,
        evidence=[INSTANCE],
        files={uid: lambda: SMALL},
        heat=heat,
        earlier=[],
        language=language,
    )
    made, _ = pictures.heat_map()
    in_english, _ = replace(pictures, language=Language.ENGLISH).heat_map()
    words = words_of(language, CATALOGUE)
    is_english = made.PixelData == in_english.PixelData
    assert is_english == (language in (Language.ENGLISH, Language.CHINESE))
    assert (words.say("picture.in_english") in made.DerivationDescription) == (language is Language.CHINESE)
    assert words.say("picture.looked") in made.DerivationDescription
    assert made.SeriesDescription == words.say("series.HEAT_MAP", label=run.model.label)
