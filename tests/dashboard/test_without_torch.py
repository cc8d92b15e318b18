"""The dashboard is light: it starts without the model's libraries."""

import subprocess
import sys

import pytest


@pytest.mark.long
def test_the_dashboard_loads_no_torch() -> None:
    code = "import sys, dashboard.server; print([m for m in ('torch', 'open_clip', 'timm') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
