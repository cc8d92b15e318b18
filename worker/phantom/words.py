"""What the text on a screen says: an invented patient, and the machine's settings."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from worker.phantom.acquisition import Acquisition

_FAMILY_NAMES = (
    "ALDER", "ASPEN", "BIRCH", "CEDAR", "ELDER", "HAZEL", "HOLLY", "JUNIPER", "LARCH", "LINDEN", "MAPLE", "ROWAN",
    "SPRUCE", "SYCAMORE", "WILLOW", "YEW",
)  # fmt: skip
_GIVEN_NAMES = ("AMBER", "BASALT", "CORAL", "FLINT", "GARNET", "JASPER", "ONYX", "OPAL", "PEARL", "QUARTZ", "SLATE")
_INSTITUTIONS = ("PHANTOM GENERAL", "ECHO PHANTOM LAB", "SYNTHETIC HEART CENTRE", "PHANTOM BAY CLINIC")
_EARLIEST = datetime(2021, 1, 4, 7, 30)  # noqa: DTZ001  DICOM writes the clock on the wall


@dataclass(frozen=True, kw_only=True)
class Patient:
    """Somebody who does not exist, and whose name says so."""

    name: str
    """As DICOM writes it: PHANTOM^ and two more components."""
    patient_id: str
    birth_date: str
    """YYYYMMDD, as all dates here."""
    sex: str
    institution: str
    study_began: datetime


@dataclass(frozen=True, kw_only=True)
class Words:
    """The fields that the text of a style may hold."""

    patient_name: str
    patient_id: str
    institution: str
    date: str
    time: str
    probe: str
    depth_cm: float
    frame_rate: float
    heart_rate: float
    gain: float
    dynamic_range: float
    frequency: float
    """MHz, of what is received; the other one of what is sent."""
    frequency2: float
    mechanical_index: float
    thermal_index: float


def sample_patient(random: np.random.Generator) -> Patient:
    """A patient and the visit."""
    names = [str(random.choice(names)) for names in (_FAMILY_NAMES, _GIVEN_NAMES)]
    born = datetime(1930, 1, 1) + timedelta(days=int(random.integers(365 * 70)))  # noqa: DTZ001
    began = _EARLIEST + timedelta(days=int(random.integers(1400)), seconds=int(random.integers(9 * 3600)))
    return Patient(
        name="^".join(["PHANTOM", *names]),
        patient_id=f"PHANTOM-{int(random.integers(10**6)):06}",
        birth_date=born.strftime("%Y%m%d"),
        sex=str(random.choice(["F", "M"])),
        institution=str(random.choice(_INSTITUTIONS)),
        study_began=began,
    )


def words_for(patient: Patient, acquisition: Acquisition, heart_rate: float, *, after_s: float = 0.0) -> Words:
    """What a machine shows of a clip that was taken so long after the study began."""
    taken = patient.study_began + timedelta(seconds=after_s)
    return Words(
        patient_name=patient.name.replace("^", ", ", 1).replace("^", " "),
        patient_id=patient.patient_id,
        institution=patient.institution,
        date=taken.strftime("%d/%m/%Y"),
        time=taken.strftime("%H:%M:%S"),
        probe=f"PS{acquisition.frequency_mhz:.0f}-1",
        depth_cm=acquisition.depth_cm,
        frame_rate=acquisition.frame_rate,
        heart_rate=heart_rate,
        gain=50 + 2 * acquisition.gain_db,
        dynamic_range=acquisition.dynamic_range_db,
        frequency=acquisition.frequency_mhz,
        frequency2=acquisition.frequency_mhz / 2,
        mechanical_index=1.9 / acquisition.frequency_mhz**0.5,
        thermal_index=0.4 + acquisition.depth_cm / 25,
    )
