"""What was measured, on what: without the machine's name and its paths."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from servers import nginx_version

# File systems that are in memory.
NO_DISK = ("tmpfs", "ramfs")


def about(repository, chosen, load_before):
    """Date, versions and machine."""
    commit = _told(repository, "git", "describe", "--always", "--dirty", "--abbrev=12")
    rustc = _told(repository, "rustc", "--version")
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        # Of a program that was given, nobody knows the commit.
        "entente": "a program that was given" if chosen.entente else f"{commit}, {rustc}, release build",
        "harness": commit,
        "nginx": f"{nginx_version(chosen.nginx)}, {chosen.nginx_origin}",
        "kernel": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "processor": _field("/proc/cpuinfo", r"model name\s*:\s*(.+)"),
        "processors": os.cpu_count(),
        "memory_gib": int(_field("/proc/meminfo", r"MemTotal:\s*(\d+)")) / 2**20,
        "file_system": file_system(chosen.folder),
        "load_before": load_before,
        "rounds": chosen.rounds,
        "pushes": chosen.pushes,
        "seconds": chosen.seconds,
    }


def file_system(folder):
    """The kind of file system that a folder is on."""
    return _told(folder, "df", "--output=fstype", ".").split()[-1]


def _told(folder, *command):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.stdout.strip() or "?"


def _field(file, pattern):
    found = re.search(pattern, Path(file).read_text())
    return found[1] if found else "0"
