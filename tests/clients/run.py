#!/usr/bin/env python3
"""Runs the suite of real TAXII clients against a real `entente`.

    cargo build --release && python3 tests/clients/run.py [--entente PATH] [pytest's options]

The clients live in a virtual environment of their own, target/clients-venv,
which is made on the first run and again whenever requirements.txt changes.
Everything on the command line goes to pytest; its exit code is ours.
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from environment import TARGET, python_with  # noqa: E402


def main():
    python = python_with("clients-venv", HERE / "requirements.txt")
    pytest = [python, "-m", "pytest", HERE, "--rootdir", HERE]
    tidily = [
        "-o",
        f"cache_dir={TARGET / 'clients-cache'}",
        "-o",
        "tmp_path_retention_policy=failed",
    ]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([*pytest, *tidily, *sys.argv[1:]], env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
