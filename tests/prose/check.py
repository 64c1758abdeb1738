#!/usr/bin/env python3
"""Checks the words that people read: README, docs, the texts of `--help`, the help of metrics.

    tests/prose/check.py          prints FILE:LINE: what is wrong, and ends with 1 if anything is
    tests/prose/check.py --wrap   wraps paragraphs that are too wide, in place

Rules: no sentence over 35 words, no line over 110 columns outside of code and tables, no word that the vocabulary replaced
(ARCHITECTURE.md opens with the words that stand instead), no link to a file or heading that is not there.
"""

import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORDS_MAX = 35
COLUMNS_MAX = 110

# What is not said any more, and what is said instead.
BANNED = {
    r"witness(es)?": "source",
    r"testimon(y|ies)": "reading",
    r"sightings?": "reading",
    r"brakes?": "hold",
    r"held back": "held",
    r"world in memory": "embedded simulation",
    r"(a|the|AWS) stand-ins?": "AWS emulator",
    r"how manieth": "number",
    r"there is none": "none exists",
    r"is no news": "is not newer",
    r"mended": "fixed",
    r"in hand": "in progress",
    r"let go of": "released",
    r"goes round": "runs a pass",
    r"nobody has said": "no event yet",
    r"nudged?": "woken",
    r"points? at it should": "desired target",
    r"hand-over": "takeover",
}
BANNED = [(re.compile(rf"\b{words}\b", re.IGNORECASE), instead) for words, instead in BANNED.items()]

FENCE = re.compile(r"^\s*(```|~~~)")
LIST = re.compile(r"^(\s*)([-*]|\d+\.)\s+")
CODE = re.compile(r"`[^`]*`")
LINK = re.compile(r"\]\([^)]*\)")
# A colon or semicolon ends what has to be understood at once, as a full stop does; not the one of "e.g." or after one letter.
END = re.compile(r"(?<!\.[a-z])[.!?](?=(?:\*\*|[)\"])?(?:\s+[A-Z0-9`\"(*]|\s*$))|[:;·](?=\s)")


def plain(text):
    """The text as it is read: code is one word, a link is its words."""
    return LINK.sub("]", CODE.sub("Code", text))


def sentences(text):
    return [part.strip() for part in END.split(plain(text)) if part.strip()]


def wrong_words(text):
    """What is wrong with a piece of text, as messages."""
    found = []
    for pattern, instead in BANNED:
        said = pattern.search(plain(text))
        if said:
            found.append(f'"{said.group()}" is replaced by "{instead}" (vocabulary)')
    for sentence in sentences(text):
        count = len(sentence.split())
        if count > WORDS_MAX:
            found.append(f'a sentence of {count} words, {WORDS_MAX} at most: "{" ".join(sentence.split()[:8])} ..."')
    return found


def blocks(lines):
    """Paragraphs and list items as (first line's number, lines); tables, code and headings apart, as (number, None)."""
    block, start, fenced = [], 0, False
    for number, line in enumerate(lines, 1):
        fence = FENCE.match(line)
        apart = fenced or fence or not line.strip() or line.lstrip().startswith(("|", "#", "<"))
        if block and (apart or LIST.match(line)):
            yield start, block
            block = []
        if fence:
            fenced = not fenced
        if not apart:
            start = start if block else number
            block.append(line)
    if block:
        yield start, block


def cells(lines):
    """The cells of tables, each with its line's number."""
    fenced = False
    for number, line in enumerate(lines, 1):
        fenced ^= bool(FENCE.match(line))
        if not fenced and line.lstrip().startswith("|"):
            yield from ((number, cell) for cell in line.strip().strip("|").split(" | "))


def check_markdown(text):
    """The findings of a document, as (line, message)."""
    lines = text.splitlines()
    found = []
    for start, block in blocks(lines):
        found += [(start, message) for message in wrong_words(LIST.sub("", " ".join(block)))]
        found += [
            (number, f"{len(line)} columns, {COLUMNS_MAX} at most (tests/prose/check.py --wrap)")
            for number, line in enumerate(block, start)
            if len(line) > COLUMNS_MAX and len(line.split()) > 1 and len(max(line.split(), key=len)) < COLUMNS_MAX
        ]
    for number, cell in cells(lines):
        found += [(number, message) for message in wrong_words(cell)]
    return found


def wrapped(text):
    """The document with its wide paragraphs wrapped."""
    lines = text.splitlines()
    for start, block in reversed(list(blocks(lines))):
        if max(map(len, block)) <= COLUMNS_MAX:
            continue
        item = LIST.match(block[0])
        indent = " " * (len(item.group()) if item else len(block[0]) - len(block[0].lstrip()))
        whole = " ".join(line.strip() for line in block)
        first = block[0][: len(block[0]) - len(block[0].lstrip())]
        new = textwrap.wrap(whole, COLUMNS_MAX, initial_indent=first, subsequent_indent=indent,
                            break_long_words=False, break_on_hyphens=False)
        lines[start - 1 : start - 1 + len(block)] = new
    return "\n".join(lines) + "\n"


def anchors(text):
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(path, text):
    """Links to files or headings that are not there, as (line, message)."""
    found = []
    for link in re.finditer(r"\]\(([^)\s]+)\)", text):
        target, _, anchor = link.group(1).partition("#")
        if "://" in target:
            continue
        number = text.count("\n", 0, link.start()) + 1
        file = (path.parent / target).resolve() if target else path
        if not file.exists():
            found.append((number, f"no such file: {target}"))
        elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text()):
            found.append((number, f"no such heading: {link.group(1)}"))
    return found


def doc_comments(text):
    """The `///` comments of a Rust file, as (line, paragraph)."""
    block, start = [], 0
    for number, line in enumerate([*text.splitlines(), ""], 1):
        comment = re.match(r"\s*/// ?(.*)", line)
        if comment and comment.group(1):
            start = start if block else number
            block.append(comment.group(1))
        elif block:
            yield start, " ".join(block)
            block = []


def documents():
    # The log of changes quotes old names, and the documents of measurements keep what was printed.
    yield ROOT / "README.md"
    yield ROOT / "ARCHITECTURE.md"
    yield from sorted((ROOT / "docs").glob("*.md"))


def findings():
    for path in documents():
        yield from ((path, number, message) for number, message in check_markdown(path.read_text()))
    for path in [*documents(), *sorted((ROOT / "docs/lab").glob("*.md")), ROOT / "CHANGELOG.md"]:
        yield from ((path, number, message) for number, message in broken_links(path, path.read_text()))
    for path in helps():
        for number, paragraph in doc_comments(path.read_text()):
            yield from ((path, number, message) for message in wrong_words(paragraph))


def helps():
    """The files whose doc comments are shown: by `--help`, and by /metrics."""
    yield ROOT / "src/cli/args.rs"
    yield from sorted((ROOT / "src/cli/args").glob("*.rs"))
    yield ROOT / "crates/engine/src/telemetry/measure/metrics.rs"


def main():
    if sys.argv[1:] == ["--wrap"]:
        for path in documents():
            path.write_text(wrapped(path.read_text()))
        return
    count = 0
    for path, number, message in findings():
        print(f"{path.relative_to(ROOT)}:{number}: {message}")
        count += 1
    sys.exit(f"prose: {count} findings" if count else 0)


if __name__ == "__main__":
    main()
