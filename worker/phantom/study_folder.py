"""The folder of a synthetic study while it is filled: each instance that is written, with what is true of it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGBaseline8Bit

from worker.phantom.acquisition import Acquisition
from worker.phantom.dicom_clip import StudyIdentity, Timing, write_instance
from worker.phantom.heart import Heart
from worker.phantom.measurements import Measurements
from worker.phantom.report_documents import write_text_report, write_vendor_report
from worker.phantom.report_text import ReportText
from worker.phantom.result_page import result_page
from worker.phantom.screen import compose
from worker.phantom.screen_regions import regions_of_clip, regions_of_spectral_still
from worker.phantom.spectral_doppler import spectral_still
from worker.phantom.truth import InstanceKind, InstanceTruth
from worker.phantom.ultrasound import SectorClip, image_clip
from worker.phantom.words import Words, words_for
from worker.pixels.regions import Region

BETWEEN_IMAGES_S = 40.0


class StudyFolder:
    """Writes the instances of one study, one after the other as they were taken."""

    def __init__(self, folder: Path, identity: StudyIdentity, heart: Heart) -> None:
        self._folder, self._identity, self._heart = folder, identity, heart
        self.instances: list[InstanceTruth] = []

    def add_clip(self, acquisition: Acquisition, syntax: UID) -> tuple[SectorClip, Words]:
        """Scan the heart and write the clip; returns what stills are made from."""
        style = self._identity.style
        rows, columns = style.sector_shape(acquisition.half_angle_deg)
        clip = image_clip(self._heart, acquisition, rows=rows, columns=columns)
        words = words_for(self._identity.patient, acquisition, clip.heart_rate, after_s=self._elapsed_s)
        screen = compose(clip, style, words)
        timing = Timing(
            frame_time_ms=1000 / acquisition.frame_rate,
            heart_rate=clip.heart_rate,
            r_wave_times_ms=clip.r_wave_times_ms,
        )
        self._add(
            "clip",
            screen.frames,
            syntax=syntax,
            timing=timing,
            regions=regions_of_clip(screen, style, clip.cm_per_pixel),
            view=acquisition.view,
            region=_corners(screen.region),
            sector=_corners(screen.sector),
            acquisition={name: _plain(value) for name, value in vars(acquisition).items()},
        )
        return clip, words

    def add_still(self, clip: SectorClip, words: Words) -> None:
        """Write a frozen picture of a clip."""
        style = self._identity.style
        screen = compose(clip, style, words)
        regions = regions_of_clip(screen, style, clip.cm_per_pixel)
        self._add("still", screen.frames[:1], regions=regions, region=_corners(screen.region))

    def add_spectral_doppler(self, clip: SectorClip, words: Words, *, seed: int) -> None:
        """Write a still of the tricuspid jet."""
        style = self._identity.style
        still = spectral_still(self._heart, style, words, clip.frames[0], seed=seed)
        regions = regions_of_spectral_still(still, style, clip.cm_per_pixel)
        self._add("spectral_doppler", still.picture[np.newaxis], regions=regions)

    def add_page(self, measurements: Measurements, words: Words) -> None:
        """Write the machine's page of results."""
        self._add("page", result_page(measurements, self._identity.style, words)[np.newaxis])

    def add_vendor_report(self, measurements: Measurements) -> None:
        """Write the machine's report of measurements."""
        file = self._folder / "vendor_report.dcm"
        self._add_report("vendor_report", file, write_vendor_report(file, self._identity, measurements))

    def add_text_report(self, text: ReportText) -> None:
        """Write the reader's report."""
        file = self._folder / "text_report.dcm"
        self._add_report("text_report", file, write_text_report(file, self._identity, text))

    @property
    def _elapsed_s(self) -> float:
        return BETWEEN_IMAGES_S * len(self.instances)

    def _add(
        self,
        kind: InstanceKind,
        frames: npt.NDArray[np.uint8],
        *,
        syntax: UID = JPEGBaseline8Bit,
        timing: Timing | None = None,
        regions: Any = (),
        **true: Any,
    ) -> None:
        number = len(self.instances) + 1
        file = self._folder / f"{number:03}_{kind}.dcm"
        uid = write_instance(
            file,
            self._identity,
            frames,
            number=number,
            taken=self._identity.patient.study_began + timedelta(seconds=self._elapsed_s),
            syntax=syntax,
            timing=timing,
            regions=regions,
        )
        self.instances.append(
            InstanceTruth(sop_instance_uid=uid, file=file.name, kind=kind, transfer_syntax_uid=syntax, **true)
        )

    def _add_report(self, kind: InstanceKind, file: Path, uid: str) -> None:
        self.instances.append(
            InstanceTruth(sop_instance_uid=uid, file=file.name, kind=kind, transfer_syntax_uid=ExplicitVRLittleEndian)
        )


def _corners(region: Region) -> tuple[int, int, int, int]:
    return region.left, region.top, region.right, region.bottom


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value.item() if isinstance(value, np.generic) else value
