"""A worker process, started as an installation starts it, whose steps do what a test wants."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from config.steps import Step
from tests.support.installation import ECHOWORKER

REPOSITORY = Path(__file__).parents[2]
_PUT_IN = "from worker.tasks import STEPS\nSTEPS.update({steps!r})\n"


@contextmanager
def scripted_worker(
    folder: Path, site: Path, module: str, steps: Mapping[Step, str], *, queues: str = "prepare"
) -> Iterator["subprocess.Popen[bytes]"]:
    """`echoworker worker` whose steps are functions of the module with this text; its log is `worker.log`.

    Stopped with the block, by SIGTERM, unless it has ended before.
    """
    scripts = folder / "scripts"
    scripts.mkdir(exist_ok=True)
    (scripts / "scripted.py").write_text(module)
    named = {step.value: f"scripted:{name}" for step, name in steps.items()}
    # Python runs this at its start, in each process that the worker starts as well.
    (scripts / "sitecustomize.py").write_text(_PUT_IN.format(steps=named))
    environment = {**os.environ, "PYTHONPATH": f"{scripts}:{REPOSITORY}"}
    command = [ECHOWORKER, "--config", str(site), "worker", "--queues", queues]
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)
