"""A vocabulary in our own words, as an operator's files would hold a published one."""

import json
from pathlib import Path

from worker.echoclip.template.rules import TemplateRules

SPECIALS = ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")
LEAK = "<#> LEAK AT THE OUTLET VALVE. "
PUMP = "THE MAIN PUMP EMPTIES BY <#>%. "
RANGE = "SOMEWHERE FROM <#> TO <#> LEAK AT THE INLET VALVE. "
LARGE, GROWN = "THE ANTECHAMBER LOOKS LARGE. ", "THE ANTECHAMBER LOOKS LARGE. AND IT HAS GROWN. "
PLAIN, SMALL = "NO FLUID AROUND THE PUMP. ", "ALL CHAMBERS ARE SMALL. "
GRADIENT, LUNG = "PRESSURE DROP IS <#>MMHG. ", "LUNG VESSEL PA FILLS AT <#>MMHG. "
WEDGE, WEEK, MOUTH = "WEDGE AT <#>MMHG. ", "SEEN IN WEEK <#> ", "WIDTH OF THE CHANNEL <#>MM AT ITS MOUTH. "
SCORE, AREA = "SUM OF POINTS IS <#>. ", "OPENING OF <#>CM<#> "
STRAIN = "THE LOWER VEIN SHRINKS ON BREATHING (<#>MMHG). "
PACED, SUMMARY = "A WIRE IS SEEN, <#> TIMES THICKER THAN USUAL. ", "OVERALL POINTS OF ALL WALLS. "

PHRASES = (
    GROWN,
    RANGE,
    "THE UPPER WALL MOVES <#> LESS THAN THE LOWER WALL, FROM <#>MM TO <#>MM. ",
    PACED,
    STRAIN,
    "BETWEEN <#> AND <#> OF TEN BEATS OPEN THE OUTLET. ",
    MOUTH,
    "<#> THICK WALL OF THE SECOND PUMP. ",
    LUNG,
    LARGE,
    "WIDTH OF THE CHANNEL <#>MM. ",
    PUMP,
    LEAK,
    SUMMARY,
    PLAIN,
    SMALL,
    GRADIENT,
    "TUBE ACROSS IS <#>CM. ",
    "TUBE ACROSS IS <#>MM. ",
    SCORE,
    AREA,
    WEEK,
    WEDGE,
    "WEDGE AT <#>MM. ",
    "<#> STIFF INLET. ",
    "<#> STIFF INLET ",
    "SEGMENT S<#> STILL. ",
    "PATIENT'S BEAT IS EVEN. ",
    "BEAT IS UNEVEN. ",
    "<#>-<#> SCAR. ",
    "(AT REST) ",
    "WITHOUT ECHO ",
    "OUTLET CLOSED. ",
    "INLET CLOSED. ",
    "WALL STILL. ",
    "ABNORMAL SHAPE. ",
    "NORMAL SHAPE. ",
    "FLUID. ",
    "WIRE ",
)
RULES = TemplateRules(
    stops=(
        "PRESSURE DROP IS <#>MMHG",
        "THE MAIN PUMP EMPTIES BY <#>%",
        "WEDGE AT <#>MM",
        "OVERALL POINTS OF ALL WALLS",
    ),
    rewrites=(
        (
            "THE LOWER VEIN IS THIN AND SHRINKS ON BREATHING (<#>MMHG).",
            "THE LOWER VEIN SHRINKS ON BREATHING (<#>MMHG).",
        ),
        ("OVERALL POINTS OF ALL WALLS.:", "OVERALL POINTS OF ALL WALLS."),
    ),
)
VALUES = (
    [str(number) for number in range(101)]
    + ["‡", "MILD", "MODERATE", "SEVERE", "MILD/MODERATE", "MODERATE/SEVERE"]
    + [f".{digit}" for digit in range(10)]
    + [f"0{digit}" for digit in range(10)]
)
FIRST_VALUE = len(SPECIALS) + len(PHRASES)
BEGIN = FIRST_VALUE + len(SPECIALS) + len(VALUES)
END = BEGIN + 1


def phrase_id(phrase: str) -> int:
    return len(SPECIALS) + PHRASES.index(phrase)


def value_ids(*pieces: str) -> list[int]:
    """Ids of pieces of values; "?" is a piece that has none."""
    return [FIRST_VALUE + (0 if piece == "?" else len(SPECIALS) + VALUES.index(piece)) for piece in pieces]


def blank_tokenizer() -> dict[str, object]:
    """The content of a `blank_wordpiece.tokenizer`, as HuggingFace's library writes one."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": number, "content": token, "special": True} for number, token in enumerate(SPECIALS)],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 500,
            "vocab": {token: number for number, token in enumerate(SPECIALS)},
        },
    }


def write_vocabulary(folder: Path, *, rules: TemplateRules | None = RULES) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "template_vocab.txt").write_text("".join(f"{phrase}\n" for phrase in PHRASES), encoding="utf-8")
    (folder / "blank_wordpiece.tokenizer").write_text(json.dumps(blank_tokenizer()))
    if rules is not None:
        rules.write(folder)
    return folder
