#!/usr/bin/env python3
"""Takes the pictures of README with a headless Chromium: `docs/pictures.py PROGRAM` (`make pictures`).

docs/page.png is the page of `writerlink demo --serve`, docs/demo.png the last scene that `writerlink demo` tells.
"""

import html
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parent
SIZE_MAX = 150_000
LAST_SCENE = "A failover behind relays"


def chromium(url, to, width, height):
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if not program:
        sys.exit("pictures: no Chromium (Debian: apt-get install chromium)")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={width},{height}"]
    subprocess.run([program, *options, f"--screenshot={to}", url], check=True, capture_output=True, timeout=120)
    size = to.stat().st_size
    if not 1_000 < size <= SIZE_MAX:
        sys.exit(f"pictures: {to.name} has {size} bytes; a picture has 1,000 to {SIZE_MAX}")


def demo(program):
    told = subprocess.run([program, "demo", "--seed", "7"], check=True, capture_output=True, text=True).stdout
    before, scene = told.split(LAST_SCENE, 1)
    text = (before.rsplit("\n", 1)[1] + LAST_SCENE + scene).split("\n\n")[:2]
    text = "\n\n".join(text)
    page = f"""<!doctype html><meta charset="utf-8"><style>body {{ margin: 16px; background: #16191f; color: #d9dee7;
        font: 13px/1.45 "DejaVu Sans Mono", monospace; }}</style><pre>$ cargo run --release -- demo\n…\n{html.escape(text)}</pre>"""
    with tempfile.NamedTemporaryFile("w", suffix=".html") as file:
        file.write(page)
        file.flush()
        chromium(f"file://{file.name}", DOCS / "demo.png", 860, 330)


def page(program):
    serving = subprocess.Popen([program, "demo", "--seed", "7", "--serve", "127.0.0.1:0"], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    try:
        address = next(word for line in serving.stdout for word in line.split() if word.startswith("http://127.0.0.1:"))
        chromium(address.rstrip(".,;"), DOCS / "page.png", 1280, 900)
    finally:
        serving.terminate()
        serving.wait()


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    program = str(Path(sys.argv[1]).resolve())
    demo(program)
    page(program)


if __name__ == "__main__":
    main()
