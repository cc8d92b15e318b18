"""Which field a measurement of an echo report is of, and how it was measured.

By code: the lists of PS3.16 CID 12200 to 12206 and 12222 (TID 5200) and CID 12300 (TID 5301). By modifiers, where the
code says no more than a property, as a peak velocity: TID 5203, TID 5302. By the words of the code's meaning where the
code is private.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from worker.consistency.sr.codes import Concept, folded


class Recognition(StrEnum):
    """How it was found out what was measured."""

    CODE = "code"
    """A standard code that says all of it."""
    MODIFIERS = "modifiers"
    """A standard code of a property, and where or when it was measured."""
    MEANING = "meaning"
    """The words beside a private code: less sure."""


class Method(IntEnum):
    """How an ejection fraction or a volume was measured; the lower leads where there are several.

    Biplane discs are the method of the guidelines, and what text reports mean; Teichholz's formula, from one diameter,
    is the one that they advise against (Lang et al., J Am Soc Echocardiogr 2015;28:1-39, section 1).
    """

    BIPLANE = 1
    THREE_DIMENSIONAL = 2
    SINGLE_PLANE = 3
    UNSAID = 4
    TEICHHOLZ = 5


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """A field, and what was said about it."""

    field: str
    method: Method = Method.UNSAID
    how: Recognition = Recognition.CODE


UNITS = {
    "lvef": "%",
    "lv_end_diastolic_volume": "ml",
    "lv_end_systolic_volume": "ml",
    "pa_pressure": "mm[Hg]",
    "ra_pressure": "mm[Hg]",
    "tr_velocity": "m/s",
    "tr_peak_gradient": "mm[Hg]",
    "tapse": "mm",
    "heart_rate": "/min",
    "lv_diastolic_dimension": "cm",
    "lv_systolic_dimension": "cm",
    "septal_thickness": "cm",
    "posterior_wall_thickness": "cm",
    "la_diameter": "cm",
    "la_volume": "ml",
    "ra_area": "cm2",
    "rv_basal_dimension": "cm",
    "ivc_diameter": "cm",
}
"""Every field, with the unit that its statements are in (UCUM): that of texts, where these have it too."""

PLAUSIBLE = {"lvef": (1.0, 99.0), "pa_pressure": (1.0, 250.0)}
"""What is compared, and what it can be, both ends included: machines send 0, 9999 or a negative number for what nobody
measured, or measured with systole and diastole exchanged."""

_B, _T, _S, _Z = Method.BIPLANE, Method.THREE_DIMENSIONAL, Method.SINGLE_PLANE, Method.TEICHHOLZ
_LOINC: dict[str, tuple[str, Method | None]] = {
    "18043-0": ("lvef", None), "79991-6": ("lvef", _B), "79990-8": ("lvef", _T), "79993-2": ("lvef", _S),
    "79992-4": ("lvef", _S), "77891-0": ("lvef", _Z), "18049-7": ("lvef", _Z),
    # In no list of DICOM that was at hand: LOINC's own terms, from memory.
    "10230-1": ("lvef", None), "8806-2": ("lvef", None),
    "18026-5": ("lv_end_diastolic_volume", None), "79996-5": ("lv_end_diastolic_volume", _B),
    "79995-7": ("lv_end_diastolic_volume", _T), "79998-1": ("lv_end_diastolic_volume", _S),
    "79999-9": ("lv_end_diastolic_volume", _S),
    "18148-7": ("lv_end_systolic_volume", None), "80001-1": ("lv_end_systolic_volume", _B),
    "80000-3": ("lv_end_systolic_volume", _T), "80003-7": ("lv_end_systolic_volume", _S),
    "80004-5": ("lv_end_systolic_volume", _S),
    "18070-3": ("ra_pressure", None), "79921-3": ("tr_velocity", None), "79937-9": ("tr_peak_gradient", None),
    "77903-3": ("tapse", None), "8867-4": ("heart_rate", None),
    "29436-3": ("lv_diastolic_dimension", None), "80007-8": ("lv_diastolic_dimension", None),
    "80008-6": ("lv_diastolic_dimension", None),
    "29438-9": ("lv_systolic_dimension", None), "80011-0": ("lv_systolic_dimension", None),
    "80012-8": ("lv_systolic_dimension", None),
    "18154-5": ("septal_thickness", None), "79968-4": ("septal_thickness", None), "79969-2": ("septal_thickness", None),
    "18152-9": ("posterior_wall_thickness", None), "80031-8": ("posterior_wall_thickness", None),
    "80032-6": ("posterior_wall_thickness", None),
    "29469-4": ("la_diameter", None), "79975-9": ("la_diameter", None), "79977-5": ("la_diameter", None),
    "79981-7": ("la_volume", _B), "79983-3": ("la_volume", _B), "79985-8": ("la_volume", _S),
    "79986-6": ("la_volume", _S),
    "17988-7": ("ra_area", None), "80075-5": ("ra_area", None), "80080-5": ("rv_basal_dimension", None),
    "18006-7": ("ivc_diameter", None), "79967-6": ("ivc_diameter", None),
}  # fmt: skip
_SNOMED: dict[str, tuple[str, Method | None]] = {
    "399023006": ("pa_pressure", None),  # Right Ventricular Peak Systolic Pressure, CID 12204
    "276772001": ("pa_pressure", None),  # Right Ventricular Systolic Pressure, CID 3641
    "276755008": ("ra_pressure", None), "399235004": ("la_volume", None),
}  # fmt: skip
_BY_CODE = {("LN", value): said for value, said in _LOINC.items()} | {("SCT", v): s for v, s in _SNOMED.items()}

_PEAK_VELOCITIES = {("LN", "11726-7"), ("LN", "20355-4"), ("LN", "59107-3")}
_PEAK_GRADIENTS = {("LN", "20247-3"), ("LN", "59106-5")}
_REGURGITANT = {("SCT", "397417004"), ("SCT", "312004007")}
"""Regurgitant Flow of CID 12221, Retrograde Direction of CID 12306."""
_LV, _RV, _TRICUSPID = ("SCT", "87878005"), ("SCT", "53085002"), ("SCT", "46030003")
_TRICUSPID_ANNULUS = ("SCT", "113259005")
_END_DIASTOLE, _END_SYSTOLE = ("SCT", "416190007"), ("SCT", "416430001")
_METHODS = {
    "125207": _B, "125204": _B, "125211": _B, "125227": _S, "125208": _S, "125205": _S, "125226": _S, "125228": _S,
    "125209": _Z, "125206": _Z,
}  # fmt: skip
"""DCM codes of CID 12228; Cube Method is of one diameter, as Teichholz's."""
_THREE_DIMENSIONAL_MODE = ("SCT", "426865009")

_SITE_NAMES = (
    (_LV, r"(lv|left ventric\w+)"), (_RV, r"(rv|right ventric\w+)"), (_TRICUSPID, r"(tv|tricuspid( valve)?)"),
    (_TRICUSPID_ANNULUS, r"tricuspid (annulus|ring)"), (("SCT", "82471001"), r"(la|left atri\w+)"),
    (("SCT", "73829009"), r"(ra|right atri\w+)"), (("SCT", "91134007"), r"(mv|mitral( valve)?)"),
    (("SCT", "34202007"), r"(av|aortic valve)"), (("SCT", "39057004"), r"(pv|pulmon\w+ valve)"),
)  # fmt: skip
_OTHER_CHAMBERS = {_RV, ("SCT", "82471001"), ("SCT", "73829009")}
_LEFT = r"(lv|left ventric\w+)"
_JET = r"(tr|(tv|tricuspid( valve)?) regurg\w*)( jet)?"
_HOW = r"((auto|automated|2d|3d|4d|mod|bp|bi ?plane|simpsons?( s)?|teich\w*|a[24]c|m mode) )*"
_BY_MEANING = tuple(
    (field, re.compile(pattern))
    for field, pattern in (
        ("lvef", rf"{_HOW}({_LEFT} )?(auto)?(ef|ejection fraction)( .*)?|{_HOW}lvef( .*)?"),
        ("lv_end_diastolic_volume", rf"{_HOW}({_LEFT} )?(edv|(end )?diastolic vol(ume)?)( .*)?|{_HOW}lvedv( .*)?"),
        ("lv_end_systolic_volume", rf"{_HOW}({_LEFT} )?(esv|(end )?systolic vol(ume)?)( .*)?|{_HOW}lvesv( .*)?"),
        ("pa_pressure", r"(rvsp|pasp|s ?pap|paps|sysp?ap)( .*)?"),
        ("pa_pressure", r"(estimated )?(rv|right ventric\w+) (peak )?systolic pressure( .*)?"),
        ("pa_pressure", r"(estimated )?systolic (pa|pulmonary arter\w+) pressure( .*)?"),
        ("pa_pressure", r"(estimated )?(pa|pulmonary arter\w+) systolic pressure( .*)?"),
        ("ra_pressure", r"(rap|ra pressure|right atri\w+ (systolic )?pressure)( .*)?"),
        ("tr_velocity", rf"{_JET} (v ?max|max(imum)? vel(ocity)?|peak vel(ocity)?)( .*)?"),
        ("tr_peak_gradient", rf"{_JET} (max(imum)? ?pg|pg max|peak (pressure )?gradient)( .*)?"),
        ("tapse", r"(.* )?tapse( .*)?|tricuspid annular plane systolic excursion( .*)?"),
        ("heart_rate", r"heart rate( .*)?|hr( .*)?"),
        ("lv_diastolic_dimension", r"lvidd( .*)?|lvedd( .*)?|lvdd( .*)?"),
        ("lv_systolic_dimension", r"lvids( .*)?|lvesd( .*)?|lvds( .*)?"),
        ("septal_thickness", r"ivsd( .*)?"),
        ("posterior_wall_thickness", r"lvpwd( .*)?"),
    )
)
_ANOTHER = re.compile(r"\b(index|indexed|bsa|ratio|change|slope|variability|target|predicted|std|sd|deviation)\b")
"""Words that make something else of it."""
_OTHER_CHAMBER = re.compile(r"\b(rv|right|la|ra|atri\w+)\b")
_METHOD_NAMES = (
    (_B, re.compile(r"\b(biplane|bi plane|bp|bip)\b")),
    (_Z, re.compile(r"\b(teich\w*|cube\w*|m mode|mm)\b")),
    (_T, re.compile(r"\b(3d|4d|three dimensional)\b")),
    (_S, re.compile(r"\b(single plane|sp|a ?[24] ?ch?\w*|[24] ?c\w*|simpson\w*|mod|disc\w*|disk\w*)\b")),
)


def recognise(
    name: Concept, modifiers: Mapping[str, Concept], *, site: Concept | None, label: str = ""
) -> Recognised | None:
    """What field a measurement is of; None where it is of none that we compare.

    Parameters
    ----------
    name
        The concept of the measurement.
    modifiers
        Its own and its sections', by what they say: the keys of `sr_modifiers.MODIFIERS`.
    site
        Where it was measured: as a modifier, or as the section that it stands in.
    label
        Its Short Label (TID 5301 to 5303), which may be all that a private code tells.
    """
    if "divisor" in modifiers or ("type" in modifiers and modifiers["type"].code == ("DCM", "125313")):
        return None  # indexed to the body surface
    method = _method(modifiers)
    for code in name.codes:
        if code in _BY_CODE:
            field, of_code = _BY_CODE[code]
            return Recognised(field=field, method=of_code or method)
    of_property = modifiers.get("property", name)
    for code in of_property.codes:
        if (of := _by_modifiers(code, modifiers, site)) is not None:
            return Recognised(field=of, method=method, how=Recognition.MODIFIERS)
    # A standard code says what it is, and that is none of ours; unless it says no more than "Volume" (TID 5303).
    is_private = not any(scheme in {"DCM", "LN", "SCT", "UMLS"} for scheme, _ in name.codes)
    by_name = _by_meaning(folded(name.meaning), site, method) if is_private else None
    return by_name or _by_meaning(folded(label), site, method)


def site_in(words: str) -> Concept | None:
    """The site that a section's heading is, in whatever code: some machines name no finding site."""
    text = folded(words)
    for (scheme, value), pattern in _SITE_NAMES:
        if re.fullmatch(rf"{pattern}( (measurements?|findings?|section|dimensions?))?", text):
            return Concept(value=value, scheme=scheme, meaning=words)
    return None


def _by_modifiers(code: tuple[str, str], modifiers: Mapping[str, Concept], site: Concept | None) -> str | None:
    where = site.code if site is not None else None
    backwards = "flow" in modifiers and modifiers["flow"].code in _REGURGITANT
    at = modifiers["phase"].code if "phase" in modifiers else None
    if code in _PEAK_VELOCITIES | _PEAK_GRADIENTS and where == _TRICUSPID and backwards:
        return "tr_velocity" if code in _PEAK_VELOCITIES else "tr_peak_gradient"
    if code == ("SCT", "70822001") and where in {_LV, None}:  # Cardiac Ejection Fraction
        return "lvef"
    if code == ("SCT", "118565006") and where == _LV:  # Volume
        return {_END_DIASTOLE: "lv_end_diastolic_volume", _END_SYSTOLE: "lv_end_systolic_volume"}.get(at or ("", ""))
    if code == ("DCM", "125329") and where == _RV:  # Peak Blood Pressure
        return "pa_pressure"
    if code == ("DCM", "125327") and where == _TRICUSPID_ANNULUS:  # Excursion Distance
        return "tapse"
    return None


def _by_meaning(text: str, site: Concept | None, method: Method) -> Recognised | None:
    for field, pattern in _BY_MEANING:
        if not pattern.fullmatch(text):
            continue
        elsewhere = site is not None and site.code in _OTHER_CHAMBERS
        if _ANOTHER.search(text) or (field.startswith("lv") and (elsewhere or _OTHER_CHAMBER.search(text))):
            return None
        if method is Method.UNSAID:
            method = next((named for named, words in _METHOD_NAMES if words.search(text)), method)
        return Recognised(field=field, method=method, how=Recognition.MEANING)
    return None


def _method(modifiers: Mapping[str, Concept]) -> Method:
    said = modifiers.get("method")
    if said is not None:
        if said.scheme == "DCM" and said.value in _METHODS:
            return _METHODS[said.value]
        for method, words in _METHOD_NAMES:
            if words.search(folded(said.meaning)):
                return method
    mode = modifiers.get("mode")
    return Method.THREE_DIMENSIONAL if mode is not None and mode.code == _THREE_DIMENSIONAL_MODE else Method.UNSAID
