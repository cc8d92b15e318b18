"""What is true of a synthetic study, in a file beside it: for tests, benches and the demo."""

from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from config.errors import EchoWorkerError
from worker.phantom.acquisition import PhantomView
from worker.phantom.heart import Device, Grade, Heart

TRUTH_FILE = "truth.json"
VERSION = 1
"""Of the form of the file: goes up with any change that an older reader would misread."""


InstanceKind = Literal["clip", "still", "spectral_doppler", "page", "vendor_report", "text_report"]


class StudyKind(StrEnum):
    """What a study is for."""

    ORDINARY = "ordinary"
    """Its reports say what is true."""
    CONTRADICTED = "contradicted"
    """One of its reports says something that is not true of the heart in its pictures."""
    NO_VIEW = "no_view"
    """None of its instances shows a heart: abdomen, and stills."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HeartTruth(_Model):
    """The heart's numbers, in the units of `Heart`; the grades are class ids, the devices task ids of the catalogue."""

    ejection_fraction: float
    end_diastolic_volume_ml: float
    end_systolic_volume_ml: float
    heart_rate: float
    pa_pressure: float
    lv_size: Grade
    rv_size: Grade
    la_size: Grade
    ra_size: Grade
    devices: tuple[Device, ...]

    @classmethod
    def of(cls, heart: Heart) -> "HeartTruth":
        """What is true of this heart."""
        names = [name for name in cls.model_fields if name != "devices"]
        return cls(devices=tuple(sorted(heart.devices)), **{name: getattr(heart, name) for name in names})


class InstanceTruth(_Model):
    """One DICOM instance of the study."""

    sop_instance_uid: str
    file: str
    """Its name, in the folder of the truth."""
    kind: InstanceKind
    view: PhantomView | None = None
    """Of a clip."""
    transfer_syntax_uid: str
    region: tuple[int, int, int, int] | None = None
    """Of a clip, where the machine says that its tissue is: left, top, and one past right and bottom."""
    sector: tuple[int, int, int, int] | None = None
    """Of a clip, the box around its sector."""
    acquisition: dict[str, Any] | None = None
    """The fields of `Acquisition` of a clip."""


class Contradiction(_Model):
    """Something that a report says and that is not true of the heart."""

    task: str
    """The id of the catalogue's question."""
    kind: Literal["wrong_value", "wrong_class", "denied", "claimed"]
    """A number or a class that is not the true one; a device that is there and denied; one that is not, and claimed."""
    said: float | str
    """A number in the task's unit, a class id, `present` or `absent`."""
    true: float | str
    said_in: Literal["text_report", "vendor_report"]


class StudyTruth(_Model):
    """All that is true of one study."""

    version: Literal[1] = 1
    study_instance_uid: str
    seed: int
    kind: StudyKind
    style: str
    patient_id: str
    heart: HeartTruth
    report_text: str
    """What the text report says, contradictions included."""
    instances: tuple[InstanceTruth, ...]
    contradictions: tuple[Contradiction, ...] = ()

    def clips(self, *views: PhantomView) -> tuple[InstanceTruth, ...]:
        """Its clips; where views are given, those of them alone."""
        return tuple(
            instance for instance in self.instances if instance.kind == "clip" and (not views or instance.view in views)
        )


def write_truth(truth: StudyTruth, folder: Path) -> Path:
    """Write a study's truth beside its instances; returns the file."""
    file = folder / TRUTH_FILE
    file.write_text(truth.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return file


def read_truth(folder: Path) -> StudyTruth:
    """Read the truth of a study from its folder.

    Raises
    ------
    EchoWorkerError
        It holds none, or one of another version.
    """
    file = folder / TRUTH_FILE
    if not file.is_file():
        raise EchoWorkerError(f"{folder} holds no {TRUTH_FILE}: echoworker phantom makes studies that have one")
    try:
        return StudyTruth.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise EchoWorkerError(f"{file}: {where}: {first['msg']}; make the studies again") from error


def read_truths(folder: Path) -> list[StudyTruth]:
    """The truths of all studies that `echoworker phantom` made in a folder, in their order."""
    return [read_truth(file.parent) for file in sorted(folder.glob(f"*/{TRUTH_FILE}"))]
