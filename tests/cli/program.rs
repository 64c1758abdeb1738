//! The command line as a process: what is typed, what comes out where, and with which code.
#![expect(clippy::unwrap_used, reason = "a test stops where a step fails")]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Output;

use assert_cmd::Command;
use sha2::{Digest as _, Sha256};

const ARN: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/orders/73e2d6bc24d8a067";

/// The program in an environment of its own: nothing of the developer's shell gets in.
fn writerlink(line: &str) -> Command {
    let mut command = Command::cargo_bin("writerlink").unwrap();
    command.env_clear().args(line.split_whitespace());
    command
}

/// What `sha256sum | cut -c1-12` prints.
fn sum_of(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest[..6].iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn lambda(line: &str) -> Command {
    let mut command = writerlink(line);
    command.env("TARGET_GROUP_ARN", ARN).env("IP_DICT", "{'db-1': '10.0.1.10', 'db-2': '10.0.1.11'}");
    command
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

fn said(command: &mut Command) -> Said {
    let Output { status, stdout, stderr } = command.output().unwrap();
    Said {
        code: status.code().unwrap(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

struct File {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

fn file(text: &str) -> File {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w.toml");
    std::fs::write(&path, text).unwrap();
    File { _directory: directory, path }
}

fn example() -> String {
    format!("{}/writerlink.example.toml", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn help_goes_to_standard_output_and_lists_commands_and_exit_codes() {
    let said = said(&mut writerlink("--help"));
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    for part in ["audit", "config", "replay", "Exit codes:", "3  verification failed", "Example:"] {
        assert!(said.out.contains(part), "{part}");
    }
}

#[test]
fn every_command_explains_itself_with_an_example() {
    for command in [
        "demo",
        "setup",
        "run",
        "plan",
        "status",
        "explain",
        "replay",
        "swap",
        "pin",
        "unpin",
        "pause",
        "resume",
        "ack",
        "freeze",
        "unfreeze",
        "adopt",
        "audit",
        "audit list",
        "audit show",
        "audit verify",
        "audit export",
        "audit tail",
        "check",
        "config",
        "config check",
        "healthcheck",
        "completions",
        "man",
    ] {
        let said = said(&mut writerlink(&format!("{command} --help")));
        assert_eq!(said.code, 0, "{command}");
        assert!(said.out.contains("Example"), "{command}: {}", said.out);
    }
}

#[test]
fn wrong_usage_ends_with_code_2() {
    for line in [
        "",
        "swab",
        "audit list --since yesterday",
        "audit list --outcome Done",
        "audit list --limit 0",
        "audit list --cursor 10000",
        "audit list --until never",
        "audit show orders",
        "audit verify --from 0",
        "audit verify --all orders",
        "audit verify orders --file audit.jsonl",
        "audit export",
        "audit export --all --route orders",
        "audit export --all --after x",
        "audit export --route orders --after 3 --to audit.jsonl",
        "audit tail --every 0",
        "audit tail --since 1h --after 3",
        "plan",
        "plan orders --event e.json",
        "config check --output xml",
        "status --watch 0",
        "status Orders",
        "explain",
        "pause orders",
        "pause orders --reason=",
        "pause orders --reason x --for 2",
        "pause orders --reason x --for 0s",
        "swap orders --reason x",
        "swap orders --to db-1 --reason x --override everything",
        "swap orders --to db-1 --reason x --dry-run --yes",
        "resume orders --reason x --for 2h",
        "freeze orders --reason x",
        "man audit lists",
        "man audit --to pages",
    ] {
        let said = said(&mut writerlink(line));
        assert_eq!(said.code, 2, "{line}");
        assert_eq!(said.out, "", "{line}");
        assert_ne!(said.err, "", "{line}");
    }
}

#[test]
fn config_init_writes_a_file_that_is_understood_and_overwrites_none() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("w.toml");
    let first = said(writerlink("config init --to").arg(&to));
    assert_eq!((first.code, first.out.as_str()), (0, ""), "{}", first.err);
    assert!(first.err.contains("writerlink config check --config"), "{}", first.err);
    assert_eq!(said(writerlink("config check --config").arg(&to)).code, 0);
    std::fs::write(&to, "mine").unwrap();
    let again = said(writerlink("config init --to").arg(&to));
    assert_eq!(again.code, 1);
    assert!(again.err.contains("name another one with --to FILE"), "{}", again.err);
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "mine");
}

#[test]
fn config_check_shows_the_example_with_the_origin_of_every_value() {
    let said = said(writerlink("config check --config").arg(example()));
    assert_eq!(said.code, 0, "{}", said.err);
    insta::assert_snapshot!(said.out, @"
    FIELD                                         VALUE                                         FROM
    queue.name                                    writerlink.fifo                               default
    ledger.state_table                            writerlink-state                              default
    ledger.audit_table                            writerlink-audit                              default
    worker.installation                           writerlink                                    default
    worker.max_attempts                           6                                             default
    worker.drain_timeout_s                        25                                            default
    worker.parallel_groups                        64                                            default
    worker.health_address                         127.0.0.1:8089                                default
    worker.page_address                           127.0.0.1:8089                                default
    reconcile.interval_seconds                    30                                            default
    reconcile.describe_calls_per_second_max       20                                            default
    reconcile.registrations_per_second            4                                             default
    reconcile.registrations_burst                 20                                            default
    safety.moves_per_minute_max                   260                                           default
    dns.resolver                                  /etc/resolv.conf                              default
    route.orders.name                             orders                                        line 104
    route.orders.source                           aurora-source                                 line 112
    route.orders.strategy                         swap                                          default
    route.orders.target_group                     arn:aws:elasticloadbalancing:us-east-1:12345  line 130
                                                  6789012:targetgroup/orders/73e2d6bc24d8a067
    route.orders.port                             3306                                          default
    route.orders.exclusive                        true                                          default
    route.orders.availability_zone                none (AWS derives it from the subnet)         default
    route.orders.allowed_cidrs                    10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12,     default
                                                  192.168.0.0/16
    route.orders.on_started                       swap                                          default
    route.orders.discovery                        events                                        default
    route.orders.endpoint                         none                                          default
    route.orders.map_check                        auto                                          default
    route.orders.database                         cluster                                       default
    route.orders.role                             writer                                        default
    route.orders.mode                             enforce                                       default
    route.orders.allowed_instances                any of the source                             default
    route.orders.trust_event_seconds              180                                           default
    route.orders.evidence_age_max_seconds         1209600                                       default
    route.orders.flap_moves_max                   5                                             default
    route.orders.serving_when                     healthy                                       default
    route.orders.serving_limit_seconds            360                                           default
    route.orders.instances.aurora-source-instanc  10.0.1.10                                     line 216
    e-1
    route.orders.instances.aurora-source-instanc  10.0.2.10                                     line 217
    e-2
    ");
    assert_eq!(
        said.err,
        format!(
            "the configuration in {} has 1 route and no fault; its hash is {}\n",
            example(),
            sum_of(&std::fs::read(example()).unwrap())
        )
    );
}

#[test]
fn the_lambdas_variables_are_a_configuration() {
    let said = said(&mut lambda("config check"));
    assert_eq!(said.code, 0, "{}", said.err);
    insta::assert_snapshot!(said.out, @r#"
    FIELD                                    VALUE                                      FROM
    queue.name                               writerlink.fifo                            default
    ledger.state_table                       writerlink-state                           default
    ledger.audit_table                       writerlink-audit                           default
    worker.installation                      writerlink                                 default
    worker.max_attempts                      6                                          default
    worker.drain_timeout_s                   25                                         default
    worker.parallel_groups                   64                                         default
    worker.health_address                    127.0.0.1:8089                             default
    worker.page_address                      127.0.0.1:8089                             default
    reconcile.interval_seconds               30                                         default
    reconcile.describe_calls_per_second_max  20                                         default
    reconcile.registrations_per_second       4                                          default
    reconcile.registrations_burst            20                                         default
    safety.moves_per_minute_max              260                                        default
    dns.resolver                             /etc/resolv.conf                           default
    route.default.name                       default                                    default
    route.default.source                     any                                        default
    route.default.strategy                   swap                                       default
    route.default.target_group               arn:aws:elasticloadbalancing:us-east-1:12  TARGET_GROUP_ARN
                                             3456789012:targetgroup/orders/73e2d6bc24d
                                             8a067
    route.default.port                       3306                                       default
    route.default.exclusive                  true                                       default
    route.default.availability_zone          none (AWS derives it from the subnet)      default
    route.default.allowed_cidrs              10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12,  default
                                             192.168.0.0/16
    route.default.on_started                 swap                                       default
    route.default.discovery                  events                                     default
    route.default.endpoint                   none                                       default
    route.default.map_check                  auto                                       default
    route.default.database                   cluster                                    default
    route.default.role                       writer                                     default
    route.default.mode                       enforce                                    default
    route.default.allowed_instances          any of the source                          default
    route.default.trust_event_seconds        180                                        default
    route.default.evidence_age_max_seconds   1209600                                    default
    route.default.flap_moves_max             5                                          default
    route.default.serving_when               healthy                                    default
    route.default.serving_limit_seconds      360                                        default
    route.default.instances.db-1             10.0.1.10                                  IP_DICT
    route.default.instances.db-2             10.0.1.11                                  IP_DICT
    "#);
    let variables = format!("TARGET_GROUP_ARN={ARN}\nIP_DICT={{'db-1': '10.0.1.10', 'db-2': '10.0.1.11'}}\n");
    assert_eq!(
        said.err,
        format!(
            "the configuration in the environment has 1 route and no fault; its hash is {}\n",
            sum_of(variables.as_bytes())
        )
    );
}

#[test]
fn a_file_wins_over_the_lambdas_variables_whichever_way_it_is_named() {
    let by_option = said(lambda("config check --config").arg(example()));
    let by_variable = said(lambda("config check").env("WRITERLINK_CONFIG", example()));
    assert_eq!(by_option.out, by_variable.out);
    assert!(by_option.out.contains("route.orders.port"));
    assert!(
        by_option.err.ends_with("not looked at, since there is a file: TARGET_GROUP_ARN and IP_DICT\n"),
        "{}",
        by_option.err
    );
}

#[test]
fn the_option_wins_over_the_variable() {
    let said =
        said(writerlink("config check --config").arg(example()).env("WRITERLINK_CONFIG", "/nowhere.toml"));
    assert_eq!(said.code, 0, "{}", said.err);
}

#[test]
fn without_any_configuration_both_ways_are_told() {
    let said = said(&mut writerlink("config check"));
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    for part in ["--config FILE", "WRITERLINK_CONFIG", "TARGET_GROUP_ARN and IP_DICT"] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let said = said(&mut writerlink("config check --config /nowhere.toml"));
    assert_eq!(said.code, 1);
    assert!(said.err.starts_with("error: the configuration /nowhere.toml cannot be read\n  why: "));
}

#[test]
fn what_is_wrong_with_a_file_is_told_to_programs_too() {
    let file = file(&format!(
        "[worker]\nmax_atempts = 3\n[[route]]\ntarget_group = \"{ARN}\"\n[route.instances]\ndb-1 = \"10.0.1.10\"\n"
    ));
    let check = |output: &str| {
        let mut command = writerlink("config check --output");
        said(command.arg(output).arg("--config").arg(&file.path))
    };
    let json = check("json");
    assert_eq!(json.code, 1);
    let out = json.out.replace(&file.path.display().to_string(), "w.toml");
    insta::assert_snapshot!(out, @r#"
    {
      "version": 1,
      "faults": [
        {
          "place": "w.toml:2",
          "field": "worker.max_atempts",
          "value": "3",
          "why": "there is no such field",
          "fix": "remove it, or use one of: installation, max_attempts, drain_timeout_s, parallel_groups, health_address, page_address"
        }
      ]
    }
    "#);
    assert!(json.err.starts_with("error: the configuration"), "{}", json.err);
    let jsonl = check("jsonl");
    assert_eq!((jsonl.code, jsonl.out.lines().count()), (1, 1));
    let csv = check("csv");
    assert!(csv.out.starts_with("place,field,value,why,fix\n"), "{}", csv.out);
    for (config, fault) in [("--config /nowhere.toml", "/nowhere.toml"), ("", "the environment")] {
        let said = said(&mut writerlink(&format!("config check --output json {config}")));
        let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!((said.code, &json["version"]), (1, &1.into()));
        assert_eq!(json["faults"][0]["place"], fault);
    }
}

#[test]
fn a_file_is_verified_without_a_configuration() {
    let file = file("");
    let said = said(writerlink("audit verify --output json --file").arg(&file.path));
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("\"routes\": []"), "{}", said.out);
}

#[test]
fn all_faults_of_a_file_are_told_with_line_value_and_remedy() {
    let file = file(&format!(
        "[worker]\nmax_atempts = 3\n[[route]]\ntarget_group = \"{ARN}\"\nport = 0\n[route.instances]\ndb-1 = \"8.8.8.8\"\n"
    ));
    let said = said(writerlink("config check --config").arg(&file.path));
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    let err = said.err.replace(&file.path.display().to_string(), "w.toml");
    insta::assert_snapshot!(err, @r#"
    error: the configuration in w.toml has 3 faults

    w.toml:2: worker.max_atempts = 3
      why: there is no such field
      fix: remove it, or use one of: installation, max_attempts, drain_timeout_s, parallel_groups, health_address, page_address

    w.toml:5: route.default.port = 0
      why: this is not a port
      fix: write a whole number from 1 to 65535; the default is 3306

    w.toml:7: route.default.instances.db-1 = "8.8.8.8"
      why: the address lies outside allowed_cidrs (10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16)
      fix: correct the address, or name its range in allowed_cidrs of the route, in a file
    "#);
}

#[test]
fn the_formats_carry_the_same_settings() {
    let check = |format: &str| {
        let said = said(&mut lambda(&format!("config check --output {format}")));
        assert_eq!(said.code, 0, "{}", said.err);
        said.out
    };
    let json: serde_json::Value = serde_json::from_str(&check("json")).unwrap();
    assert_eq!(json["version"], 1);
    let settings = json["settings"].as_array().unwrap();
    let lines: Vec<serde_json::Value> =
        check("jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(&lines, settings);
    let csv = check("csv");
    assert_eq!(csv.lines().next(), Some("field,value,from"));
    assert_eq!(csv.lines().count(), settings.len() + 1);
    assert!(csv.contains("route.default.allowed_cidrs,\"10.0.0.0/8, 100.64.0.0/10,"));
}

#[test]
fn completions_are_written_for_four_shells() {
    for (shell, mark) in [
        ("bash", "complete -F _writerlink"),
        ("zsh", "#compdef writerlink"),
        ("fish", "complete -c writerlink"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let said = said(&mut writerlink(&format!("completions {shell}")));
        assert_eq!(said.code, 0, "{shell}");
        assert!(said.out.contains(mark), "{shell}: {}", said.out);
        assert!(said.out.contains("unfreeze"), "{shell}: {}", said.out);
    }
}

#[test]
fn a_manual_page_says_what_the_help_says() {
    let said = said(&mut writerlink("man audit list"));
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    for part in [
        concat!(
            ".TH writerlink-audit-list 1  \"writerlink ",
            env!("CARGO_PKG_VERSION"),
            "\" \"writerlink manual\""
        ),
        "List records, newest first",
        r"\-\-outcome",
        "Example:",
    ] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
}

#[test]
fn every_command_has_a_manual_page_that_is_named_as_man_looks_it_up() {
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man1");
    let mut command = writerlink("man --to");
    let said = said(command.arg(&pages));
    assert_eq!((said.code, said.out.as_str()), (0, ""));
    let written: Vec<String> = std::fs::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let told = format!("{} pages are in {}", written.len(), pages.display());
    assert!(said.err.starts_with(&told), "{}", said.err);
    for page in [
        "writerlink.1",
        "writerlink-run.1",
        "writerlink-audit.1",
        "writerlink-audit-show.1",
        "writerlink-config-check.1",
    ] {
        assert!(written.iter().any(|name| name == page), "{page}: {written:?}");
    }
    assert!(!written.iter().any(|name| name.contains("help")), "{written:?}");
}

#[test]
fn a_page_that_cannot_be_written_names_the_directory_and_the_remedy() {
    let file = file("");
    let mut command = writerlink("man --to");
    let said = said(command.arg(file.path.join("below")));
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("w.toml/below"), "{}", said.err);
    assert!(said.err.contains("--to DIRECTORY"), "{}", said.err);
}

#[test]
fn a_log_filter_that_cannot_be_parsed_stops_the_program_at_once() {
    let said = said(lambda("config check").env("WRITERLINK_LOG", "writerlink=loud"));
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("WRITERLINK_LOG = \"writerlink=loud\""), "{}", said.err);
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("writerlink"))
        .env_clear()
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stderr, b"");
}

/// On no machine of AWS's, where nobody else would know.
fn nowhere(line: &str) -> Command {
    let mut command = lambda(line);
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", "/nonexistent");
    command
}

#[test]
fn without_credentials_every_command_says_so_and_where_to_get_them() {
    for line in ["check", "audit list", "plan default"] {
        let said = said(nowhere(line).env("AWS_REGION", "us-east-1"));
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{line}");
        assert!(said.err.contains("no credentials found"), "{}", said.err);
        assert!(said.err.contains("fix: set AWS_PROFILE"), "{}", said.err);
        assert!(said.err.lines().count() <= 4, "{}", said.err);
    }
}

/// Every command that makes calls, on the Lambda's one route.
const CALLING: [&str; 11] = [
    "setup",
    "run",
    "run --drain",
    "status",
    "check",
    "plan default",
    "audit list",
    "audit verify",
    "swap default --to db-2 --reason drill --yes",
    "pause default --reason drill --yes",
    "freeze --reason drill --yes",
];

/// With credentials, and with nobody to call: whatever would be called refuses the connection.
fn called_in_vain(line: &str) -> Command {
    let mut command = nowhere(line);
    command
        .env("AWS_ACCESS_KEY_ID", "a")
        .env("AWS_SECRET_ACCESS_KEY", "b")
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    command
}

#[test]
fn calls_in_another_region_than_the_groups_are_not_made() {
    for line in CALLING.into_iter().filter(|line| *line != "check") {
        let said = said(called_in_vain(line).env("AWS_REGION", "eu-west-1"));
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{line}");
        insta::allow_duplicates! {
            insta::assert_snapshot!(said.err, @r#"
            error: calls would go to eu-west-1, and the target groups are in us-east-1
              why: AWS_REGION, or the profile of the credentials, names another Region than the target groups' ARNs; queue and ledger are in the groups' Region
              fix: set AWS_REGION=us-east-1, or correct the ARNs in the configuration; one worker serves one Region
            "#);
        }
    }
}

#[test]
fn check_has_one_finding_where_calls_would_go_to_another_region() {
    let said = said(called_in_vain("check --output csv").env("AWS_REGION", "eu-west-1"));
    assert_eq!((said.code, said.err.as_str()), (1, ""));
    insta::assert_snapshot!(said.out, @r#"
    subject,verdict,what,why,remedy,source
    caller,fail,Region,"calls would go to eu-west-1, and the target groups are in us-east-1: nothing was read","set AWS_REGION=us-east-1, or correct the ARNs in the configuration; one worker serves one Region",
    "#);
}

#[test]
fn the_region_of_a_profile_is_held_against_the_groups_too() {
    let profile = file("[default]\nregion = eu-west-1\n");
    let said = said(called_in_vain("setup").env("AWS_CONFIG_FILE", &profile.path));
    assert_eq!(said.code, 1);
    let what = "calls would go to eu-west-1, and the target groups are in us-east-1";
    assert!(said.err.contains(what), "{}", said.err);
}

#[test]
fn without_a_region_calls_go_to_that_of_the_target_groups() {
    for line in CALLING {
        let said = said(&mut called_in_vain(line));
        assert_eq!(said.code, 1, "{line}");
        let told = format!("{}{}", said.out, said.err);
        assert!(!told.contains("Region set"), "{line}: {told}");
        assert!(!told.contains("calls would go to"), "{line}: {told}");
    }
    let said = said(&mut called_in_vain("check --output csv"));
    assert!(said.out.contains("calls go to us-east-1"), "{}", said.out);
}

#[test]
fn an_event_of_another_region_is_refused_before_anybody_is_called() {
    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases");
    let config = format!("{cases}/04-config.toml");
    let restarted = format!("{cases}/04-2-instance-of-the-same-name-restarted.json");
    for command in ["explain", "plan --event", "replay"] {
        let said = said(&mut writerlink(&format!("{command} {restarted} --config {config}")));
        assert_eq!(said.code, 1, "{command}");
        let why = "its kind is DB_INSTANCE, not CLUSTER";
        assert!(said.err.contains(why), "{command}: {}", said.err);
        let rows = said.out.matches("same-kind").count();
        assert_eq!(rows, usize::from(command == "explain"), "{}", said.out);
    }
}
