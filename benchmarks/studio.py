"""Times a drag in the studio, from the pointer event to the frame that shows the new picture.

    python benchmarks/studio.py --workdir=runs/quickstart

Starts the studio and a headless Chromium, drags a wrist back and forth with 60 movements per
second, and prints medians and 90th percentiles over the drawn pictures, in turns for one model and
for two.
"""

import argparse
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
READ = "() => performance.getEntriesByName('to picture').map((entry) => entry.duration)"


def drag(page: Page, seconds: float) -> list[float]:
    """Returns the milliseconds to each picture that was drawn during a drag."""
    page.evaluate("() => performance.clearMeasures()")
    dot = page.locator('#panes g.joint[aria-label^="right wrist,"] .dot').first.bounding_box()
    x, y = dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    start = time.monotonic()
    for i in range(int(60 * seconds)):
        page.mouse.move(x + 40 * np.sin(i / 9), y - 40 + 40 * np.cos(i / 9))
        time.sleep(max(0.0, start + i / 60 - time.monotonic()))
    page.mouse.up()
    page.wait_for_timeout(300)
    return page.evaluate(READ)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, ROOT / "launch/studio.py", f"--workdir={arguments.workdir}"]
    with (
        subprocess.Popen([*command, f"--port={port}"], stdout=subprocess.PIPE, text=True) as server,
        sync_playwright() as playwright,
    ):
        print(server.stdout.readline() + server.stdout.readline(), end="", flush=True)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"http://127.0.0.1:{port}/")
        page.wait_for_selector("html[data-ready]")
        choices = page.locator("#models input").evaluate_all("inputs => inputs.map(i => i.value)")
        times: dict[str, list[float]] = {choices[0]: [], choices[-1]: []}
        for turn in range(arguments.rounds + 1):
            for choice, taken in times.items():
                page.get_by_role("radio", name=choice).check()
                found = drag(page, 0.5 if turn == 0 else 2.0)
                taken += [] if turn == 0 else found  # The first turn warms up.
        browser.close()
        server.terminate()
    print(f"| {'picture':8} | pictures | median, ms | 90%, ms |\n| --- | ---: | ---: | ---: |")
    for choice, taken in times.items():
        median, most = np.percentile(taken, [50, 90])
        print(f"| {choice:8} | {len(taken):8} | {median:10.0f} | {most:7.0f} |")


if __name__ == "__main__":
    main()
