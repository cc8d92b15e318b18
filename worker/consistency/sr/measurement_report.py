"""A machine's Structured Report as statements: TID 5200 Echocardiography Procedure Report, TID 5300 Simplified Echo.

There is no source text, so one is made: a line for each measurement, as

    Left Ventricle > 2D mode > Apical four chamber: Left Ventricular Ejection Fraction = 55 %

and each statement points at what its line says behind the colon.
"""

import math
from collections import Counter
from dataclasses import dataclass, field

from pydicom.dataset import Dataset

from worker.consistency.sr.codes import Concept, plain
from worker.consistency.sr.measured_fields import PLAUSIBLE, UNITS, Method, Recognised, Recognition, recognise
from worker.consistency.sr.modifiers import SHOWN, heading_of, is_modifier, label_of, modifiers_of, site_of
from worker.consistency.sr.numbers import in_our_unit, number_and_unit_in, shown
from worker.consistency.sr.repeated import Derivation, chosen, derivation_of, is_selected, is_stressed
from worker.consistency.sr.roots import is_echo_report
from worker.consistency.sr.tree import ContentItem, read_content_tree, text_of
from worker.consistency.statements import Quantity, Statement


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One measured value of the report, as it stands there."""

    concept: Concept
    path: tuple[str, ...]
    """The sections that it stands in: site, mode, view, as they are called there."""
    value: float
    unit: str
    """Of `value`, as written."""
    start: int
    end: int
    """The characters of the report's text that say it."""
    field: str | None = None
    """What of ours it is; None for what we do not compare."""
    recognised_by: Recognition | None = None
    method: Method = Method.UNSAID
    quantity: Quantity | None = None
    """The value in the field's unit; None where the unit does not fit."""
    modifiers: tuple[tuple[str, str], ...] = ()
    """Kinds and meanings, those of its sections included: what makes two measurements repeats of each other."""
    derivation: Derivation = Derivation.NONE
    selected: bool = False
    """Marked as the one to take of several (Selection Status of TID 5301)."""


@dataclass(frozen=True, kw_only=True)
class MeasurementReport:
    """What a Structured Report has of measurements; empty, with a note that says why, where it has none."""

    text: str = field(repr=False)
    measurements: tuple[Measurement, ...] = ()
    """All, in the order of the document."""
    statements: tuple[Statement, ...] = ()
    """Of repeats the one that counts (`worker.consistency.sr.repeated`); of the same field the leading one first."""
    notes: tuple[str, ...] = ()
    """What was left out or assumed; free of what the report says."""


def read_measurement_report(dataset: Dataset) -> MeasurementReport:
    """Read a machine's measurements out of a Structured Report of an echo study.

    Raises
    ------
    UnreadableReportError
        The data set is no Structured Report at all. Whatever else is wrong with it becomes a note.
    """
    tree = read_content_tree(dataset)
    is_echo, note = is_echo_report(tree.root, text_of(dataset, "SOPClassUID"))
    notes = [*tree.notes, *([note] if note else [])]
    if not is_echo:
        return MeasurementReport(text="", notes=tuple(notes))
    writer = _Writer()
    writer.section(tree.root, (), {}, None, is_root=True)
    notes += writer.notes()
    return MeasurementReport(
        text="\n".join(writer.lines),
        measurements=tuple(writer.measurements),
        statements=tuple(_statements(writer.measurements)),
        notes=tuple(notes),
    )


_OF_ONE = {"derivation", "selection", "property", "type"}
"""Kinds of modifiers that tell repeats of one measurement apart."""


def _statements(measurements: list[Measurement]) -> list[Statement]:
    """Fields in the order that they first appear in; of each, by method and then as they stand."""
    usable = [m for m in measurements if m.field is not None and m.quantity is not None]
    fields = list(dict.fromkeys(m.field for m in usable))
    groups: dict[tuple[object, ...], list[Measurement]] = {}
    for measurement in usable:
        alike = (measurement.field, measurement.method, measurement.concept.code, measurement.modifiers)
        groups.setdefault(alike, []).append(measurement)
    taken = [one for group in groups.values() if (one := chosen(group)) is not None]
    taken.sort(key=lambda m: (fields.index(m.field), m.method, m.start))
    return [Statement(field=m.field or "", start=m.start, end=m.end, quantity=m.quantity) for m in taken]


@dataclass
class _Writer:
    """Goes through the tree, and writes a line for each measurement."""

    lines: list[str] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    _length: int = 0
    _noticed: Counter[str] = field(default_factory=Counter)

    def section(
        self,
        container: ContentItem,
        path: tuple[str, ...],
        around: dict[str, Concept],
        site: Concept | None,
        *,
        is_root: bool = False,
    ) -> None:
        own = {} if is_root else modifiers_of(container)
        if not is_root:
            heading = heading_of(container, own)
            path = (*path, *((heading,) if heading else ()), *(str(own[kind]) for kind in SHOWN if kind in own))
            site = site_of(container, own) or site
        around = {**around, **own}
        for child in container.children:
            if child.value_type == "CONTAINER":
                self.section(child, path, around, site)
            elif child.value_type == "NUM":
                self._numeric(child, path, around, site)
            elif child.value_type == "TEXT" and not is_modifier(child):
                self._number_as_text(child, path, around, site)

    def notes(self) -> list[str]:
        return [f"{count} x {what}" for what, count in self._noticed.items()]

    def _numeric(
        self, item: ContentItem, path: tuple[str, ...], around: dict[str, Concept], site: Concept | None
    ) -> None:
        if item.name is None:
            self._noticed["a measurement without a concept name was left out"] += 1
        elif item.number is None:
            self._noticed["a measurement without a value that is one number was left out"] += 1
        else:
            self._measurement(item, item.number, item.unit, path, around, site)
        around = {**around, **{kind: said for kind, said in modifiers_of(item).items() if kind not in _OF_ONE}}
        for child in item.children:  # what it was inferred from, as the beats of a mean
            if child.value_type == "NUM":
                self._numeric(child, path, around, site)

    def _number_as_text(
        self, item: ContentItem, path: tuple[str, ...], around: dict[str, Concept], site: Concept | None
    ) -> None:
        """A habit: "55,5 %" as text under the code of a measurement."""
        found = number_and_unit_in(item.text)
        known = item.name is not None and recognise(item.name, {**around, **modifiers_of(item)}, site=site) is not None
        if found is not None and known:
            self._noticed["a number that stands as text was read"] += 1
            self._measurement(item, found[0], Concept(value=found[1], scheme=""), path, around, site)
        elif item.relationship != "HAS OBS CONTEXT":
            self._noticed["a text beside the measurements was not read"] += 1

    def _measurement(
        self,
        item: ContentItem,
        number: float,
        unit: Concept | None,
        path: tuple[str, ...],
        around: dict[str, Concept],
        site: Concept | None,
    ) -> None:
        name = item.name or Concept(value="", scheme="")
        own = modifiers_of(item)
        modifiers = {**around, **own}
        site = own.get("site", site)
        what = recognise(name, modifiers, site=site, label=label_of(item))
        derivation = derivation_of(modifiers.get("derivation"))
        quantity = self._quantity(what, number, unit, derivation)
        if quantity is not None and is_stressed(modifiers.get("stage")):
            self._noticed["a measurement under stress is not compared"] += 1
            quantity = None
        how = ", ".join(str(own[kind]) for kind in ("site", *SHOWN) if kind in own)
        start, end = self._line(path, f"{name}{f' ({how})' if how else ''} = {_amount(number, unit)}")
        self.measurements.append(
            Measurement(
                concept=name,
                path=path,
                value=number,
                unit=_unit_name(unit),
                start=start,
                end=end,
                field=what.field if what else None,
                recognised_by=what.how if what else None,
                method=what.method if what else Method.UNSAID,
                quantity=quantity,
                modifiers=tuple(sorted((kind, str(said)) for kind, said in modifiers.items() if kind not in _OF_ONE)),
                derivation=derivation,
                selected=is_selected(own.get("selection")),
            )
        )

    def _quantity(
        self, what: Recognised | None, number: float, unit: Concept | None, derivation: Derivation
    ) -> Quantity | None:
        if what is None or derivation is Derivation.SPREAD:
            return None
        value = in_our_unit(number, unit, UNITS[what.field])
        if value is None:
            self._noticed[f"a value of {what.field} has a unit that is not of it: it is not compared"] += 1
            return None
        least, most = PLAUSIBLE.get(what.field, (-math.inf, math.inf))
        if not least <= value.number <= most:
            self._noticed[f"a value of {what.field} is none that a heart has: it is not compared"] += 1
            return None
        if value.note:
            self._noticed[value.note] += 1
        if what.how is Recognition.MEANING:
            self._noticed[f"a value of {what.field} was recognised by the words of a private code"] += 1
        return Quantity(low=value.number, high=value.number, unit=value.unit)

    def _line(self, path: tuple[str, ...], said: str) -> tuple[int, int]:
        """Add a line; where in the text it says what was measured."""
        before = " > ".join(plain(part) for part in path)
        said = plain(said, longest=400)
        line = f"{before}: {said}" if before else said
        end = self._length + len(line)
        self.lines.append(line)
        self._length = end + 1
        return end - len(said), end


def _amount(number: float, unit: Concept | None) -> str:
    return f"{shown(number)} {_unit_name(unit)}".rstrip()


def _unit_name(unit: Concept | None) -> str:
    """As it is written; nothing for a number without unit."""
    return "" if unit is None or unit.value == "1" else plain(unit.value or unit.meaning, longest=20)
