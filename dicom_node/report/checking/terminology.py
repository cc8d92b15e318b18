"""What codes mean, as far as DICOM PS3.16 says it; and the check digits of the terminologies that have one."""

import re
from collections import defaultdict
from functools import cache

from pydicom.sr.codedict import Collection, codes
from pydicom.sr.coding import Code

QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
ACTIVITY_SESSION = Code("C67447", "NCIt", "Activity Session")
TIME_POINT = Code("C2348792", "UMLS", "Time Point")
FINDING_CATEGORY = Code("276214006", "SCT", "Finding category")
SOURCE = Code("260753009", "SCT", "Source")
_IN_TEMPLATES_ALONE = (QUALITATIVE_EVALUATIONS, ACTIVITY_SESSION, TIME_POINT, FINDING_CATEGORY, SOURCE)
"""pydicom's tables are those of the context groups and of PS3.16 annex D."""

_BESIDE_PS3_16 = (
    Code("246268007", "SCT", "Position"),
    Code("49062001", "SCT", "Device"),
    Code("129236007", "SCT", "Open approach - access"),
    Code("260507000", "SCT", "Access"),
    Code("26212005", "SCT", "Replacement of aortic valve"),
    Code("360058005", "SCT", "Intraventricular pump"),
    Code("360063009", "SCT", "Prosthetic cardiac annuloplasty ring"),
    Code("773996000", "SCT", "Transcatheter aortic valve implantation"),
)
"""Terms of SNOMED CT that PS3.16 has no use for, and echocardiography has; found in value sets of national
FHIR profiles (implants, procedures) and in SNOMED's own editorial guide. They say nothing of other codes with such a
meaning."""

COMPLETE = "DCM"
"""The scheme that DICOM itself defines: what is not in annex D does not exist."""
RETIRED = {"SRT", "SNM3", "99SDM"}
"""SNOMED RT under its names (PS3.16 section 8.1)."""
UNITS = "UCUM"
STANDARD_SCHEMES = frozenset({
    "ACR", "ASTM-sigpurpose", "BARI", "BI", "C4", "C5", "CD2", "CVX", "DC", "DCM", "DCMUID", "FMA", "HPC", "I10",
    "I10P", "I11", "I9", "I9C", "IBSI", "ICDO3", "IEC61217", "ISO3166_1", "ISO639_1", "ISO639_2", "ISO_OLD",
    "ITIS_TSN", "LN", "MA", "MAYOASRG", "MDC", "MDNS", "MSH", "NCDR", "NCIt", "NDC", "NEU", "NICIP", "NYUMCCG",
    "POS", "PUBCHEM_CID", "RADLEX", "RFC3066", "RFC5646", "RXNORM", "SCPECG", "SCT", "SNM3", "SRT", "UBERON",
    "UCUM", "UMD", "UMLS", "UNII", "UNS", "UPC", "99SDM",
})  # fmt: skip
"""PS3.16 table 8-1, and the one name with 99 that old machines use for SNOMED."""
_SEMANTIC_TAG = re.compile(r"\s*\([^()]*\)$")


def is_tabulated(scheme: str) -> bool:
    """Whether there are codes of it that we know."""
    return scheme in _tables()


def is_private(scheme: str) -> bool:
    """Whether it is somebody's own (PS3.16 section 8.2)."""
    return scheme.startswith("99")


def meanings_of(value: str, scheme: str) -> frozenset[str]:
    """The meanings of a code in the tables, normalized; none where they do not have it."""
    beside = (
        normalized(code.meaning) for code in _BESIDE_PS3_16 if (code.value, code.scheme_designator) == (value, scheme)
    )
    return frozenset((*_tables().get(scheme, {}).get(value, ()), *beside))


def codes_meaning(meaning: str, scheme: str) -> frozenset[str]:
    """The codes that the tables have for a meaning."""
    return frozenset(_by_meaning().get((scheme, normalized(meaning)), ()))


def normalized(meaning: str) -> str:
    """A meaning without what is no difference: case, spaces, the kind of concept behind it in brackets."""
    return " ".join(_SEMANTIC_TAG.sub("", meaning.casefold()).split())


def has_wrong_check_digit(value: str, scheme: str) -> bool:
    """Whether a code of SNOMED CT or LOINC cannot be one; nothing is known of other schemes."""
    if scheme == "SCT":
        return not (re.fullmatch(r"[1-9]\d{5,17}", value) and _verhoeff(value) == 0)
    if scheme == "LN":
        found = re.fullmatch(r"(?:L[AGLP])?(\d{1,8})-(\d)", value)
        return not (found and _luhn(found[1]) == int(found[2]))
    return False


@cache
def _tables() -> dict[str, dict[str, set[str]]]:
    tables: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for scheme in codes.schemes():
        for code in Collection(scheme).concepts.values():
            tables[scheme][code.value].add(normalized(code.meaning))
    for code in _IN_TEMPLATES_ALONE:
        tables[code.scheme_designator][code.value].add(normalized(code.meaning))
    return {scheme: dict(table) for scheme, table in tables.items()}


@cache
def _by_meaning() -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for scheme, table in _tables().items():
        for value, meanings in table.items():
            for meaning in meanings:
                found[scheme, meaning].add(value)
    return dict(found)


_PERMUTED = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
_PRODUCT = [[(a + b) % 5 + 5 * (b // 5) for b in range(10)] for a in range(5)] + [
    [(a - b) % 5 + 5 * (1 - b // 5) for b in range(10)] for a in range(5)
]
"""The dihedral group D5, for the algorithm of Verhoeff (SNOMED CT Release File Specification, check digit)."""


def _verhoeff(digits: str) -> int:
    check = 0
    for place, digit in enumerate(reversed(digits)):
        turned = int(digit)
        for _ in range(place % 8):
            turned = _PERMUTED[turned]
        check = _PRODUCT[check][turned]
    return check


def _luhn(digits: str) -> int:
    """The check digit of LOINC (Users' Guide, appendix C): modulus 10, every second digit doubled."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 if place % 2 else 2)
        total += doubled // 10 + doubled % 10
    return -total % 10
