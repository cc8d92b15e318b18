"""The prompts that EchoCLIP was published with, as a pack brings them (prompts_used.json).

One JSON object, task key -> task. A task has a `mode`, and `label_sources`, its prompts; `<#>` stands for a number.

    regression    `range` [first, last]: the integers that take the place of `<#>`
    binary        the prompts of a finding; where one holds `<#>`, the entry of `testers` at its place has a number
    categorical   `values`: for each prompt the class that it speaks of, as a number; `value_mapping` names them

Keys that we do not know are passed over.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from config.errors import ModelPackError
from worker.packs.manifest import fault_in, read

NUMBER = "<#>"
_Text = Annotated[str, Field(min_length=1)]


class PublishedTask(BaseModel):
    """The published prompts of one task."""

    model_config = ConfigDict(frozen=True)

    mode: Literal["regression", "binary", "categorical"]
    label_sources: tuple[_Text, ...] = Field(min_length=1)
    range: tuple[int, int] | None = None
    values: tuple[int, ...] | None = None
    value_mapping: dict[str, str] = {}
    testers: tuple[_Text, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        match self.mode:
            case "regression":
                if self.range is None or self.range[0] >= self.range[1]:
                    raise ValueError("a regression needs range: its first and its last value")
                if any(source.count(NUMBER) != 1 for source in self.label_sources):
                    raise ValueError(f"label_sources of a regression must hold {NUMBER} exactly once")
            case "categorical":
                if self.values is None or len(self.values) != len(self.label_sources):
                    raise ValueError("a categorical task needs values, one for each of label_sources")
        if self.mode != "regression" and any(NUMBER in prompt for prompt in self.prompts):
            raise ValueError(f"a label source with {NUMBER} needs testers, one for each of label_sources, without it")
        return self

    @property
    def prompts(self) -> tuple[str, ...]:
        """The prompts in their order; of those with a number to fill in, where it is no regression, the tester."""
        if self.mode == "regression" or len(self.testers) != len(self.label_sources):
            return self.label_sources
        pairs = zip(self.label_sources, self.testers, strict=True)
        return tuple(tester if NUMBER in source else source for source, tester in pairs)


_FILE = TypeAdapter(dict[str, PublishedTask])


def read_published(file: Path) -> Mapping[str, PublishedTask]:
    """The tasks of a prompts file, by key.

    Raises
    ------
    ModelPackError
        The file cannot be read or is not as described above; the message names the task, and quotes no prompt.
    """
    try:
        return _FILE.validate_json(read(file))
    except ValidationError as error:
        raise ModelPackError(f"{file}: {fault_in(error)}") from error
