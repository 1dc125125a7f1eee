"""Print what pyproject.toml asks for: build tools, dependencies and the given extras.

python scripts/requirements.py EXTRA,EXTRA [--without PACKAGE]
"""

import re
import sys
import tomllib
from pathlib import Path

tree = tomllib.loads(Path("pyproject.toml").read_text())
requirements = [*tree["build-system"]["requires"], *tree["project"]["dependencies"]]
for extra in sys.argv[1].split(","):
    requirements += tree["project"]["optional-dependencies"][extra]
# Found on most machines; the wheels serve where they are not.
requirements += ["cmake>=3.20", "ninja>=1.10"]
left_out = sys.argv[3] if "--without" in sys.argv else None
print("\n".join(line for line in requirements if re.split(r"[<>=]", line)[0] != left_out))
