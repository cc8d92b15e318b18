"""Where a pack is made from: a folder that is one already, or a plain download of open_clip's files.

A download's files have several names in the wild; here they get those of a pack (`worker.packs.manifest`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from config.errors import ModelPackError
from config.labels import ModelLabel
from worker.echoclip.template.rules import CLEANING_CODE, TOKENIZER_CODE
from worker.packs.installed import slug
from worker.packs.licences import KNOWN_TERMS, Terms, licence_text
from worker.packs.manifest import (
    CALIBRATION,
    CONFIGURATION,
    LICENCE,
    MANIFEST,
    PROMPTS,
    RULES,
    VOCABULARY,
    WEIGHTS,
    WORDPIECE,
    Manifest,
    read_manifest,
    sha256_of,
    valid_manifest,
)

DOWNLOADED_WEIGHTS = (WEIGHTS, "model.safetensors", "open_clip_pytorch_model.bin", "pytorch_model.bin")
"""In the order of preference."""
OPTIONAL = (PROMPTS, VOCABULARY, WORDPIECE, RULES, CALIBRATION)
_OPTIONS = {
    "name": (r"(?s).{1,64}", "1 to 64 characters"),
    "version": (r"(?s).{1,64}", "1 to 64 characters"),
    "family": (r"[a-z0-9-]{1,32}", "1 to 32 small letters, digits and hyphens"),
}
"""What a manifest takes of what the options say."""
LICENCE_PATTERNS = ("LICENSE*", "LICENCE*", "COPYING*")


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What the operator says of a pack; None: what it says of itself, or what follows from its name."""

    name: str | None = None
    family: str | None = None
    label: ModelLabel | None = None
    version: str | None = None
    licence: Path | None = None
    """A file with the text of its licence."""
    also: Sequence[Path] = ()
    """Further files, or folders with them: prompts, vocabulary, calibration, licence."""

    def said(self) -> dict[str, object]:
        """The fields of the manifest that were chosen."""
        chosen = {"name": self.name, "family": self.family, "label": self.label, "version": self.version}
        return {key: value for key, value in chosen.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is to become a pack; nothing of it has been read in full."""

    folder: Path
    files: Mapping[str, Path]
    """By the names that they get in the pack; the weights are converted where they are no safetensors."""
    ready: Manifest | None
    """The folder's own manifest: it is a pack already."""
    choices: Choices
    rules_from: Path | None = None
    """A copy of the published code, out of which the vocabulary's rules are read (worker.echoclip.template.rules)."""
    terms: Terms = field(init=False)
    """What has to be accepted."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", _terms(self))

    @property
    def is_changed(self) -> bool:
        """Whether it becomes another pack than it is."""
        if self.ready is None or self.choices.said() or self.rules_from is not None:
            return True
        return any(path.parent != self.folder for path in self.files.values())

    def manifest_for(self, digests: Mapping[str, str]) -> Manifest:
        """The manifest of the pack that is made from it, of files with these digests.

        Raises
        ------
        ModelPackError
            What was chosen, or follows from the folder's name, is not as a manifest has it; the message names the
            option.
        """
        licence = {"name": self.terms.name, "file": self._licence_file}
        if self.ready is not None:
            fields = {**dict(self.ready), "licence": licence, **self.choices.said(), "files": digests}
        else:
            name = self.choices.name or self.folder.name
            fields = {
                "format": 1,
                "name": name,
                "version": f"weights {digests[WEIGHTS][:12]}",
                "family": slug(name),
                "label": ModelLabel.RESEARCH,
                "licence": licence,
                **self.choices.said(),
                "files": digests,
            }
        self._require_options(fields)
        return valid_manifest(fields, self.folder / MANIFEST)

    def _require_options(self, fields: Mapping[str, object]) -> None:
        """Before the manifest is validated: the operator has not written one, and knows the options."""
        for option, (pattern, what) in _OPTIONS.items():
            value = str(fields[option])
            if re.fullmatch(pattern, value):
                continue
            if option in self.choices.said():
                raise ModelPackError(f"--{option} {value!r}: must be {what}")
            raise ModelPackError(f"{self.folder}: its {option} would be {value!r}, and must be {what}: give --{option}")

    @property
    def _licence_file(self) -> str | None:
        own = self.ready.licence.file if self.ready is not None else None
        return own or (LICENCE if LICENCE in self.files else None)


def look_at_source(folder: Path, choices: Choices) -> Source:
    """Find the files of a pack that is to be, and its terms.

    Raises
    ------
    ModelPackError
        The folder is neither a pack nor a download of open_clip's files, or a download whose licence is not known; or
        an option is not as a pack has it.
    """
    if not folder.is_dir():
        raise ModelPackError(f"{folder}: no such folder")
    folder = folder.resolve()
    ready = read_manifest(folder)[0] if (folder / MANIFEST).is_file() else None
    files = {name: folder / name for name in ready.files} if ready is not None else _downloaded(folder)
    for path in choices.also:
        files |= _also(path)
    if choices.licence is not None:
        files[ready.licence.file if ready is not None and ready.licence.file else LICENCE] = choices.licence
    with_code = (each for each in (*choices.also, *([] if ready else [folder])) if _has_published_code(each))
    rules_from = None if RULES in files else next(with_code, None)
    source = Source(folder=folder, files=files, ready=ready, choices=choices, rules_from=rules_from)
    _require_no_more_trust(source)
    source.manifest_for(dict.fromkeys(files, "0" * 64))  # a wrong option is said before a licence is read
    return source


def require_undamaged(source: Source) -> None:
    """Of a pack that is one already: that its files are those of its manifest, before it gets another one.

    Raises
    ------
    ModelPackError
        One of them is not.
    """
    for name, promised in (source.ready.files if source.ready is not None else {}).items():
        own = source.folder / name
        if sha256_of(own) != promised:
            raise ModelPackError(f"model pack: {own} is not the file that its manifest names; fetch it again")


def _require_no_more_trust(source: Source) -> None:
    """What has learned nothing of patients does not learn it by being called otherwise."""
    own, chosen = source.ready.label if source.ready is not None else None, source.choices.label
    if own in (ModelLabel.UNTRAINED, ModelLabel.DEMO) and chosen is not None and chosen.trust > own.trust:
        raise ModelPackError(
            f"--label {chosen}: {source.folder} is a pack labelled {own}, of a model that knows no patients"
        )


def _downloaded(folder: Path) -> dict[str, Path]:
    if not (folder / CONFIGURATION).is_file():
        raise ModelPackError(
            f"{folder}: has neither {MANIFEST}, as a pack, nor {CONFIGURATION}, as a download of an open_clip model"
        )
    weights = next((folder / name for name in DOWNLOADED_WEIGHTS if (folder / name).is_file()), None)
    if weights is None:
        raise ModelPackError(f"{folder}: has no weights, as one of {', '.join(DOWNLOADED_WEIGHTS)}")
    return {CONFIGURATION: folder / CONFIGURATION, WEIGHTS: weights, **_optional(folder)}


def _also(path: Path) -> dict[str, Path]:
    if path.is_dir():
        found = _optional(path)
        if not found:
            raise ModelPackError(f"{path}: has none of {', '.join(OPTIONAL)}, nor a licence")
        return found
    if path.name in (*OPTIONAL, LICENCE):
        return {path.name: path}
    raise ModelPackError(f"{path}: not one of {', '.join(OPTIONAL)}")


def _has_published_code(folder: Path) -> bool:
    return all((folder / name).is_file() for name in (VOCABULARY, CLEANING_CODE, TOKENIZER_CODE))


def _optional(folder: Path) -> dict[str, Path]:
    found = {name: folder / name for name in OPTIONAL if (folder / name).is_file()}
    licences = sorted(path for pattern in LICENCE_PATTERNS for path in folder.glob(pattern) if path.is_file())
    return found | ({LICENCE: licences[0]} if licences else {})


def _terms(source: Source) -> Terms:
    family = source.choices.family or (source.ready.family if source.ready is not None else None)
    known = KNOWN_TERMS.get(family or slug(source.choices.name or source.folder.name))
    name = source.ready.licence.name if source.ready is not None else known.name if known is not None else None
    if (file := source.files.get(source._licence_file or "")) is not None:
        text = licence_text(file)
        is_known = name is not None and (source.ready is not None or name.lower() in text.lower())
        return Terms(name=name if is_known and name is not None else _title(text), text=text)
    if name is None:
        raise ModelPackError(
            f"{source.folder}: nothing says under which licence this model may be used; "
            "give its text: --licence FILE (write one, where the model is your own)"
        )
    return Terms(name=name, summary=known.summary if known is not None else None)


def _title(text: str) -> str:
    """A licence's own title: its first line with a word in it."""
    first = next((line for line in text.splitlines() if any(map(str.isalpha, line))), "licence without a title")
    return first.strip("# \t\r")[:128]
