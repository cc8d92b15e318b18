"""Every setting, from the models and defaults.toml: docs/configuration.md.

What a setting means is what the string beneath its field says, or else what defaults.toml says beside it; its type and
its limits are those that it is checked by.
"""

import ast
import inspect
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from config.setting_mistakes import PREFIX
from config.settings import CONFIG_VARIABLE, DEFAULTS, Settings

HEAD = f"""\
# Settings

Generated: `echoworker settings docs > docs/configuration.md`.

A site's file (TOML; `--config FILE`, or `{CONFIG_VARIABLE}`) overrides what it names of `config/defaults.toml`, which
has every setting with its default. An environment variable overrides both; it has the name of the section and of the
setting, with two underscores between them. Lists and tables are JSON: `{PREFIX}PEERS='[{{"name": "PACS", ...}}]'`.
Settings are read at the start, and one that is unknown or not allowed stops it, with its name. Passwords and keys are
best kept in files that only the service can read: `password_file`, `key_file`, `bearer_token_file`.

`echoworker doctor` says where the settings come from. Sizes are in bytes, times in the unit that the name ends in: `_s`
seconds, `_h` hours, `_days` days.
"""
_KEY = re.compile(r"^(?:# )?(?P<key>\w+) = (?P<rest>.+)$")
_SECTION = re.compile(r"^(?:# )?(?P<brackets>\[{1,2})(?P<name>[\w.]+)\]{1,2}(?:\s+# ?(?P<said>.*))?$")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One key of a section."""

    key: str
    variable: str
    kind: str
    default: str
    meaning: str


def settings_reference() -> str:
    """The whole of it, as Markdown."""
    said, defaults = _comments(), tomllib.loads(DEFAULTS.read_text(encoding="utf-8"))
    parts = [HEAD, "## At the top\n", *_table([_data_dir()])]
    for name, model, is_list in sections():
        heading = f"`[[{name}]]`" if is_list else f"`[{name}]`"
        about = said.get((name, ""), "")
        parts += [f"## {heading}\n", f"{_sentence(about or _docstring(model))}\n"]
        if is_list:
            parts.append(f"As many entries as there are; as JSON in `{PREFIX}{name.upper()}`.\n")
        values: Mapping[str, Any] = {} if is_list else _section_of(defaults, name)
        parts += _table(settings_of(name, model, values, said, is_list=is_list))
    return "\n".join(parts).rstrip() + "\n"


def sections() -> Iterator[tuple[str, type[BaseModel], bool]]:
    """Every section by its name in TOML, its model, and whether it is a list of entries."""
    for name, field in Settings.model_fields.items():
        if name != "data_dir":
            yield from _with_those_inside(name, field)


def settings_of(
    section: str,
    model: type[BaseModel],
    defaults: Mapping[str, Any],
    said: Mapping[tuple[str, str], str],
    *,
    is_list: bool,
) -> list[Setting]:
    """The settings of one section, but for the sections inside it."""
    schema = model.model_json_schema()
    described = _field_docstrings(model)
    found = []
    for key, field in model.model_fields.items():
        if _model_in(field) is not None and not _is_value(section, key):
            continue
        comment, docstring = said.get((section, key), ""), described.get(key, "")
        found.append(
            Setting(
                key=key,
                variable="" if is_list else f"{PREFIX}{section.upper().replace('.', '__')}__{key.upper()}",
                kind=_kind(schema["properties"][key], schema.get("$defs", {})),
                default=_default(field, defaults, key),
                meaning=_sentence(docstring or comment),
            )
        )
    return found


def _is_value(section: str, key: str) -> bool:
    """Small tables that are written in one line, as a value."""
    return section == "time_limits" and key in ("prepare", "score", "report")


def _with_those_inside(name: str, field: FieldInfo) -> Iterator[tuple[str, type[BaseModel], bool]]:
    model = _model_in(field)
    if model is None:
        return
    is_list = model is not field.annotation
    yield name, model, is_list
    if not is_list:
        for key, inner in model.model_fields.items():
            if not _is_value(name, key):
                yield from _with_those_inside(f"{name}.{key}", inner)


def _model_in(field: FieldInfo) -> type[BaseModel] | None:
    """The model that a field is, or is a list of."""
    for each in (field.annotation, *get_args(field.annotation)):
        if inspect.isclass(each) and issubclass(each, BaseModel):
            return each
    return None


def _section_of(defaults: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    for part in name.split("."):
        defaults = defaults[part]
    return defaults


def _data_dir() -> Setting:
    return Setting(
        key="data_dir",
        variable=f"{PREFIX}DATA_DIR",
        kind="path",
        default="the user's data folder",
        meaning="Below it lie spool, registry, packs and all else (docs/operations.md); `--data` is stronger.",
    )


def _default(field: FieldInfo, defaults: Mapping[str, Any], key: str) -> str:
    if key in defaults:
        return f"`{json.dumps(defaults[key], ensure_ascii=False)}`"
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    values = list(value) if isinstance(value, tuple) else value
    return f"`{json.dumps(values, default=str, ensure_ascii=False)}`"


def _kind(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    """The type and its limits, from JSON schema."""
    if "$ref" in schema:
        return _kind(defs[schema["$ref"].rpartition("/")[2]], defs)
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(each, defs) for each in schema["anyOf"]))
    if schema.get("type") == "array":
        inner = schema.get("items") or {}
        return f"list of {_kind(inner, defs)}" if inner else "list"
    if schema.get("type") == "object":
        keys = ", ".join(f"`{name}`" for name in schema.get("properties", {}))
        return f"table: {keys}" if keys else "table"
    kind = {"integer": "integer", "number": "number", "boolean": "true or false", "string": "text"}[schema["type"]]
    kind = {"ipv4network": "network", "ipv6network": "network", "zoneinfo": "time zone"}.get(
        schema.get("format", ""), kind
    )
    return f"{kind}{_limits(schema)}"


def _limits(schema: Mapping[str, Any]) -> str:
    names = {
        "exclusiveMinimum": "> ",
        "minimum": "≥ ",
        "exclusiveMaximum": "< ",
        "maximum": "≤ ",
        "maxLength": "length ≤ ",
    }
    limits = [f"{sign}{schema[name]:g}" for name, sign in names.items() if name in schema]
    return f", {', '.join(limits)}" if limits else ""


def _table(settings: list[Setting]) -> Iterator[str]:
    yield (
        "| setting | type | default | environment | meaning |"
        if settings[0].variable
        else ("| setting | type | default | meaning |")
    )
    yield "|---|---|---|---|---|" if settings[0].variable else "|---|---|---|---|"
    for each in settings:
        cells = [
            f"`{each.key}`",
            each.kind,
            each.default,
            *([f"`{each.variable}`"] if each.variable else []),
            each.meaning,
        ]
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    text = text.replace("*", "\\*")
    if text[:1].isalpha() and not re.match(r"[\w-]+[.:_(]", text):  # a value, or the name of a setting, stays as it is
        text = text[0].upper() + text[1:]
    return text if not text or text.endswith((".", ":", "...")) else f"{text}."


@cache
def _comments() -> dict[tuple[str, str], str]:
    """What defaults.toml says beside a section (key empty) and beside each key, commented entries included."""
    said: dict[tuple[str, str], str] = {}
    section, last, above = "", ("", ""), list[str]()
    for line in DEFAULTS.read_text(encoding="utf-8").splitlines():
        if found := _SECTION.match(line):
            section, last = found["name"], (found["name"], "")
            said[last] = found["said"] or " ".join(above)
        elif found := _KEY.match(line):
            last = (section, found["key"])
            _, _, comment = (
                found["rest"].rpartition("  # ") if "  # " in found["rest"] else found["rest"].rpartition(" # ")
            )
            said[last] = comment.strip() if "# " in found["rest"] else ""
        elif re.match(r"^#?\s{8,}#", line):
            said[last] = f"{said.get(last, '')} {line.lstrip('# ').strip()}"
        above = [*above, line.removeprefix("# ")] if line.startswith("# ") and not _KEY.match(line) else []
    return said


def _docstring(model: type[BaseModel]) -> str:
    return (inspect.getdoc(model) or "").partition("\n\n")[0]


@cache
def _field_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The strings beneath the fields of a model and of those that it is made from."""
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if issubclass(cls, BaseModel) and cls is not BaseModel:
            body = ast.parse(inspect.getsource(cls)).body[0]
            assert isinstance(body, ast.ClassDef)  # noqa: S101  what a class is made of
            for field, after in zip(body.body, body.body[1:], strict=False):
                if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
                    continue
                if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                    found[field.target.id] = " ".join(str(after.value.value).split())
    return found
