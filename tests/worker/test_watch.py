"""Time limits of a process, in processes of their own: the hard one ends what it watches."""

import subprocess
import sys
import textwrap
from pathlib import Path

WATCHED = """
import sys, threading, time
from worker.watch import Watch

watch = Watch(open(sys.argv[1], "w"))

def hangs(hard_s):
    with watch.limited("deliver", hard_s=hard_s):
        threading.Event().wait()
"""


def run(tmp_path: Path, code: str) -> tuple[int, str, str]:
    """The exit status of a process with this code, what it said, and the traceback that it left."""
    traceback = tmp_path / "traceback"
    command = [sys.executable, "-c", WATCHED + textwrap.dedent(code), str(traceback)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    return ended.returncode, ended.stdout + ended.stderr, traceback.read_text()


def test_of_several_that_run_side_by_side_the_first_whose_time_is_up_ends_the_process(tmp_path: Path) -> None:
    status, _, traceback = run(
        tmp_path,
        """
        for hard_s in (600, 1, 600):
            threading.Thread(target=hangs, args=[hard_s], daemon=True).start()
        threading.Event().wait()
        """,
    )
    assert status == 1
    assert traceback.startswith("Timeout (0:00:0")
    assert traceback.count(" in hangs") == 3, "what every thread was doing"


def test_what_ends_in_time_is_not_watched_any_more_and_a_nested_limit_leaves_the_outer_one(tmp_path: Path) -> None:
    status, said, traceback = run(
        tmp_path,
        """
        with watch.limited("one", hard_s=1, soft_s=0.9):
            pass
        time.sleep(1.5)
        print("lives", flush=True)
        with watch.limited("outer", hard_s=1):
            with watch.limited("inner", hard_s=600):
                pass
            threading.Event().wait()
        """,
    )
    assert (status, said) == (1, "lives\n")
    assert "Timeout" in traceback


def test_a_soft_limit_is_an_error_that_names_its_setting(tmp_path: Path) -> None:
    status, said, traceback = run(
        tmp_path,
        """
        try:
            with watch.limited("score", hard_s=600, soft_s=0.2):
                threading.Event().wait()
        except Exception as error:
            print(type(error).__name__, error)
        """,
    )
    assert (status, traceback) == (0, "")
    assert said == "TimeLimitError score took longer than 0.2 s: it was broken off (time_limits.score.soft_s)\n"


def test_a_soft_limit_is_said_once_and_not_again_for_minutes(tmp_path: Path) -> None:
    """Whoever tidies up after it, or goes on with the other studies of a batch, is left to do so."""
    status, said, traceback = run(
        tmp_path,
        """
        times = 0
        with watch.limited("score", hard_s=600, soft_s=0.2):
            until = time.monotonic() + 5
            while time.monotonic() < until:
                try:
                    threading.Event().wait(0.05)
                except Exception:
                    times += 1
        print(times)
        """,
    )
    assert (status, said, traceback) == (0, "1\n", "")


def test_whoever_goes_on_without_what_a_soft_limit_broke_off_is_told_once_more(tmp_path: Path) -> None:
    status, said, traceback = run(
        tmp_path,
        """
        import worker.watch
        worker.watch.SAID_AGAIN_EVERY_S = 0.5
        times = 0
        try:
            with watch.limited("score", hard_s=600, soft_s=0.2):
                try:
                    threading.Event().wait()
                except Exception:
                    times += 1
                threading.Event().wait()
        except Exception:
            times += 1
        print(times)
        """,
    )
    assert (status, said, traceback) == (0, "2\n", "")
