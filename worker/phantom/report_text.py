"""The report that a reader would write of a synthetic heart, in one of several ways to say it."""

from dataclasses import dataclass

import numpy as np

from worker.phantom.heart import Device, Grade, Heart

_FUNCTION = (
    (52, "normal"),
    (41, "mildly reduced"),
    (30, "moderately reduced"),
    (0, "severely reduced"),
)
"""The least ejection fraction of each word."""
_SIZE = {Grade.NORMAL: "normal", Grade.MILD: "mildly", Grade.MODERATE: "moderately", Grade.SEVERE: "severely"}
_EF_SAID = (
    "Estimated ejection fraction {ef:.0f} %.",
    "LVEF is {ef:.0f}% by the biplane method of disks.",
    "The left ventricular ejection fraction measures {ef:.0f} %.",
    "EF {low:.0f}-{high:.0f} %.",
)
_LV_SAID = ("Left ventricular systolic function is {function}.", "LV systolic function: {function}.")
_PRESSURE_SAID = (
    "Estimated systolic pulmonary artery pressure is {pressure:.0f} mmHg.",
    "RVSP {pressure:.0f} mmHg, assuming a right atrial pressure of 5 mmHg.",
    "By the tricuspid regurgitant jet, PA systolic pressure is about {pressure:.0f} mmHg.",
)
_CHAMBERS = {
    "lv": ("left ventricle", "Left ventricular cavity"),
    "rv": ("right ventricle", "Right ventricular cavity"),
    "la": ("left atrium", "Left atrial"),
    "ra": ("right atrium", "Right atrial"),
}
_PRESENT = {
    Device.PACEMAKER: (
        "A pacemaker lead is seen in the right ventricle.",
        "Pacing wire crossing the tricuspid valve into the right ventricle.",
    ),
    Device.TAVR: (
        "A transcatheter aortic valve prosthesis is in place.",
        "Status post TAVR: the stent is well seated.",
    ),
    Device.MITRACLIP: (
        "A clip is seen at the tips of the mitral leaflets.",
        "Status post edge-to-edge repair of the mitral valve with a MitraClip.",
    ),
    Device.IMPELLA: (
        "An Impella catheter lies across the aortic valve.",
        "Impella in place, its inlet in the left ventricle.",
    ),
}
_ABSENT = {
    Device.PACEMAKER: ("No pacemaker lead is seen.", "There is no pacing wire."),
    Device.TAVR: ("The aortic valve is native.", "No aortic valve prosthesis."),
    Device.MITRACLIP: ("No mitral clip.", "The mitral valve is native."),
    Device.IMPELLA: ("No mechanical support device is seen.", "No Impella."),
}


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a report says of a heart; of a truthful one, the heart's own numbers."""

    ejection_fraction: float
    pa_pressure: float
    lv_size: Grade
    rv_size: Grade
    la_size: Grade
    ra_size: Grade
    devices: frozenset[Device]
    denied: frozenset[Device] = frozenset()
    """Devices that it says are not there."""

    @classmethod
    def truly(cls, heart: Heart) -> "Said":
        """Of this heart."""
        names = ("ejection_fraction", "pa_pressure", "lv_size", "rv_size", "la_size", "ra_size", "devices")
        return cls(**{name: getattr(heart, name) for name in names})


@dataclass(frozen=True, kw_only=True)
class ReportText:
    """The two sections of a report."""

    findings: tuple[str, ...]
    """Sentences."""
    conclusion: tuple[str, ...]

    def __str__(self) -> str:
        return f"FINDINGS\n{' '.join(self.findings)}\n\nCONCLUSION\n{' '.join(self.conclusion)}"


def report_text(said: Said, random: np.random.Generator) -> ReportText:
    """Findings and conclusion, in a choice of phrasings."""
    ejection_fraction = str(random.choice(_EF_SAID)).format(
        ef=said.ejection_fraction,
        low=5 * np.floor(said.ejection_fraction / 5),
        high=5 * np.floor(said.ejection_fraction / 5) + 5,
    )
    function = next(word for least, word in _FUNCTION if said.ejection_fraction >= least)
    devices = [str(random.choice(_PRESENT[device])) for device in sorted(said.devices)]
    devices += [str(random.choice(_ABSENT[device])) for device in sorted(said.denied)]
    findings = (
        *(_size(chamber, getattr(said, f"{chamber}_size"), random) for chamber in _CHAMBERS),
        str(random.choice(_LV_SAID)).format(function=function),
        ejection_fraction,
        str(random.choice(_PRESSURE_SAID)).format(pressure=said.pa_pressure),
        *devices,
        *(() if said.devices else ("No pericardial effusion.",)),
    )
    conclusion = (
        f"{function[:1].upper()}{function[1:]} left ventricular systolic function.",
        *([f"{_SIZE[said.lv_size].capitalize()} dilated left ventricle."] if said.lv_size is not Grade.NORMAL else []),
        *(["Elevated pulmonary artery pressure."] if said.pa_pressure > 40 else []),
        *devices[: len(said.devices)],
    )
    return ReportText(findings=findings, conclusion=conclusion)


def unreadable_text(random: np.random.Generator) -> ReportText:
    """Of a study that shows no heart."""
    finding = ("No cardiac views were obtained.", "Windows were inadequate: only abdominal images were stored.")
    return ReportText(
        findings=(str(random.choice(finding)),),
        conclusion=("Non-diagnostic study; repeat with contrast if indicated.",),
    )


def _size(chamber: str, grade: Grade, random: np.random.Generator) -> str:
    name, adjective = _CHAMBERS[chamber]
    if grade is Grade.NORMAL:
        forms = (f"The {name} is normal in size.", f"{adjective} size is normal.")
    else:
        forms = (f"The {name} is {_SIZE[grade]} dilated.", f"{adjective} size is {_SIZE[grade]} increased.")
    return str(random.choice(forms))
