"""What extraction looks for, whatever the language: fields with their scales and units, and what names them.

A lexicon gives words to concepts (`mitral_regurgitation`), or to a structure and an attribute apart (`mitral`,
`regurgitation`), which `COMPOSED` puts together. Everything that is language stands in lexicons.
"""

from dataclasses import dataclass
from enum import StrEnum

from worker.consistency.statements import Certainty


class Category(StrEnum):
    """What can be listed together: in "no MR, TR or AS" the negation goes on, in "no MR, pacemaker" it does not."""

    VALVE = "valve"
    SIZE = "size"
    FUNCTION = "function"
    PRESSURE = "pressure"
    LENGTH = "length"
    DEVICE = "device"
    EFFUSION = "effusion"
    NOTHING = "nothing"
    """Of no field; it keeps its grades and numbers from being taken for those of another."""


class Degree(StrEnum):
    """The words of severity that a lexicon has words for."""

    NONE = "none"
    NORMAL = "normal"
    PRESERVED = "preserved"
    """Normal, and of function alone: a "good" ventricle may be a large one."""
    TRACE = "trace"
    BORDERLINE = "borderline"
    MILD = "mild"
    MODERATE = "moderate"
    SEVERE = "severe"
    ABNORMAL = "abnormal"
    """Without saying how much: "reduced", "increased"."""
    SIGNIFICANT = "significant"
    HYPERDYNAMIC = "hyperdynamic"


STEPS: dict[Degree, tuple[int, int]] = {
    Degree.NONE: (0, 0), Degree.NORMAL: (0, 0), Degree.PRESERVED: (0, 0), Degree.HYPERDYNAMIC: (0, 0),
    Degree.TRACE: (0, 1), Degree.BORDERLINE: (0, 1), Degree.MILD: (1, 1), Degree.MODERATE: (2, 2),
    Degree.SEVERE: (3, 3), Degree.ABNORMAL: (1, 3), Degree.SIGNIFICANT: (2, 3),
}  # fmt: skip
"""From and to, on a scale of four: none or normal, mild, moderate, severe."""
MOST = 3


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A unit that a field's numbers are given in, and what numbers are plausible in it: an EF of 350 is none."""

    unit: str
    """UCUM; "1" where the number stands alone."""
    low: float
    high: float
    factor: float = 1
    """To the field's own unit."""


@dataclass(frozen=True, kw_only=True)
class Concept:
    """Something that words name, with the fields that it says something about."""

    category: Category
    field: str | None = None
    """Of grades and numbers."""
    scale: tuple[str, ...] = ()
    """The ids of the grades for the four steps."""
    graded_as: str | None = None
    """The field of its grades, where that is another: an ejection fraction that is "reduced" is a function."""
    is_abnormal: bool = False
    """The word alone says that there is some: "dilated", "regurgitation"."""
    ungraded: tuple[int, int] = STEPS[Degree.ABNORMAL]
    """The steps where it is not said how much."""
    unit: str = ""
    measures: tuple[Measure, ...] = ()
    affirms: tuple[tuple[str, bool], ...] = ()
    """Of something that is there or not: the fields, and whether each is present."""
    denies: tuple[tuple[str, bool], ...] = ()
    """The same where the words are negated."""
    certainty: Certainty = Certainty.CERTAIN
    denied_certainty: Certainty = Certainty.CERTAIN
    structure: str | None = None
    """What a later "its stenosis" is of."""

    @property
    def takes_numbers(self) -> bool:
        """Whether a number beside it may be its own."""
        return bool(self.measures) or self.category is Category.NOTHING

    @property
    def takes_grades(self) -> bool:
        """Whether a grade beside it may be its own."""
        return bool(self.scale) or self.category in (Category.NOTHING, Category.EFFUSION)


NOTHING = Concept(category=Category.NOTHING)
VALVES = ("mitral", "tricuspid", "aortic", "pulmonary")
CHAMBERS = ("lv", "rv", "la", "ra")
STRUCTURES = (*CHAMBERS, *VALVES, "pericardium", "other")
_OF_VALVE = ("none", "mild", "moderate", "severe")
_OF_SIZE = ("normal", "mild", "moderate", "severe")
_OF_RA_PRESSURE = ("normal", "elevated", "significantly_elevated", "significantly_elevated")
_PERCENT = (Measure(unit="%", low=5, high=95), Measure(unit="1", low=5, high=95),
            Measure(unit="1", low=0.05, high=0.95, factor=100))  # fmt: skip
_SPEED = (Measure(unit="m/s", low=0.3, high=7), Measure(unit="cm/s", low=30, high=700, factor=0.01),
          Measure(unit="1", low=0.3, high=7), Measure(unit="1", low=30, high=700, factor=0.01))  # fmt: skip
_EXCURSION = (Measure(unit="mm", low=3, high=45), Measure(unit="cm", low=0.3, high=4.5, factor=10),
              Measure(unit="1", low=5, high=45), Measure(unit="1", low=0.3, high=4.5, factor=10))  # fmt: skip


def _pressure(low: float, high: float) -> tuple[Measure, ...]:
    return Measure(unit="mm[Hg]", low=low, high=high), Measure(unit="1", low=low, high=high)


def device(name: str, structure: str | None) -> Concept:
    """Something that is there or not, at that structure."""
    return Concept(category=Category.DEVICE, affirms=((name, True),), denies=((name, False),), structure=structure)


def _lead(name: str) -> Concept:
    """Who has a lead has what it belongs to."""
    return Concept(category=Category.DEVICE, affirms=(("pacemaker", True), (name, True)), denies=((name, False),))


def _valve_disease(valve: str, disease: str) -> Concept:
    field = f"{valve}_{disease}"
    is_measured = field == "tricuspid_regurgitation"
    # "TR 2.9 m/s" is its velocity, and no grade.
    return Concept(
        category=Category.VALVE, field="tr_velocity" if is_measured else field, graded_as=field, scale=_OF_VALVE,
        is_abnormal=True, structure=valve, unit="m/s" if is_measured else "",
        measures=_SPEED[:2] if is_measured else (),
    )  # fmt: skip


def _size(chamber: str, *, is_abnormal: bool) -> Concept:
    return Concept(
        category=Category.SIZE, field=f"{chamber}_size", scale=_OF_SIZE, is_abnormal=is_abnormal, structure=chamber
    )


def _pa_pressure(*, is_abnormal: bool) -> Concept:
    return Concept(
        category=Category.PRESSURE, field="pa_pressure", scale=_OF_SIZE, is_abnormal=is_abnormal,
        unit="mm[Hg]", measures=_pressure(5, 160),
    )  # fmt: skip


def _native(*fields: str, structure: str) -> Concept:
    return Concept(category=Category.DEVICE, affirms=tuple((name, False) for name in fields), structure=structure)


DEVICES = {
    "pacemaker": None, "pacemaker_lead_rv": None, "pacemaker_lead_ra": None, "impella": None, "lvad_cannula": None,
    "tavr": "aortic", "mitraclip": "mitral", "aortic_prosthesis": "aortic", "mitral_prosthesis": "mitral",
    "mitral_ring": "mitral", "tricuspid_prosthesis": "tricuspid", "tricuspid_ring": "tricuspid",
}  # fmt: skip
"""With the structure that each is at."""
_LVEF = Concept(category=Category.FUNCTION, field="lvef", scale=_OF_SIZE, graded_as="lv_function", unit="%",
                measures=_PERCENT, structure="lv")  # fmt: skip
CONCEPTS: dict[str, Concept] = {
    "lvef": _LVEF,
    # Of the left ventricle where no other chamber is named beside it.
    "ejection_fraction": _LVEF,
    # "Systolic function is normal (55-60 %)" gives an ejection fraction without its name.
    "lv_function": Concept(category=Category.FUNCTION, field="lvef", scale=_OF_SIZE, graded_as="lv_function", unit="%",
                           measures=_PERCENT[:1], structure="lv"),
    "lv_dysfunction": Concept(category=Category.FUNCTION, field="lvef", scale=_OF_SIZE, graded_as="lv_function",
                              unit="%", measures=_PERCENT[:1], structure="lv", is_abnormal=True),
    "pa_pressure": _pa_pressure(is_abnormal=False),
    "pulmonary_hypertension": _pa_pressure(is_abnormal=True),
    "ra_pressure": Concept(category=Category.PRESSURE, field="ra_pressure", scale=_OF_RA_PRESSURE, ungraded=(1, 1),
                           unit="mm[Hg]", measures=_pressure(0, 40)),
    "tr_velocity": Concept(category=Category.LENGTH, field="tr_velocity", unit="m/s", measures=_SPEED),
    "tapse": Concept(category=Category.LENGTH, field="tapse", unit="mm", measures=_EXCURSION),
    "pericardial_effusion": Concept(category=Category.EFFUSION, affirms=(("pericardial_effusion", True),),
                                    denies=(("pericardial_effusion", False),), structure="pericardium"),
    # A little of it is no effusion.
    "pericardial_fluid": Concept(category=Category.EFFUSION, denies=(("pericardial_effusion", False),)),
    # Who has no defibrillator may have a pacemaker.
    "icd": Concept(category=Category.DEVICE, affirms=(("pacemaker", True),), denies=(("pacemaker", False),),
                   denied_certainty=Certainty.POSSIBLE),
    # Without it there may be a lasting one.
    "temporary_pacemaker": Concept(category=Category.DEVICE, affirms=(("pacemaker", True),),
                                   denies=(("pacemaker", False),), denied_certainty=Certainty.POSSIBLE),
    # "Cardiac devices": an occluder is one, too.
    "some_device": Concept(category=Category.DEVICE, affirms=(("pacemaker", True),), denies=(("pacemaker", False),),
                           certainty=Certainty.POSSIBLE),
    "mechanical_support": Concept(category=Category.DEVICE, denies=(("impella", False), ("lvad_cannula", False))),
    "prosthetic_valves": Concept(category=Category.DEVICE, denies=tuple((name, False) for name in (
        "tavr", "aortic_prosthesis", "mitral_prosthesis", "tricuspid_prosthesis"))),
    "lead_elsewhere": Concept(category=Category.DEVICE, affirms=(("pacemaker", True),)),
    # A surgeon's or a catheter's: only the denial is of both for certain.
    "some_aortic_prosthesis": Concept(category=Category.DEVICE, affirms=(("aortic_prosthesis", True),),
                                      denies=(("tavr", False), ("aortic_prosthesis", False)), structure="aortic",
                                      certainty=Certainty.POSSIBLE),
    "native_aortic_valve": _native("tavr", "aortic_prosthesis", structure="aortic"),
    "native_mitral_valve": _native("mitral_prosthesis", "mitraclip", structure="mitral"),
    "native_tricuspid_valve": _native("tricuspid_prosthesis", structure="tricuspid"),
    **{name: device(name, structure) for name, structure in DEVICES.items()},
    # A make that is put into any valve: the aortic one where no other is named.
    "transcatheter_valve": device("tavr", "aortic"),
    **{name: _lead(name) for name in ("pacemaker_lead_rv", "pacemaker_lead_ra")},
    **{f"{valve}_{disease}": _valve_disease(valve, disease) for valve in VALVES
       for disease in ("regurgitation", "stenosis")},
    **{f"{chamber}_size": _size(chamber, is_abnormal=False) for chamber in CHAMBERS},
    **{f"{chamber}_dilation": _size(chamber, is_abnormal=True) for chamber in CHAMBERS},
}  # fmt: skip
"""What a lexicon's [terms] may name."""
_NONE_OF_OURS = dict.fromkeys(STRUCTURES, "")
COMPOSED: dict[str, dict[str, str]] = {
    "size": {"other": "", **{chamber: f"{chamber}_size" for chamber in CHAMBERS}},
    "dilation": {"other": "", **{chamber: f"{chamber}_dilation" for chamber in CHAMBERS}},
    "function": {**_NONE_OF_OURS, "lv": "lv_function"},
    "dysfunction": {**_NONE_OF_OURS, "lv": "lv_dysfunction"},
    "regurgitation": {"other": "", **{valve: f"{valve}_regurgitation" for valve in VALVES}},
    "stenosis": {"other": "", **{valve: f"{valve}_stenosis" for valve in VALVES}},
    "prosthesis": {"aortic": "some_aortic_prosthesis", "mitral": "mitral_prosthesis",
                   "tricuspid": "tricuspid_prosthesis", "pulmonary": ""},
    "surgical_prosthesis": {"pulmonary": "", **{valve: f"{valve}_prosthesis" for valve in VALVES[:3]}},
    "ring": {"mitral": "mitral_ring", "tricuspid": "tricuspid_ring", "aortic": ""},
    "clip": {"mitral": "mitraclip", "tricuspid": ""},
    "native": {valve: f"native_{valve}_valve" for valve in VALVES[:3]},
    "lead": {"rv": "pacemaker_lead_rv", "ra": "pacemaker_lead_ra", "lv": "lead_elsewhere"},
    "cannula": {**_NONE_OF_OURS, "lv": "lvad_cannula"},
    "velocity": {**_NONE_OF_OURS, "tricuspid": "tr_velocity"},
    "effusion": {"pericardium": "pericardial_effusion", "other": ""},
}  # fmt: skip
"""Attribute -> structure -> concept; "" is of no field of ours."""
CATEGORIES = {
    "size": Category.SIZE, "dilation": Category.SIZE, "function": Category.FUNCTION,
    "dysfunction": Category.FUNCTION, "regurgitation": Category.VALVE,
    "stenosis": Category.VALVE, "velocity": Category.LENGTH, "effusion": Category.EFFUSION,
}  # fmt: skip
"""Of attributes; the others are of devices."""
