"""Writes the software bill of materials of the container's program: CycloneDX 1.6, from what Cargo.lock resolves to.

    sbom.py FILE [TARGET]

It holds what is compiled into the program, with the features and for the platform of the image: no test and no build
tool. The same commit gives the same bytes, so a bill can be compared with another. What the base image adds is listed by
its own maker; `docker buildx build --sbom=true` has both.
"""

import json
import subprocess
import sys
import tomllib
import uuid
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).resolve().parent.parent
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


def cargo_metadata(target):
    asked = ["cargo", "metadata", "--format-version", "1", "--locked", "--no-default-features", "--filter-platform", target]
    return json.loads(subprocess.run(asked, cwd=ROOT, check=True, capture_output=True).stdout)


def compiled_in(metadata):
    """Every package that the program links, with those it uses; by following normal dependencies from the root."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    uses, waiting = {}, [root]
    while waiting:
        package = waiting.pop()
        if package in uses:
            continue
        normal = [dep["pkg"] for dep in nodes[package]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
        uses[package] = sorted(normal)
        waiting += normal
    return root, uses


def of_crates_io(packages, root, uses):
    """The same without the other crates of this workspace: they are parts of the program, and what they use is its own."""
    ours = [id for id in uses if packages[id]["source"] is None]
    merged = {used for id in ours for used in uses[id]} - set(ours)
    return {root: sorted(merged)} | {id: used for id, used in uses.items() if id not in ours}


def checksums():
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    return {(package["name"], package["version"]): package.get("checksum") for package in lock["package"]}


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, checksum, kind):
    described = {"type": kind, "bom-ref": purl(package), "name": package["name"], "version": package["version"], "purl": purl(package)}
    if package.get("license"):
        # Old crates write MIT/Apache-2.0, which is no expression of SPDX.
        described["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if checksum:
        described["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return described


def main():
    path = Path(sys.argv[1])
    target = sys.argv[2] if len(sys.argv) > 2 else "x86_64-unknown-linux-gnu"
    metadata = cargo_metadata(target)
    packages = {package["id"]: package for package in metadata["packages"]}
    root, uses = compiled_in(metadata)
    uses = of_crates_io(packages, root, uses)
    sums = checksums()
    strangers = [packages[id]["name"] for id in uses if id != root and packages[id]["source"] != CRATES_IO]
    if strangers:
        sys.exit(f"sbom: {', '.join(strangers)}: not from crates.io, so a purl of pkg:cargo would name something else")

    def described(id, kind):
        package = packages[id]
        return component(package, sums[package["name"], package["version"]], kind)

    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": described(root, "application"),
            "properties": [{"name": "writerlink:target", "value": target}, {"name": "writerlink:features", "value": "none"}],
        },
        "components": sorted((described(id, "library") for id in uses if id != root), key=lambda part: part["bom-ref"]),
        "dependencies": [
            {"ref": purl(packages[id]), "dependsOn": [purl(packages[used]) for used in uses[id]]}
            for id in sorted(uses, key=lambda id: purl(packages[id]))
        ],
    }
    # A number that follows from the content instead of a random one.
    bom["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(bom, sort_keys=True))}"
    text = json.dumps(bom, indent=1) + "\n"
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if fault:
        sys.exit(f"sbom: {fault}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    print(f"sbom: {path}: {len(bom['components'])} crates, valid CycloneDX 1.6")


if __name__ == "__main__":
    main()
