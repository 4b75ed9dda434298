"""What was measured, on what: without the machine's name and its paths."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from servers import nginx_version


def about(repository, chosen):
    """Date, versions and machine."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "entente": _told(repository, "git", "describe", "--always", "--dirty", "--abbrev=12"),
        "nginx": nginx_version(chosen.nginx),
        "rustc": _told(repository, "rustc", "--version"),
        "kernel": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "processor": _field("/proc/cpuinfo", r"model name\s*:\s*(.+)"),
        "processors": os.cpu_count(),
        "memory_gib": int(_field("/proc/meminfo", r"MemTotal:\s*(\d+)")) / 2**20,
        "load_before": os.getloadavg()[0],
        "rounds": chosen.rounds,
        "pushes": chosen.pushes,
        "seconds": chosen.seconds,
    }


def _told(folder, *command):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.stdout.strip() or "?"


def _field(file, pattern):
    found = re.search(pattern, Path(file).read_text())
    return found[1] if found else "0"
