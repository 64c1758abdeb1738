#!/usr/bin/env python3
"""The bug zoo: makes one mistake at a time in the program, and requires that the tests catch it.

    tests/zoo/run.py            every patch of this folder
    tests/zoo/run.py NAME...    those called so, without `.patch`

A patch is `git diff` of one planted bug. Lines above the diff say what the bug is, and one of them names the test:

    Caught-by: [NAME=VALUE ...] arguments of `cargo test`

The patches are applied to a copy of the tracked files under target/zoo, one after another, never to the working tree.
A patch that does not apply, or does not compile, or whose test passes makes the exit code 1.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATCHES = ROOT / "tests" / "zoo"
COPY = ROOT / "target" / "zoo" / "src"
TARGET = ROOT / "target" / "zoo" / "target"
CARGO = shlex.split(os.environ.get("CARGO", "cargo"))
# A run that never ends is what a person would notice: it counts as caught.
TIMEOUT_S = 1800


def chosen(names):
    """The patches that the command line names, else all."""
    patches = {path.stem: path for path in sorted(PATCHES.glob("*.patch"))}
    unknown = [name for name in names if name not in patches]
    if unknown or not patches:
        sys.exit(f"zoo: tests/zoo has no patch called {', '.join(unknown) or 'anything'}")
    return [patches[name] for name in names or patches]


def copy_of_the_tree():
    """A fresh copy of the tracked files as they are now. Files keep their times, so cargo rebuilds what changed."""
    shutil.rmtree(COPY, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        source, copy = ROOT / name, COPY / name
        # A file that is deleted and not committed yet is still tracked.
        if source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)


def apply(patch, *options):
    # GIT_DIR=/dev/null: the copy lies inside the repository, and `git apply` would look for the paths from its top.
    command = ["git", "apply", *options, str(patch)]
    environment = dict(os.environ, GIT_CEILING_DIRECTORIES=str(COPY.parent))
    done = subprocess.run(command, cwd=COPY, env=environment, stderr=subprocess.PIPE, text=True)
    return done.stderr.strip() if done.returncode else None


def touch(patch):
    """Gives the patched files the time of now: cargo goes by times, and a second is a long time here."""
    for name in re.findall(r"^\+\+\+ b/(\S+)", patch.read_text(encoding="utf-8"), re.MULTILINE):
        os.utime(COPY / name)


def cargo_test(arguments, environment):
    """The exit code and the words of `cargo test`; no exit code if it does not end."""
    command = [*CARGO, "test", "--locked", *arguments]
    environment = dict(
        os.environ,
        CARGO_TARGET_DIR=str(TARGET),
        PROPTEST_DISABLE_FAILURE_PERSISTENCE="1",
        INSTA_UPDATE="no",
        **environment,
    )
    running = {"cwd": COPY, "env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    try:
        done = subprocess.run(command, timeout=TIMEOUT_S, **running)
    except subprocess.TimeoutExpired:
        return None, ""
    return done.returncode, done.stdout


def judge(patch):
    """One word for the patch's row of the table, and what there is to say about it."""
    header = patch.read_text(encoding="utf-8").split("\ndiff --git ")[0]
    caught_by = re.search(r"^Caught-by: (.+)$", header, re.MULTILINE)
    if not caught_by:
        return "NO TEST", "the header has no line `Caught-by: ...`"
    words = shlex.split(caught_by[1])
    environment = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    arguments = [word for word in words if not re.match(r"[A-Z_]+=", word)]
    refused = apply(patch)
    if refused:
        return "DOES NOT APPLY", refused
    touch(patch)
    code, said = cargo_test(arguments, environment)
    apply(patch, "--reverse")
    touch(patch)
    failed = re.findall(r"^test (\S+).* \.\.\. FAILED$", said, re.MULTILINE)
    if code is None:
        return "caught", f"no end within {TIMEOUT_S} s"
    if code and failed:
        return "caught", f"{len(failed)} failed, the first {failed[0]}"
    if "error: could not compile" in said:
        return "NOT CAUGHT", "it does not compile:\n" + said
    if not code and not re.search(r"^test result: ok\. [1-9]", said, re.MULTILINE):
        return "NOT CAUGHT", f"no test is called so: cargo test {caught_by[1]}"
    return "NOT CAUGHT", f"cargo test {caught_by[1]}" + (f" failed without a failed test:\n{said}" if code else " passed")


def main():
    patches = chosen(sys.argv[1:])
    copy_of_the_tree()
    table = []
    for patch in patches:
        began = time.monotonic()
        table.append((patch.stem, *judge(patch)))
        print(f"{patch.stem}: {table[-1][1]} ({time.monotonic() - began:.0f} s): {table[-1][2]}", flush=True)
    width = max(len(name) for name, _, _ in table)
    print(f"\n{'bug':{width}}  result          how")
    for name, result, how in table:
        print(f"{name:{width}}  {result:14}  {how.splitlines()[0]}")
    missed = [name for name, result, _ in table if result != "caught"]
    print(f"\nzoo: {len(table)} bugs, {len(table) - len(missed)} caught" + (f"; not: {', '.join(missed)}" if missed else ""))
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
