"""Real calls that failed while all other tests ran: each is made once more, alone. ``python -m tests.again``

They have the time of phones, and on a busy machine a phone may come too late. Alone they must pass, with the
same bounds; and nothing but real calls is tried again, nor many.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import LIVE

ROOT = Path(__file__).resolve().parents[1]
FAILED = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"
MOST = 6


def main() -> int:
    """The exit code: 0 if all that failed were real calls, few, and pass alone."""
    failed = sorted(json.loads(FAILED.read_text())) if FAILED.exists() else []
    others = [name for name in failed if not name.startswith(LIVE)]
    if not failed or others or len(failed) > MOST:
        return 1
    print(
        f"{len(failed)} real calls failed beside all else, and are made once more, alone:",
        *failed,
        sep="\n  ",
    )
    return subprocess.run([sys.executable, "-m", "pytest", *failed], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
