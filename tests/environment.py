"""Virtual environments for the Python suites, one each, under target/."""

import subprocess
import sys
import venv
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "target"


def python_with(name, requirements):
    """The interpreter of the environment target/NAME, with exactly these requirements installed.

    It is made on the first call and again whenever the requirements change.
    """
    folder = TARGET / name
    python = folder / "bin" / "python"
    installed = folder / "installed"
    wanted = sys.version + "\n" + requirements.read_text()
    if not installed.is_file() or installed.read_text() != wanted:
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True)
        installed.write_text(wanted)
    return python
