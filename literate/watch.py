"""Make a page again whenever its Org file is saved, and reload it in the browser.

This is the work behind 'python -m literate watch ORG HTML -- COMMAND...'.
"""

import subprocess
import threading
import time
from pathlib import Path

from livereload import Server
from livereload.handlers import LiveReloadHandler


def saved_at(path: Path) -> int:
    """Return when a file was last written, or 0 while an editor has it out of the way."""
    return path.stat().st_mtime_ns if path.exists() else 0


def make_at_each_save(org: Path, command: list[str], made: int) -> None:
    """Run a command whenever a file is newer or older than what was last made; never return."""
    while True:
        saved = saved_at(org)
        if saved not in (0, made):
            made = saved
            subprocess.run(command, check=False)
        time.sleep(0.2)


def watch_command(org: Path, page: Path, port: int, command: list[str]) -> int:
    """Serve a page, and run a command after each change of the Org file, until Ctrl-C."""
    made = saved_at(org)
    if subprocess.run(command, check=False).returncode != 0 and not page.exists():
        return 1
    threading.Thread(target=make_at_each_save, args=(org, command, made), daemon=True).start()
    LiveReloadHandler.DEFAULT_RELOAD_TIME = 0  # it would not show a second page within 3 seconds
    server = Server()
    server.watch(str(page))
    server.serve(port=port, root=str(page.absolute().parent), default_filename=page.name)
    return 0
