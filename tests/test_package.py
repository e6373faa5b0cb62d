"""What is installed."""

from configparser import ConfigParser

import darkparse
from conftest import ROOT


def test_every_package_is_installed() -> None:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    folders = {".".join(path.parent.relative_to(ROOT).parts) for path in ROOT.glob("darkparse/**/__init__.py")}
    assert folders <= set(config["options"]["packages"].split())


def test_every_name_can_be_imported() -> None:
    assert all(hasattr(darkparse, name) for name in darkparse.__all__)
    assert callable(darkparse.train)  # no module has taken its place
