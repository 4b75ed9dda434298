"""Other TAXII servers from PyPI."""


def measure(name, driver, objects, folder):
    raise SystemExit(f"{name}: not known")
