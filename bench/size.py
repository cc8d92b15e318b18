"""What a study takes in the registry and in the spool: the figures that `echoworker size` reckons with.

    python -m bench.size [--studies N] [--clips FEW MANY]

Studies of copies of a real clip (SonoSite, 120 frames of 480 x 640) go through the product's own steps, with a
destination that takes every kind of object. What is of a study, and what of a clip, follows from studies of few clips
and of many. The model is UNTRAINED: what it says is nonsense, and takes as much room. SQLite; VACUUM before each look.
"""

import argparse
import os
import tempfile
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from sqlite3 import connect

from bench.installation import STEPS, Installation
from config.logs import configure_logs
from config.steps import Step
from dicom_node.header import header_alone
from worker.echoclip.untrained import make_untrained_pack

SITE = """
[[peers]]
name = "PACS"
ae_title = "PACS"
roles = ["destination"]
host = "127.0.0.1"
accept_models = ["UNTRAINED"]
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=4)
    parser.add_argument("--clips", type=int, nargs=2, default=(4, 12))
    arguments = parser.parse_args()
    configure_logs(process="bench")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "site.toml").write_text(SITE)
        os.environ["ECHOWORKER_CONFIG"] = str(Path(folder) / "site.toml")
        pack = make_untrained_pack(Path(folder) / "pack")
        installation = Installation.create(pack, Path(folder) / "data")
        sizes = [_registry_bytes(installation)]
        for clips in arguments.clips:
            for _ in range(arguments.studies):
                study = installation.receive(clips=clips)
                for step in (*STEPS, Step.REPORT):
                    installation.run(step, study)
            sizes.append(_registry_bytes(installation))
        few, many = ((after - before) / arguments.studies for before, after in pairwise(sizes))
        of_a_clip = (many - few) / (arguments.clips[1] - arguments.clips[0])
        print(f"registry: {few - arguments.clips[0] * of_a_clip:,.0f} bytes a study, {of_a_clip:,.0f} a clip")
        _print_spool(installation)


def _registry_bytes(installation: Installation) -> int:
    file = installation.context.settings.data_dir / "registry.sqlite3"
    with closing(connect(file)) as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return file.stat().st_size


def _print_spool(installation: Installation) -> None:
    root = installation.context.spool.root
    for name in ("reports", "heat", "embeddings", "studies"):
        files = sorted(path.stat().st_size for path in (root / name).rglob("*") if path.is_file())
        print(f"{name}: {len(files)} files, {files[0]:,} to {files[-1]:,} bytes, {sum(files):,} in all")
    instance = next(path for path in (root / "studies").rglob("*.dcm"))
    print(f"header of an instance: {len(header_alone(instance)):,} bytes")


if __name__ == "__main__":
    main()
