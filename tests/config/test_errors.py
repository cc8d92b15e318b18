"""The tree of errors is all in one place, and is drawn as it is."""

import re

import config.catalogue  # noqa: F401  whatever errors it might define are then known
from config import errors
from config.errors import EchoWorkerError


def below(error: type[EchoWorkerError]) -> list[type[EchoWorkerError]]:
    return [each for child in error.__subclasses__() for each in (child, *below(child))]


def test_every_error_of_config_is_in_the_tree_that_is_drawn() -> None:
    drawn: list[tuple[str, str]] = []
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"^ {4}([│├└─ ]*)(\w+Error)\b", line):
            branches, name = found.groups()
            above[len(branches) // 4 :] = [name]
            drawn.append((name, above[-2] if len(above) > 1 else "Exception"))
    ours = [error for error in (EchoWorkerError, *below(EchoWorkerError)) if error.__module__.startswith("config.")]
    assert {error.__module__ for error in ours} == {"config.errors"}
    assert sorted(drawn) == sorted((error.__name__, error.__base__.__name__) for error in ours if error.__base__)
