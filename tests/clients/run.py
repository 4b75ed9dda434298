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
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent.parent / "target"
REQUIREMENTS = HERE / "requirements.txt"


def client_python():
    """The interpreter of the virtual environment, with exactly our requirements installed."""
    folder = TARGET / "clients-venv"
    python = folder / "bin" / "python"
    installed = folder / "installed"
    wanted = sys.version + "\n" + REQUIREMENTS.read_text()
    if not installed.is_file() or installed.read_text() != wanted:
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", REQUIREMENTS], check=True)
        installed.write_text(wanted)
    return python


def main():
    pytest = [client_python(), "-m", "pytest", HERE, "--rootdir", HERE]
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
