"""Numbers and severities, which reports fill into the phrases of a vocabulary."""

import re

PLACEHOLDER = "<#>"
"""Stands in a phrase wherever a report has a value."""
SEVERITIES = ("MILD", "MODERATE", "SEVERE", "MILD/MODERATE", "MODERATE/SEVERE")
"""Those that the model has ids for."""

NUMBER = r"\d+(?:\.\d*)?"
"""Takes the stop after a number where no digit follows ("IS 5. NEXT"): that is how the model was trained."""
# The longer first. The last is taken out as one value, although the model has an id for its second word alone.
_SEVERITY = "(?<![A-Za-z])(?:MODERATE/SEVERE|MILD/MODERATE|MILD|MODERATE|SEVERE|VERY SEVERE)"
_VALUE = re.compile(f"{NUMBER}|{_SEVERITY}|{re.escape(PLACEHOLDER)}")


def extract(text: str) -> tuple[str, list[str]]:
    """Put a placeholder where each value stood: the templated text, and its values in order.

    A placeholder that the text itself has, of a prompt that was not filled, is its own value: the model reads it as
    one that it does not know.
    """
    return _VALUE.sub(PLACEHOLDER, text), _VALUE.findall(text)


def fill(template: str, values: tuple[str, ...]) -> str:
    """Put values where the placeholders stand, in order; a placeholder without a value stays."""
    first, *rest = template.split(PLACEHOLDER)
    padded = (*values, *[PLACEHOLDER] * len(rest))
    return first + "".join(value + part for value, part in zip(padded, rest, strict=False))
