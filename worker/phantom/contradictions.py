"""What a planted contradiction says in place of the truth, and where."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from worker.phantom.heart import Device, Grade, Heart
from worker.phantom.report_text import Said
from worker.phantom.truth import Contradiction

LEAST_DIFFERENCE = 25.0
"""Points of ejection fraction, before the untrue one is rounded: no two readers differ so much."""
Planted = tuple[Said, float, tuple[Contradiction, ...]]
"""What the text says, the ejection fraction that the vendor's report gives, and the contradictions in them."""


def truly_said(heart: Heart) -> Planted:
    """Nothing but the truth."""
    return Said.truly(heart), heart.ejection_fraction, ()


def plant(heart: Heart, random: np.random.Generator) -> Planted:
    """Say something untrue of this heart in one of its reports, each kind as likely of those that it allows."""
    kinds: list[Callable[[Heart, np.random.Generator], Planted]] = [
        _ejection_fraction_in_text, _ejection_fraction_in_vendor_report, _device_claimed, _lv_size,
    ]  # fmt: skip
    if heart.devices:
        kinds.append(_device_denied)
    return kinds[int(random.integers(len(kinds)))](heart, random)


def _ejection_fraction_in_text(heart: Heart, random: np.random.Generator) -> Planted:
    wrong = _wrong_ejection_fraction(heart, random)
    contradiction = Contradiction(
        task="lvef", kind="wrong_value", said=wrong, true=heart.ejection_fraction, said_in="text_report"
    )
    return replace(Said.truly(heart), ejection_fraction=wrong), heart.ejection_fraction, (contradiction,)


def _ejection_fraction_in_vendor_report(heart: Heart, random: np.random.Generator) -> Planted:
    wrong = _wrong_ejection_fraction(heart, random)
    contradiction = Contradiction(
        task="lvef", kind="wrong_value", said=wrong, true=heart.ejection_fraction, said_in="vendor_report"
    )
    return Said.truly(heart), wrong, (contradiction,)


def _device_denied(heart: Heart, random: np.random.Generator) -> Planted:
    device = Device(random.choice(sorted(heart.devices)))
    said = Said.truly(heart)
    said = replace(said, devices=said.devices - {device}, denied=frozenset({device}))
    contradiction = Contradiction(task=device, kind="denied", said="absent", true="present", said_in="text_report")
    return said, heart.ejection_fraction, (contradiction,)


def _device_claimed(heart: Heart, random: np.random.Generator) -> Planted:
    missing = sorted(set(Device) - heart.devices)
    if not missing:
        return _device_denied(heart, random)
    device = Device(random.choice(missing))
    said = Said.truly(heart)
    contradiction = Contradiction(task=device, kind="claimed", said="present", true="absent", said_in="text_report")
    return replace(said, devices=said.devices | {device}), heart.ejection_fraction, (contradiction,)


def _lv_size(heart: Heart, _: np.random.Generator) -> Planted:
    """From one end of the scale to the other, as far as the true size allows."""
    grades = list(Grade)
    at = grades.index(heart.lv_size)
    wrong = grades[0] if at >= 2 else grades[-1]
    contradiction = Contradiction(
        task="lv_size", kind="wrong_class", said=wrong, true=heart.lv_size, said_in="text_report"
    )
    return replace(Said.truly(heart), lv_size=wrong), heart.ejection_fraction, (contradiction,)


def _wrong_ejection_fraction(heart: Heart, random: np.random.Generator) -> float:
    true = heart.ejection_fraction
    off = LEAST_DIFFERENCE + float(random.uniform(0, 10))
    return float(round(min(true + off, 75) if true + LEAST_DIFFERENCE <= 72 else true - off))
