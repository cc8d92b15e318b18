"""Coded terms of a catalogue: what a report says to programs."""

from pydantic import BaseModel, ConfigDict, Field


class Entry(BaseModel):
    """Part of a catalogue file: frozen, and a key that it does not know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CodedConcept(Entry):
    """A coded term as DICOM writes it (PS3.3 section 8): value, coding scheme designator, meaning."""

    value: str = Field(min_length=1, max_length=16)
    scheme: str = Field(min_length=1, max_length=16)
    meaning: str = Field(min_length=1, max_length=64)

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same as another: value and scheme, whatever the meaning's words."""
        return self.value, self.scheme


class Modifier(Entry):
    """What makes a concept narrower where no single code says it (HAS CONCEPT MOD, PS3.3 table C.17.3-8)."""

    name: CodedConcept
    value: CodedConcept


class Coded(Entry):
    """What a report says by a concept, and by what narrows that."""

    concept: CodedConcept
    modifiers: tuple[Modifier, ...] = ()
    """What the concept alone would leave open, as by which way a prosthesis came."""

    @property
    def key(self) -> tuple[object, ...]:
        """What makes it the same as another to whoever reads codes: modifiers have no order."""
        return self.concept.key, frozenset((modifier.name.key, modifier.value.key) for modifier in self.modifiers)
