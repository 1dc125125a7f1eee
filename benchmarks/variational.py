"""All measurements of the variational methods; the last line is one JSON object.

Each section is a script of its own, run in a process of its own so that peak memory is its
own, and prints its figures as JSON in its last line.
"""

import json
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Run every `variational_*.py` and print what they found, keys together."""
    found: dict[str, float] = {}
    for section in sorted(Path(__file__).parent.glob("variational_*.py")):
        print(f"--- {section.name}", flush=True)
        command = [sys.executable, str(section)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        *text, last = done.stdout.rstrip().splitlines()
        print("\n".join(text), flush=True)
        found |= json.loads(last)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
