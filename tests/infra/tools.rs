//! The checks of infra/ that look at no template, and `make image`: each finds what is wrong, and nothing in the repository.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn python(script: &str) -> Command {
    let mut command = Command::new(root().join(".venv/bin/python"));
    command.arg(root().join(script));
    command
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// What a check says of this file; no lines when it finds nothing.
fn says(script: &str, file: &Path) -> String {
    let output = python(script).arg(file).output().expect("run `make venv` first");
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(i32::from(!out.is_empty())), "{out}{err}");
    out
}

/// The same of a file with this text.
fn finds(script: &str, name: &str, text: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    says(script, &path)
}

const WORKFLOW: &str = "name: x\non: push\npermissions:\n  contents: read\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    \
                        timeout-minutes: 5\n    steps:\n      - run: make test\n";

fn workflow(from: &str, to: &str) -> String {
    assert!(WORKFLOW.contains(from), "{from}");
    finds("infra/workflows.py", "w.yml", &WORKFLOW.replace(from, to))
}

#[test]
fn the_workflows_have_no_finding() {
    assert_eq!(workflow("name: x", "name: y"), "");
    let folder = root().join(".github/workflows");
    let files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        assert_eq!(says("infra/workflows.py", &file), "");
    }
}

#[test]
fn an_action_that_is_not_pinned_is_found() {
    let uses = |action: &str| workflow("- run: make test", &format!("- uses: {action}"));
    let commit = "11bd71901bbe5b1630ceea73d27597364c9af683";
    assert_eq!(uses(&format!("actions/checkout@{commit} # v4.2.2")), "");
    for action in ["actions/checkout@v4".to_owned(), format!("actions/checkout@{commit}")] {
        assert!(uses(&action).contains("pin it by its commit"), "{action}");
    }
}

#[test]
fn a_workflow_that_would_fail_or_is_unsafe_is_found() {
    for (from, to, said) in [
        ("permissions:\n  contents: read\n", "", "has no permissions"),
        ("    timeout-minutes: 5\n", "", "job a has no timeout-minutes"),
        ("    steps:", "    needs: b\n    steps:", "job a needs b, which is no job"),
        ("make test", "make tset", "the Makefile has no target tset"),
        ("make test", "echo ${{ github.head_ref }}", "an expression inside a script"),
        ("make test", "make test\n        uses: x/y@v1", "a step has one of run and uses"),
        ("name: x", "name: [", "not YAML"),
    ] {
        let found = workflow(from, to);
        assert!(found.contains(said), "{to}: {found}");
    }
}

#[test]
fn the_dashboard_asks_for_what_the_program_publishes() {
    let own = root().join("infra/grafana.json");
    assert_eq!(says("infra/grafana.py", &own), "");
    let text = std::fs::read_to_string(own).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        finds("infra/grafana.py", "g.json", &text.replace(from, to))
    };
    let found = changed("writerlink_flap_protected", "writerlink_flap_protectd");
    assert!(found.contains("writerlink_flap_protectd; writerlink_flap_protected is meant?"), "{found}");
    let found = changed("writerlink_attempts_total{", "writerlink_attempts{");
    assert!(found.contains("nothing publishes writerlink_attempts"), "{found}");
    let found = changed("sum by (outcome)", "sum by (outcom)");
    assert!(found.contains("writerlink_attempts_total has no label outcom"), "{found}");
    let found = changed("\"id\": 2,", "\"id\": 1,");
    assert!(found.contains("panel id 1 is used twice"), "{found}");
    assert!(changed("\"panels\": [", "\"panels\": ").contains("not JSON"));
    assert!(finds("infra/grafana.py", "g.json", "{}").contains("no query asks"));
}

/// Without node or aws-cdk-lib nothing can be rendered, and the check has to say so.
#[test]
fn the_cdk_example_has_every_resource_or_is_said_to_be_unchecked() {
    let output = python("infra/cdk/render.py").output().expect("run `make venv` first");
    let (out, err) = texts(&output);
    if !root().join("target/cdk/node_modules/aws-cdk-lib").is_dir() {
        assert!(err.contains("cdk: NOT CHECKED: "), "{out}{err}");
        return;
    }
    assert!(out.contains("cdk: ok. 4 stacks rendered"), "{out}{err}");
    let directory = tempfile::tempdir().unwrap();
    let own = std::fs::read_to_string(root().join("infra/cdk/app.js")).unwrap();
    let infra = format!("\"{}\"", root().join("infra").display());
    let own = own.replace("path.join(__dirname, \"..\")", &infra);
    let path = directory.path().join("app.js");
    for (from, to, said) in [
        ("RouteName:", "RuteName:", "app.js fails"),
        ("  RouteName: \"orders\",\n", "", "parameter RouteName has no value"),
        ("\"writerlink-grants\"", "\"writerlink-grant\"", "stack writerlink-grants was not rendered"),
    ] {
        std::fs::write(&path, own.replace(from, to)).unwrap();
        let output = python("infra/cdk/render.py").arg(&path).output().unwrap();
        let (out, err) = texts(&output);
        assert!(out.contains(said), "{said}: {out}{err}");
    }
}

/// `image.py` on a machine that has these engines and no others.
fn image(engines: &[&str], variables: &[(&str, &str)], arguments: &[&str]) -> (bool, String) {
    let directory = tempfile::tempdir().unwrap();
    for engine in engines {
        std::os::unix::fs::symlink("/bin/true", directory.path().join(engine)).unwrap();
    }
    let mut command = python("infra/image.py");
    command.env_clear().env("PATH", directory.path()).envs(variables.iter().copied());
    let output = command.args(arguments).output().expect("run `make venv` first");
    let (out, err) = texts(&output);
    (output.status.success(), format!("{out}{err}"))
}

#[test]
fn make_image_uses_the_engine_that_is_there() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let digests = [("RUST_DIGEST", digest.as_str()), ("BASE_DIGEST", digest.as_str())];
    for (engines, begins) in [
        (&["docker", "podman", "buildah"][..], "docker buildx build --file infra/Dockerfile"),
        (&["buildah", "podman"][..], "podman build --format docker"),
        (&["buildah"][..], "buildah build --format docker"),
    ] {
        let (ok, said) = image(engines, &digests, &[]);
        assert!(ok && said.starts_with(begins), "{said}");
        assert!(said.contains(&format!("BASE_DIGEST={digest}")), "{said}");
    }
    let (ok, said) = image(&["docker"], &digests, &["--push", "--dry-run"]);
    assert!(ok && said.contains("--push --sbom=true --provenance=mode=max"), "{said}");
}

#[test]
fn make_image_says_what_is_missing() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let digests = [("RUST_DIGEST", digest.as_str()), ("BASE_DIGEST", "latest"), ("ENGINE", "podman")];
    let (ok, said) = image(&[], &digests[..1], &[]);
    assert!(!ok && said.contains("no docker, podman or buildah on this machine"), "{said}");
    let (ok, said) = image(&["docker"], &digests, &[]);
    assert!(!ok && said.contains("no podman on this machine"), "{said}");
    let (ok, said) = image(&["docker"], &digests[..2], &[]);
    assert!(!ok && said.contains("BASE_DIGEST is latest; write the digest"), "{said}");
    let (ok, said) = image(&["docker"], &[("ENGINE", "kaniko")], &[]);
    assert!(!ok && said.contains("ENGINE is kaniko; it is one of"), "{said}");
}

/// A relay's containers share this folder, and none of them is root.
#[test]
fn the_image_owns_the_folder_that_a_relay_shares() {
    let file = std::fs::read_to_string(root().join("infra/Dockerfile")).unwrap();
    let user = "USER 65532:65532";
    for line in ["COPY --from=build --chown=65532:65532 /folders/ /run/", "VOLUME [\"/run/haproxy\"]", user] {
        assert!(file.lines().any(|one| one == line), "{line}");
    }
    // What is changed after VOLUME is not in the volume.
    assert!(file.find("/folders/ /run/").unwrap() < file.find("VOLUME").unwrap());
    let relay = std::fs::read_to_string(root().join("infra/relay.yaml")).unwrap();
    assert_eq!(relay.matches("ContainerPath: /run/haproxy").count(), 3);
    assert_eq!(relay.matches("User: \"65532:65532\"").count(), 3);
}
