#!/usr/bin/env python3
"""Holds `entente validate` against three outside judges of STIX 2.1.

    cargo build --release
    python3 tests/differential/run.py [--entente PATH] [--sample N | --full] [--seed N]

The judges live in a virtual environment of their own, target/differential-venv. Where they and we
differ, disagreements.toml must say who is right and why; what it does not say fails the run.
"""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from environment import TARGET, python_with  # noqa: E402

SCHEMAS = "stix2validator/schemas-2.1"


def with_schemas(python):
    """Gives stix2-validator its JSON schemas.

    Release 3.3.1 was published without them and calls every object invalid. Release 3.2.0 has them,
    and they have changed in two places since (the list of disagreements knows both).
    """
    asked = [python, "-c", "import stix2validator as s; print(s.__path__[0])"]
    package = Path(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip())
    if (package.parent / SCHEMAS).is_dir():
        return
    folder = TARGET / "differential-schemas"
    fetch = [python, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
    subprocess.run([*fetch, "-r", HERE / "oasis-schemas.txt"], check=True)
    [wheel] = folder.glob("stix2_validator-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        members = [name for name in archive.namelist() if name.startswith(SCHEMAS + "/schemas/")]
        archive.extractall(folder, members)
    (folder / SCHEMAS).rename(package.parent / SCHEMAS)


def main():
    python = python_with("differential-venv", HERE / "requirements.txt")
    with_schemas(python)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    compare = [python, HERE / "compare.py", *sys.argv[1:]]
    return subprocess.run(compare, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
