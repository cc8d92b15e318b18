"""The template tokenizer from its definition, in plain Python: no regular expression, no library, none of our code."""

from collections.abc import Iterator, Sequence

PLACEHOLDER = "<#>"
SEVERITIES = ("MODERATE/SEVERE", "MILD/MODERATE", "VERY SEVERE", "MODERATE", "SEVERE", "MILD")
ADJECTIVES = ("NORMAL", "MILD", "MODERATE", "SEVERE")
UNITS = ("MMHG", "MM", "CM", "%")


def cleaned(text: str, stops: Sequence[str]) -> str:
    text = text.upper().strip().replace("`", "'")
    for mark in ("^", "CRLF", "‡"):
        text = text.replace(mark, "")
    text = "".join(". " if at_word_stop(text, i) else char for i, char in enumerate(text))
    text = text.replace("[", "").replace("]", "")
    for old, new in (("WAS", "IS"), ("WERE", "ARE"), ("AND/OR", "AND")):
        text = whole_words_replaced(text, old, new)
    for adjective in ADJECTIVES:
        text = text.replace(f"{adjective}LY", adjective)
    text = text.replace("PULMONARY ARTERY", "PA")
    for shape in ("dd/dd/dddd", "dd.dd.dddd"):
        text = without_shape(text, shape)
    text = without_codes(text)
    text = without_blanks_before_units(text)
    text = without_blank_before_stop(text)
    text = " ".join(text.split())  # str.split knows the same blanks as the definition
    text = text.replace(" + ", "+")
    text = text.replace("+CVPMMHG", "MMHG")
    text = with_stops(text.strip() + " ", stops)
    while ".." in text:
        text = text.replace("..", ".")
    return text


def is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


def at_word_stop(text: str, i: int) -> bool:
    before, after = text[i - 1 : i] if i else "", text[i + 1 : i + 2]
    return text[i] == "." and bool((before and not before.isdecimal()) or (after and not after.isdecimal()))


def whole_words_replaced(text: str, old: str, new: str) -> str:
    out, i = "", 0
    while i < len(text):
        end = i + len(old)
        alone = not (i and is_word(text[i - 1])) and not (end < len(text) and is_word(text[end]))
        if text.startswith(old, i) and alone:
            out, i = out + new, end
        else:
            out, i = out + text[i], i + 1
    return out


def without_shape(text: str, shape: str) -> str:
    def fits(i: int) -> bool:
        part = text[i : i + len(shape)]
        return len(part) == len(shape) and all(
            char.isdecimal() if wanted == "d" else char == wanted for char, wanted in zip(part, shape, strict=True)
        )

    out, i = "", 0
    while i < len(text):
        if fits(i):
            i += len(shape)
        else:
            out, i = out + text[i], i + 1
    return out


def digits_from(text: str, i: int) -> int:
    while i < len(text) and text[i].isdecimal():
        i += 1
    return i


def without_codes(text: str) -> str:
    """A letter, digits, a stop and perhaps more digits, where a word begins or ends behind it."""
    out, i = "", 0
    while i < len(text):
        stop = digits_from(text, i + 1)
        if "A" <= text[i] <= "Z" and stop > i + 1 and text[stop : stop + 1] == ".":
            end = digits_from(text, stop + 1)
            goes_on = end < len(text) and is_word(text[end])
            if end > stop + 1 or goes_on:
                # Digits that a word goes on from stay: between them and the stop a word begins, too.
                i = stop + 1 if goes_on else end
                continue
        out, i = out + text[i], i + 1
    return out


def without_blanks_before_units(text: str) -> str:
    out, i = "", 0
    while i < len(text):
        end = i
        while end < len(text) and text[end].isspace():
            end += 1
        if end > i and text.startswith(UNITS, end):
            i = end
        else:
            end = max(end, i + 1)
            out, i = out + text[i:end], end
    return out


def without_blank_before_stop(text: str) -> str:
    return "".join(c for i, c in enumerate(text) if not (c.isspace() and text[i + 1 : i + 2] == "."))


def number_from(text: str, i: int) -> int:
    """Where a number that begins at i ends; i if there is none."""
    end = digits_from(text, i)
    return digits_from(text, end + 1) if end > i and text[end : end + 1] == "." else end


def sentence_from(text: str, i: int, sentence: str) -> int:
    """Where a sentence that begins at i ends, numbers in its placeholders; -1 if there is none."""
    first, *rest = sentence.split(PLACEHOLDER)
    if not text.startswith(first, i):
        return -1
    i += len(first)
    for part in rest:
        end = number_from(text, i)
        if end == i or not text.startswith(part, end):
            return -1
        i = end + len(part)
    return i


def with_stops(text: str, stops: Sequence[str]) -> str:
    out, i = "", 0
    while i < len(text):
        ends = (sentence_from(text, i, stop) for stop in stops)
        end = next((end for end in ends if end > i and text[end : end + 1] != "."), -1)
        if end > 0:
            out, i = out + text[i:end] + ".", end
        else:
            out, i = out + text[i], i + 1
    return out


def value_from(text: str, i: int) -> int:
    if text.startswith(PLACEHOLDER, i):
        return i + len(PLACEHOLDER)
    after_letter = i > 0 and text[i - 1].isascii() and text[i - 1].isalpha()
    severity = next((s for s in SEVERITIES if text.startswith(s, i)), "") if not after_letter else ""
    return i + len(severity) if severity else number_from(text, i)


def without_values(text: str) -> tuple[str, list[str]]:
    out, values, i = "", [], 0
    while i < len(text):
        end = value_from(text, i)
        if end > i:
            out, i = out + PLACEHOLDER, (values.append(text[i:end]), end)[1]
        else:
            out, i = out + text[i], i + 1
    return out, values


def pieces(text: str, known: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Cut a text into what is known, from the left and the longest first, and what lies between."""
    by_length = sorted(known, key=len, reverse=True)
    unknown, i = "", 0
    while i < len(text):
        found = next((one for one in by_length if text.startswith(one, i)), None)
        if found is None:
            unknown, i = unknown + text[i], i + 1
            continue
        if unknown:
            yield unknown, False
        yield found, True
        unknown, i = "", i + len(found)
    if unknown:
        yield unknown, False


def ids(
    text: str,
    *,
    specials: Sequence[str],
    phrases: Sequence[str],
    values: Sequence[str],
    stops: Sequence[str],
    rewrites: Sequence[tuple[str, str]],
    length: int,
) -> list[int]:
    templated, found = without_values(cleaned(text, stops))
    for old, new in rewrites:
        templated = templated.replace(old, new)
    first_value = len(specials) + len(phrases)
    begin = first_value + len(specials) + len(values)
    row, used = [begin], 0
    for piece, known in pieces(templated, phrases):
        its_values = found[used : used + piece.count(PLACEHOLDER)]
        used += len(its_values)
        if not known:
            continue
        row.append(len(specials) + phrases.index(piece))
        for part, has_id in pieces("‡".join(its_values), values):
            row.append(first_value + (len(specials) + values.index(part) if has_id else 0))
    row = [*row[: length - 1], begin + 1]
    return row + [0] * (length - len(row))
