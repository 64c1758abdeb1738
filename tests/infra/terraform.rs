//! infra/terraform/check.py: what Terraform would refuse is a finding, and what is in the repository is none.

use std::path::Path;
use std::process::Command;

/// What check.py says of this folder, a line each; no lines when it finds nothing.
fn says(folder: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let said = Command::new(root.join(".venv/bin/python"))
        .arg(root.join("infra/terraform/check.py"))
        .arg(folder)
        .output()
        .expect("run `make venv` first");
    let out = String::from_utf8(said.stdout).unwrap();
    let err = String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.status.code(), Some(i32::from(!out.is_empty())), "{out}{err}");
    out
}

/// The same of one module that has this text, beside a template with the parameters `Name` (required) and `Count`.
fn finds(text: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let parameters =
        "Parameters:\n  Name: {Type: String}\n  Count: {Type: Number, Default: 1}\nResources: {}\n";
    std::fs::write(directory.path().join("t.yaml"), parameters).unwrap();
    let module = directory.path().join("m");
    std::fs::create_dir(&module).unwrap();
    let own = "variable \"name\" {}\noutput \"arn\" {\n  value = var.name\n}\n";
    std::fs::write(module.join("main.tf"), own).unwrap();
    std::fs::write(directory.path().join("main.tf"), text).unwrap();
    says(directory.path())
}

/// A stack with these parameters and these lines more.
fn stack(parameters: &str, more: &str) -> String {
    finds(&format!(
        "locals {{\n  parameters = {{ {parameters} }}\n}}\nresource \"aws_cloudformation_stack\" \"this\" {{\n  name = \"x\"\n  \
         template_body = file(\"${{path.module}}/t.yaml\")\n  parameters = local.parameters\n{more}}}\n"
    ))
}

#[test]
fn the_modules_and_examples_of_infra_have_no_finding() {
    assert_eq!(says(&Path::new(env!("CARGO_MANIFEST_DIR")).join("infra/terraform")), "");
}

#[test]
fn text_that_is_not_hcl_is_found() {
    assert!(finds("resource {{{").contains("main.tf: not HCL"));
}

#[test]
fn an_argument_that_the_provider_does_not_know_is_found() {
    assert_eq!(stack("Name = \"n\"", ""), "");
    assert_eq!(stack("Name = \"n\"", "  lifecycle {\n    ignore_changes = [tags]\n  }\n"), "");
    insta::assert_snapshot!(stack("Name = \"n\"", "  notification_arn = []\n"), @r#"
    .: aws_cloudformation_stack.this: the provider knows no argument notification_arn; notification_arns is meant?
    "#);
}

#[test]
fn an_argument_that_is_wrong_inside_a_block_is_found() {
    let listener = |inner: &str| {
        finds(&format!(
            "resource \"aws_lb_listener\" \"l\" {{\n  load_balancer_arn = \"a\"\n  default_action {{\n    {inner}\n  }}\n}}\n"
        ))
    };
    assert_eq!(listener("type = \"forward\""), "");
    let said = listener("forwrd {\n    }");
    assert!(
        said.contains("aws_lb_listener.l.default_action: the provider knows no argument forwrd"),
        "{said}"
    );
    assert!(said.contains("aws_lb_listener.l.default_action: type is required"), "{said}");
}

#[test]
fn a_resource_that_nobody_checked_is_found() {
    assert!(finds("resource \"aws_lb\" \"l\" {\n}\n").contains("schema.json has no aws_lb"));
}

#[test]
fn a_parameter_that_the_template_does_not_have_is_found() {
    insta::assert_snapshot!(stack("Nam = \"n\"", ""), @r#"
    .: aws_cloudformation_stack.this: the template has no parameter Nam; Name is meant?
    .: aws_cloudformation_stack.this: the template requires parameter Name
    "#);
    let elsewhere = "resource \"aws_cloudformation_stack\" \"this\" {\n  name = \"x\"\n  template_body = file(\"no.yaml\")\n}\n";
    assert!(finds(elsewhere).contains("template_body names no template of this repository"));
}

#[test]
fn a_call_that_does_not_fit_the_module_is_found() {
    let call = |lines: &str| finds(&format!("module \"m\" {{\n  source = \"./m\"\n{lines}}}\n"));
    assert_eq!(call("  name = \"n\"\n"), "");
    insta::assert_snapshot!(call("  nam = module.m.arm\n"), @r#"
    .: module.m: the module has no variable nam; name is meant?
    .: module.m: variable name is required
    .: module.m: the module has no output arm; arn is meant?
    "#);
    assert!(finds("module \"m\" {\n  source = \"./n\"\n}\n").contains("is no module of this repository"));
}

#[test]
fn a_reference_to_what_is_not_declared_is_found() {
    let said = finds("output \"o\" {\n  value = [var.a, local.b, module.c.d]\n}\n");
    for name in ["var.a", "local.b", "module.c"] {
        assert!(said.contains(&format!("{name} is used and nowhere declared")), "{said}");
    }
}

/// A module that somebody changed by hand, or a template that changed after it, has to be noticed.
#[test]
fn a_module_that_is_not_what_its_template_makes_is_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ask = "import sys; sys.path.insert(0, 'infra/terraform'); import generate, pathlib; \
               print(generate.stale(pathlib.Path(sys.argv[1])))";
    let empty = tempfile::tempdir().unwrap();
    let stale = |folder: &Path| {
        let said = Command::new(root.join(".venv/bin/python"))
            .args(["-c", ask])
            .arg(folder)
            .current_dir(root)
            .output();
        String::from_utf8(said.unwrap().stdout).unwrap()
    };
    assert_eq!(stale(&root.join("infra/terraform")).trim(), "[]");
    assert!(stale(empty.path()).contains("route/variables.tf"));
}
