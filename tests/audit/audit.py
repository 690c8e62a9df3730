"""Let Lighthouse look at each page of the site, as a slow phone loads it: 'make audit'.

It prints a row for each page, with the points of 100 in each category and what they are made of,
and ends with status 1 where one is below 95. Performance is simulated, and so depends little on the
machine; on a busy one the time that blocks may be longer than it is.

    python tests/audit/audit.py FOLDER [WORD...]    only pages with one of the words in their names
"""

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

LIGHTHOUSE = Path(__file__).with_name("node_modules") / "lighthouse" / "cli" / "index.js"
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
PARTS = {
    "first-contentful-paint": "first words",
    "largest-contentful-paint": "largest part",
    "total-blocking-time": "blocked",
    "cumulative-layout-shift": "shift",
}
LEAST = 95
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class Quiet(SimpleHTTPRequestHandler):
    """A server that says nothing of each request."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def audit(address: str, browser: str) -> tuple[list[int], list[str]]:
    """Return the points of a page in each category, and the parts of its performance."""
    command = ["node", str(LIGHTHOUSE), address, "--quiet", "--output=json"]
    command += ["--chrome-flags=--headless=new --no-sandbox"]
    command += [f"--only-categories={','.join(CATEGORIES)}"]
    environment = os.environ | {"CHROME_PATH": browser}
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(run.stdout)
    points = [round(100 * (found["categories"][one]["score"] or 0)) for one in CATEGORIES]
    return points, [found["audits"][one].get("displayValue", "?") for one in PARTS]


def pages_in(folder: Path, words: list[str]) -> list[str]:
    """Return the pages of the site, without the one page for reading off line."""
    one = {path.with_suffix(".html").name for path in folder.glob("*.org")}
    names = sorted(path.name for path in folder.glob("*.html") if path.name not in one)
    return [name for name in names if not words or any(word in name for word in words)]


def main(folder: Path, words: list[str]) -> int:
    """Print the table; return 1 where a page has too few points, 2 where something is missing."""
    named = os.environ.get("CHROMIUM")
    browser = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if not browser or not shutil.which("node") or not LIGHTHOUSE.exists():
        print(
            "this needs Chromium (or CHROMIUM=/path/to/it), node, and npm ci --prefix tests/audit"
        )
        return 2
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    Thread(target=server.serve_forever, daemon=True).start()
    print(f"| page | {' | '.join((*CATEGORIES, *PARTS.values()))} |")
    print("|---" * (1 + len(CATEGORIES) + len(PARTS)) + "|")
    least = 100
    for name in pages_in(folder, words):
        points, parts = audit(f"http://127.0.0.1:{server.server_port}/{name}", browser)
        print(f"| {name} | {' | '.join((*map(str, points), *parts))} |", flush=True)
        least = min(least, *points)
    server.shutdown()
    return int(least < LEAST)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
