"""What kind of Structured Report this is, by its root: whose measurements are read, and what others are."""

from worker.consistency.sr.codes import folded
from worker.consistency.sr.tree import ContentItem

ECHO_REPORT = ("DCM", "125200")
"""Adult Echocardiography Procedure Report: the root of TID 5200, and of TID 5300 (PS3.17 annex CCCC.5)."""
ECHO_TEMPLATES = {"5200", "5300"}
SIMPLIFIED_ECHO_STORAGE = "1.2.840.10008.5.1.4.1.1.88.72"
_ECHO_WORDS = {"adult echocardiography procedure report", "echocardiography procedure report",
               "simplified echo procedure report"}  # fmt: skip

_OTHERS = {
    ("DCM", "126000"): "a measurement report of TID 1500, as programs that analyse images make",
    ("DCM", "113701"): "a report of radiation dose",
    ("DCM", "113500"): "a report of radiopharmaceutical dose",
    ("DCM", "125000"): "an OB-GYN ultrasound report",
    ("DCM", "125100"): "a vascular ultrasound report",
    ("DCM", "121120"): "the log of a catheterization",
    ("DCM", "121180"): "a list of key images",
    ("DCM", "113000"): "a selection of key objects",
}
"""Roots that are met in echo studies, or beside them (PS3.16 annex A, CID 7010)."""
_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.88.59": "a selection of key objects",
    "1.2.840.10008.5.1.4.1.1.88.67": "a report of radiation dose",
    "1.2.840.10008.5.1.4.1.1.88.68": "a report of radiopharmaceutical dose",
}


def is_without_report(root: ContentItem, sop_class_uid: str) -> bool:
    """Whether it is known to be something else than what a person or an echo machine reports of a study."""
    return sop_class_uid in _CLASSES or (root.name is not None and root.name.code in _OTHERS)


def is_echo_report(root: ContentItem, sop_class_uid: str) -> tuple[bool, str]:
    """Whether a machine's measurements of an echo study are in it; and a note where that was not plain."""
    if root.name is not None and ECHO_REPORT in root.name.codes:
        return True, ""
    if sop_class_uid in _CLASSES:
        return False, f"the report is {_CLASSES[sop_class_uid]}: it has no measurements of an echo study"
    if root.name is not None and root.name.code in _OTHERS:
        return False, f"the report is {_OTHERS[root.name.code]}: no measurements were read from it"
    if root.template in ECHO_TEMPLATES:
        return True, "the root of the report is not that of its template: it was read even so"
    if sop_class_uid == SIMPLIFIED_ECHO_STORAGE:
        return True, "the root of the report is not that of its SOP class: it was read even so"
    if root.name is not None and folded(root.name.meaning) in _ECHO_WORDS:
        return (
            True,
            "the root of the report is a private code for an echo report: it was read even so",
        )
    if root.name is None:
        return False, "the root of the report has no concept name: no measurements were read from it"
    return (
        False,
        f"the root of the report is {root.name.speakable}, no echo machine's report: nothing was read",
    )
