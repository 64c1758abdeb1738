"""Builds the container image with the engine that is there: docker (buildx), podman or buildah.

    image.py [--dry-run] [--push]

RUST_DIGEST and BASE_DIGEST (sha256:...) are the digests of the two images that infra/Dockerfile names; docs/deploy.md says how to
look them up. TAG (writerlink:dev unless set) names the image, PLATFORM its platform (this machine's unless set), and
ENGINE the engine if there are several. `--push` pushes it; with docker, a bill of materials and the provenance go with it.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE, IGNORED = "infra/Dockerfile", "infra/Dockerfile.dockerignore"
ENGINES = ["docker", "podman", "buildah"]
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def engine(asked):
    """The engine to use: the one that is asked for, or the first that is there."""
    if asked and asked not in ENGINES:
        sys.exit(f"image: ENGINE is {asked}; it is one of {', '.join(ENGINES)}")
    for name in [asked] if asked else ENGINES:
        if shutil.which(name):
            return name
    missing = asked or "docker, podman or buildah"
    sys.exit(f"image: there is no {missing} on this machine. Install one of them (Debian: apt-get install buildah); "
             "`make rootfs` shows without an engine that the program works in the image's file tree.")


def digests(variables):
    """The build arguments, each looked at before anything is built."""
    for name in ["RUST_DIGEST", "BASE_DIGEST"]:
        value = variables.get(name, "")
        if not DIGEST.fullmatch(value):
            sys.exit(f"image: {name} is {value or 'not set'}; write the digest of the image in {FILE}, sha256: and 64 hexadecimal "
                     "digits (docs/deploy.md says how to look it up)")
        yield from ["--build-arg", f"{name}={value}"]


def commands(name, variables, push):
    """What is run, in its order."""
    tag = variables.get("TAG") or "writerlink:dev"
    platform = variables.get("PLATFORM")
    common = ["--file", FILE, "--tag", tag, *digests(variables)]
    common += ["--platform", platform] if platform else []
    if name == "docker":
        # Attestations can only be pushed; the local store of an engine keeps none.
        more = ["--push", "--sbom=true", "--provenance=mode=max"] if push else ["--load"]
        return [[name, "buildx", "build", *common, *more, "."]]
    # The format of OCI has no HEALTHCHECK, and these two leave it out there.
    built = [[name, "build", "--format", "docker", "--ignorefile", IGNORED, *common, "."]]
    return built + ([[name, "push", tag]] if push else [])


def main():
    unknown = set(sys.argv[1:]) - {"--dry-run", "--push"}
    if unknown:
        sys.exit(__doc__)
    name = engine(os.environ.get("ENGINE"))
    for command in commands(name, os.environ, "--push" in sys.argv):
        print(shlex.join(command), flush=True)
        if "--dry-run" not in sys.argv:
            done = subprocess.run(command, cwd=ROOT, check=False)
            if done.returncode != 0:
                sys.exit(f"image: {name} ended with {done.returncode}; its own message is above")


if __name__ == "__main__":
    main()
