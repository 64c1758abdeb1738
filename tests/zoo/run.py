#!/usr/bin/env python3
"""The bug zoo: makes one mistake at a time in the program, and requires that the tests catch it.

    tests/zoo/run.py            every patch of this folder
    tests/zoo/run.py NAME...    those called so, without `.patch`

A patch is `git diff` of one planted bug. Lines above the diff say what the bug is, and one of them names the test:

    Caught-by: [NAME=VALUE ...] arguments of `cargo test`

The patches are applied to a copy of the tracked files under target/zoo, one after another, never to the working tree.
A patch that does not apply, or does not compile, or whose test passes makes the exit code 1. So does a command that
takes more than ten minutes: nobody knows then whether its test would fail.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATCHES = ROOT / "tests" / "zoo"
COPY = ROOT / "target" / "zoo" / "src"
TARGET = ROOT / "target" / "zoo" / "target"
SECONDS_MAX = 600
CARGO = shlex.split(os.environ.get("CARGO", "cargo"))


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
    # The copy lies inside the repository. `git apply` must not find that, or it takes the paths from its top and
    # passes over those that are not below the copy.
    command = ["git", "apply", *options, str(patch)]
    environment = dict(os.environ, GIT_CEILING_DIRECTORIES=str(COPY.parent))
    done = subprocess.run(command, cwd=COPY, env=environment, stderr=subprocess.PIPE, text=True)
    return done.stderr.strip() if done.returncode else None


def touch(patch):
    """Gives the patched files the time of now: cargo goes by times, and a second is a long time here."""
    for name in re.findall(r"^\+\+\+ b/(\S+)", patch.read_text(encoding="utf-8"), re.MULTILINE):
        os.utime(COPY / name)


def command_of(patch):
    """What stands behind `Caught-by:` above the diff."""
    header = patch.read_text(encoding="utf-8").split("\ndiff --git ")[0]
    found = re.search(r"^Caught-by: (.+)$", header, re.MULTILINE)
    return found[1].strip() if found else ""


def cargo_test(caught_by):
    """The exit code and the words of `cargo test`; no code where it took too long."""
    words = shlex.split(caught_by)
    settings = [word for word in words if re.match(r"[A-Z_]+=", word)]
    command = [*CARGO, "test", "--locked", *(word for word in words if word not in settings)]
    environment = dict(
        os.environ,
        CARGO_TARGET_DIR=str(TARGET),
        PROPTEST_DISABLE_FAILURE_PERSISTENCE="1",
        INSTA_UPDATE="no",
        **dict(setting.split("=", 1) for setting in settings),
    )
    words_of = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    # A group of its own: the test is cargo's child, and would go on without it.
    running = subprocess.Popen(command, cwd=COPY, env=environment, start_new_session=True, **words_of)
    try:
        said, _ = running.communicate(timeout=SECONDS_MAX)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        said, _ = running.communicate()
        return None, said
    return running.returncode, said


def unfit(command):
    """Why a test says nothing about a bug: it does not pass without any, or is none."""
    code, said = cargo_test(command)
    if code is None:
        return f"takes more than {SECONDS_MAX} s without any bug"
    if re.search(r"no test target named|did not match any packages", said):
        return f"names a test binary that does not exist:\n{said}"
    if code:
        return f"fails without any bug:\n{said}"
    if not re.search(r"^test result: ok\. [1-9]", said, re.MULTILINE):
        return "names a test that does not exist"
    return None


def unfit_commands(patches):
    """What stands behind `Caught-by:` and could not catch a bug, each with the patches that name it."""
    names = {}
    for patch in patches:
        names.setdefault(command_of(patch), []).append(patch.name)
    names.pop("", None)
    found = ((command, unfit(command)) for command in sorted(names))
    return [f"{', '.join(names[command])}: cargo test {command}\n  {why}" for command, why in found if why]


def judge(patch):
    """The result in the patch's row of the table, and what there is to say about it."""
    caught_by = command_of(patch)
    if not caught_by:
        return "NO TEST", "the header has no line `Caught-by: ...`"
    refused = apply(patch)
    if refused:
        return "DOES NOT APPLY", refused
    touch(patch)
    code, said = cargo_test(caught_by)
    apply(patch, "--reverse")
    touch(patch)
    failed = re.findall(r"^test (\S+).* \.\.\. FAILED$", said, re.MULTILINE)
    if code is None:
        return "TOO LONG", f"more than {SECONDS_MAX} s: cargo test {caught_by}"
    if code and failed:
        return "caught", f"{len(failed)} failed, the first {failed[0]}"
    if code:
        return "NOT CAUGHT", f"nothing ran: cargo test {caught_by}\n{said}"
    return "NOT CAUGHT", f"passes: cargo test {caught_by}"


def main():
    patches = chosen(sys.argv[1:])
    copy_of_the_tree()
    unfit_ones = unfit_commands(patches)
    if unfit_ones:
        sys.exit("\n".join(["zoo: these tests cannot catch a bug:", *unfit_ones]))
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
    print(f"\nzoo: {len(table)} bugs, {len(table) - len(missed)} caught, not caught: {', '.join(missed) or 'none'}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
