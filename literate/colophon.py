"""What footers and title pages say: when, on what and with what a post was run; where it is."""

import os
import re
from typing import NamedTuple

from literate.post import Post

LICENCES = (  # of what, its name, its address, the file that holds it
    ("Code", "MIT licence", "https://opensource.org/license/mit", "LICENSE"),
    (
        *("Prose and figures", "CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/"),
        "LICENSE-text",
    ),
)
NAMES = {"numpy": "NumPy", "matplotlib": "Matplotlib", "sklearn": "scikit-learn", "ax": "Ax"}


class Facts(NamedTuple):
    """The day of the newest run, the versions and the devices of all runs."""

    date: str  # YYYY-MM-DD, in UTC; empty where no transcript holds one
    versions: dict[str, str]  # by the name that one reads; two versions of one package are joined
    devices: tuple[str, ...]

    def __str__(self) -> str:
        """Return a line: 'Run on 2026-11-28 (device: cpu) with Python 3.11.7, torch 2.15.0'."""
        when = f" on {self.date}" if self.date else ""
        where = f" (device: {', '.join(self.devices)})" if self.devices else ""
        what = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return f"Run{when}{where}{f' with {what}' if what else ''}"


def facts_of(post: Post) -> Facts:
    """Return what the transcripts of a post's scripts say; Python comes first."""
    runs = post.runs.values()
    found: dict[str, set[str]] = {}
    for run in runs:
        for name, version in run.versions.items():
            found.setdefault(name, set()).add(version)
    names = sorted(found, key=lambda name: (name != "Python", name != "torch", name))
    versions = {NAMES.get(name, name): " and ".join(sorted(found[name])) for name in names}
    devices = tuple(sorted({run.device for run in runs}))
    return Facts(max((run.date for run in runs), default=""), versions, devices)


def address_in(variable: str) -> str:
    """Return the address that an environment variable holds, without a slash at its end.

    Raises ValueError for one that is not of the web.
    """
    address = os.environ.get(variable, "").strip()
    if address and not re.fullmatch(r"https?://[\w.-]+(?::\d+)?(?:/[\w.~-]*)*", address):
        raise ValueError(f"{variable} is {address!r}: it begins with https:// and names no place")
    return address.rstrip("/")
