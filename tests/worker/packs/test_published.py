"""The published prompts are read as their file describes them; a mistake is named, and no prompt is quoted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ModelPackError
from tests.support.packs import PROMPTS
from worker.packs.published import read_published

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(["mode", "label_sources", "range", "values", "testers", "value_mapping"])


def write(folder: Path, content: object) -> Path:
    file = folder / "prompts_used.json"
    file.write_text(json.dumps(content))
    return file


def test_every_mode_is_read(tmp_path: Path) -> None:
    published = read_published(write(tmp_path, PROMPTS))
    assert published["pump_speed"].range == (2, 9)
    assert published["pump_speed"].prompts == ("SPEED OF THE PUMP: <#>. ", "PUMP AT <#>. ")
    assert published["pump"].prompts == ("PUMP 4CM DEEP. ", "PUMP. ")
    assert published["size"].values == (1, 2, 1)


def test_testers_stand_in_only_where_a_number_is_missing(tmp_path: Path) -> None:
    task = {"mode": "binary", "label_sources": ["A <#>", "B"], "testers": ["A 1", "another B"], "more": [1]}
    assert read_published(write(tmp_path, {"task": task}))["task"].prompts == ("A 1", "B")


@pytest.mark.parametrize(
    ("key", "edit", "fault"),
    [
        ("pump_speed", lambda t: t.pop("range"), "a regression needs range"),
        ("pump_speed", lambda t: t.update(range=[9, 9]), "a regression needs range"),
        ("pump_speed", lambda t: t["label_sources"].append("SECRET"), "must hold <#> exactly once"),
        ("pump_speed", lambda t: t["label_sources"].append("SECRET <#> <#>"), "must hold <#> exactly once"),
        ("pump", lambda t: t.pop("testers"), "needs testers"),
        ("pump", lambda t: t["testers"].pop(), "needs testers"),
        ("pump", lambda t: t.update(testers=["SECRET <#>", "B"]), "needs testers"),
        ("size", lambda t: t.pop("values"), "needs values"),
        ("size", lambda t: t["values"].pop(), "needs values"),
        ("size", lambda t: t.update(mode="ordinal"), "mode"),
        ("size", lambda t: t.update(label_sources=[]), "label_sources"),
    ],
)
def test_a_mistake_is_named_with_its_task(
    tmp_path: Path, key: str, edit: Callable[[dict[str, Any]], object], fault: str
) -> None:
    changed = json.loads(json.dumps(PROMPTS))
    edit(changed[key])
    with pytest.raises(ModelPackError, match=f"prompts_used.json: {key}.*{fault}") as raised:
        read_published(write(tmp_path, changed))
    assert "SECRET" not in str(raised.value)


@given(content=st.dictionaries(st.text(max_size=3), st.dictionaries(fields, json_values, max_size=6), max_size=3))
def test_whatever_the_file_holds_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: object
) -> None:
    file = write(tmp_path_factory.mktemp("prompts"), content)
    try:
        published = read_published(file)
    except ModelPackError:
        return
    assert all(task.prompts for task in published.values())
    assert not any(
        "<#>" in prompt for task in published.values() if task.mode != "regression" for prompt in task.prompts
    )


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"a": 1}'])
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "prompts_used.json").write_bytes(content)
    with pytest.raises(ModelPackError, match=r"prompts_used\.json: "):
        read_published(tmp_path / "prompts_used.json")
