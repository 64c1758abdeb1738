"""Checks the Terraform modules and examples without Terraform; each line is a finding.

- Each file parses.
- Modules are what generate.py makes of the templates.
- Resources, their arguments and blocks are the AWS provider's (schema.json), and none that is required is missing.
- What a module passes to its template are the template's parameters, and all that have no default.
- A call of a module gives variables that it has and all that it requires; `var`, `local` and `module` references exist.

usage: check.py [FOLDER]
"""

import difflib
import json
import re
import sys
from pathlib import Path

import hcl2
from cfnlint.decode import decode

import generate

HERE = Path(__file__).resolve().parent
META = {"count", "for_each", "provider", "depends_on", "lifecycle", "connection", "provisioner"}
CALL_META = {"source", "version", "providers", "count", "for_each", "depends_on"}
SCHEMA = json.loads((HERE / "schema.json").read_text())["resources"]


def near(word, known):
    found = difflib.get_close_matches(word, known, 1)
    return f"; {found[0]} is meant?" if found else ""


def keys(block):
    return {key for key in block if not key.startswith("__")}


class Folder:
    """The files of one module or example, read together as Terraform does."""

    def __init__(self, path):
        self.path, self.faults, self.blocks, self.text = path, [], {}, ""
        for file in sorted(path.glob("*.tf")):
            text = file.read_text()
            self.text += text
            try:
                parsed = hcl2.loads(text)
            except Exception as error:  # Lark's errors have no common class of their own.
                self.faults.append(f"{file.name}: not HCL: {str(error).splitlines()[0]}")
                continue
            for kind, blocks in parsed.items():
                self.blocks.setdefault(kind, []).extend(blocks)

    def named(self, kind):
        return {name: body for block in self.blocks.get(kind, []) for name, body in block.items()}

    def locals(self):
        return {key: value for block in self.blocks.get("locals", []) for key, value in block.items()}

    def resources(self):
        for block in self.blocks.get("resource", []):
            for kind, named in block.items():
                for name, body in named.items():
                    yield kind, name, body

    def required(self):
        return {name for name, body in self.named("variable").items() if "default" not in body}


def arguments(place, body, known, extra=frozenset()):
    """The arguments of a block that the schema has not, and those that are missing."""
    for key in sorted(keys(body) - set(known) - extra):
        yield f"{place}: the provider knows no argument {key}{near(key, known)}"
    for key in sorted(key for key, one in known.items() if one["required"] and key not in body):
        yield f"{place}: {key} is required"
    for key in sorted(keys(body) & set(known)):
        for inner in body[key] if "block" in known[key] and isinstance(body[key], list) else []:
            if isinstance(inner, dict):
                yield from arguments(f"{place}.{key}", inner, known[key]["block"])


def resources(folder):
    for kind, name, body in folder.resources():
        if kind not in SCHEMA:
            yield f"{kind}.{name}: schema.json has no {kind}; add it to RESOURCES of schema.py and run that"
            continue
        yield from arguments(f"{kind}.{name}", body, SCHEMA[kind], META)
        if kind == "aws_cloudformation_stack":
            yield from parameters(folder, f"{kind}.{name}", body)


def parameters(folder, place, body):
    """What a stack gives to its template."""
    said = str((body.get("template_body") or [""])[0])
    found = re.search(r"path\.module\}?/([^\"']+\.yaml)", said)
    if not found or not (folder.path / found[1]).is_file():
        yield f"{place}: template_body names no template of this repository: {said}"
        return
    template, _ = decode(str((folder.path / found[1]).resolve()))
    [given] = folder.locals().get("parameters") or [{}]
    known = template["Parameters"]
    for key in sorted(keys(given) - set(known)):
        yield f"{place}: the template has no parameter {key}{near(key, known)}"
    for key in sorted(key for key, one in known.items() if "Default" not in one and key not in given):
        yield f"{place}: the template requires parameter {key}"


def calls(folder):
    """Calls of modules that are in this repository; those from elsewhere are a finding."""
    for name, body in folder.named("module").items():
        place, source = f"module.{name}", folder.path / str((body.get("source") or ["?"])[0])
        if not any(source.glob("*.tf")):
            yield f"{place}: source {(body.get('source') or ['?'])[0]} is no module of this repository"
            continue
        called = Folder(source)
        known = called.named("variable")
        for key in sorted(keys(body) - set(known) - CALL_META):
            yield f"{place}: the module has no variable {key}{near(key, known)}"
        for key in sorted(called.required() - keys(body)):
            yield f"{place}: variable {key} is required"
        for key in sorted(set(re.findall(rf"module\.{name}\.(\w+)", folder.text))):
            if key not in called.named("output"):
                yield f"{place}: the module has no output {key}{near(key, called.named('output'))}"


def references(folder):
    for kind, known in (("var", folder.named("variable")), ("local", folder.locals()), ("module", folder.named("module"))):
        for name in sorted(set(re.findall(rf"(?<![\w.]){kind}\.(\w+)", folder.text)) - keys(known)):
            yield f"{kind}.{name} is used and nowhere declared{near(name, known)}"


def findings(root=HERE):
    """Every finding below a folder, and how many folders were looked at."""
    folders = sorted({file.parent for file in root.rglob("*.tf")})
    found = []
    for path in folders:
        folder = Folder(path)
        lines = folder.faults or [*resources(folder), *calls(folder), *references(folder)]
        found += [f"{path.relative_to(root)}: {line}" for line in lines]
    if root == HERE:
        found += [f"{path}: not what the template comes to; run generate.py" for path in generate.stale()]
    return found, len(folders)


def main():
    root = Path(sys.argv[1]).resolve() if sys.argv[1:] else HERE
    found, looked = findings(root)
    for line in found:
        print(line)
    sys.exit(1 if found or not looked else 0)


if __name__ == "__main__":
    main()
