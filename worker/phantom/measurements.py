"""What a sonographer would have measured of a synthetic heart: for the machine's report and its page of results."""

from dataclasses import dataclass

from worker.phantom.heart import Heart
from worker.phantom.spectral_doppler import jet_velocity


@dataclass(frozen=True, kw_only=True)
class Measurements:
    """In the units that the names end with, rounded as a machine rounds."""

    ejection_fraction_percent: float
    end_diastolic_volume_ml: float
    end_systolic_volume_ml: float
    diastolic_dimension_cm: float
    systolic_dimension_cm: float
    wall_cm: float
    heart_rate: float
    jet_velocity_m_per_s: float
    rv_systolic_pressure_mmhg: float

    @classmethod
    def of(cls, heart: Heart, *, ejection_fraction: float | None = None) -> "Measurements":
        """Of this heart; with another ejection fraction, the end-systolic volume is the one that gives it."""
        said = heart.ejection_fraction if ejection_fraction is None else ejection_fraction
        diastolic = heart.end_diastolic_volume_ml
        systolic = diastolic * (1 - said / 100)
        return cls(
            ejection_fraction_percent=round(said, 1),
            end_diastolic_volume_ml=round(diastolic, 1),
            end_systolic_volume_ml=round(systolic, 1),
            diastolic_dimension_cm=round(dimension_cm(diastolic), 2),
            systolic_dimension_cm=round(dimension_cm(systolic), 2),
            wall_cm=round(heart.wall_cm, 2),
            heart_rate=round(heart.heart_rate),
            jet_velocity_m_per_s=round(jet_velocity(heart), 2),
            rv_systolic_pressure_mmhg=round(heart.pa_pressure, 1),
        )

    def lines(self) -> list[tuple[str, str]]:
        """Names and values with units, as a page of results shows them."""
        return [
            ("LVIDd", f"{self.diastolic_dimension_cm:.2f} cm"),
            ("LVIDs", f"{self.systolic_dimension_cm:.2f} cm"),
            ("IVSd", f"{self.wall_cm:.2f} cm"),
            ("LVPWd", f"{self.wall_cm:.2f} cm"),
            ("LVEDV MOD A4C", f"{self.end_diastolic_volume_ml:.1f} ml"),
            ("LVESV MOD A4C", f"{self.end_systolic_volume_ml:.1f} ml"),
            ("LVEF MOD A4C", f"{self.ejection_fraction_percent:.1f} %"),
            ("HR", f"{self.heart_rate:.0f} /min"),
            ("TR Vmax", f"{self.jet_velocity_m_per_s:.2f} m/s"),
            ("RVSP", f"{self.rv_systolic_pressure_mmhg:.1f} mmHg"),
        ]


def dimension_cm(volume_ml: float) -> float:
    """The diameter D for which Teichholz's formula, V = 7 D^3 / (2.4 + D), gives this volume (Am J Cardiol 1976)."""
    diameter = 5.0
    for _ in range(20):  # Newton's method
        value = 7 * diameter**3 / (2.4 + diameter) - volume_ml
        slope = 7 * diameter**2 * (2 * diameter + 7.2) / (2.4 + diameter) ** 2
        diameter -= value / slope
    return diameter
