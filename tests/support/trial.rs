//! A trial account: queue, tables, target groups, and the program that uses them.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_elasticloadbalancingv2::types::{ProtocolEnum, TargetDescription, TargetTypeEnum};
use serde_json::Value;
use uuid::Uuid;
use writerlink_core::model::provenance::ConfigHash;
use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::Clock as _;
use writerlink_engine::system_clock::SystemClock;

use crate::support::Account;
use crate::support::ministack::Ministack;

/// The variable that points ELBv2 alone somewhere else.
pub(crate) const ELB_ENDPOINT: &str = "AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2";

/// The address of the writer before any event, in every group.
pub(crate) const OLD: &str = "10.0.1.10";
/// The address of the other instance.
pub(crate) const NEW: &str = "10.0.2.10";

/// The account of the samples. A trial has one of its own, and its routes follow no other account's clusters.
const SAMPLES_ACCOUNT: &str = "123456789012";

/// How long anything may take that should take no time, on a machine that does five other things; or that is recorded
/// only once it has lasted for a minute, as a conflict of the sources is.
const PATIENCE: Duration = Duration::from_mins(3);

/// What a command did.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{}{}", self.out, self.err))
    }

    /// The lines of its log, every one of which has to be JSON.
    pub(crate) fn log(&self) -> Vec<Value> {
        let line = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        self.err.lines().map(line).collect()
    }
}

/// An account with a configuration file.
pub(crate) struct Trial {
    account: Account,
    sdk: SdkConfig,
    directory: tempfile::TempDir,
    /// The target group of each route, by its place.
    pub(crate) groups: Vec<String>,
}

impl Trial {
    /// One route, `aurora-source`, whose group holds the old writer; queue and tables are set up.
    pub(crate) async fn ready() -> Self {
        let trial = Self::bare(&["aurora-source"]).await;
        let said = trial.says("setup");
        assert_eq!(said.code, 0, "{}", said.err);
        trial
    }

    /// A route for each source, before `setup`.
    pub(crate) async fn bare(sources: &[&str]) -> Self {
        let account = Account::fresh();
        let sdk = account.config(&Ministack::shared().endpoint()).await;
        let mut trial = Self { account, sdk, directory: tempfile::tempdir().unwrap(), groups: Vec::new() };
        let mut text = format!("[worker]\nhealth_address = \"127.0.0.1:{}\"\n", free_port());
        for source in sources {
            let arn = trial.group_with_the_old_writer(source).await;
            text.push_str(&section(source, &arn));
            trial.groups.push(arn);
        }
        std::fs::write(trial.file(), text).unwrap();
        trial
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("w.toml")
    }

    /// Where the worker answers health checks.
    pub(crate) fn health_port(&self) -> u16 {
        let text = std::fs::read_to_string(self.file()).unwrap();
        let (_, rest) = text.split_once("127.0.0.1:").unwrap();
        rest.split('"').next().unwrap().parse().unwrap()
    }

    /// Lets the next worker answer elsewhere: two on one machine need two ports.
    pub(crate) fn move_health_port(&self) {
        std::fs::write(self.file(), self.config()).unwrap();
    }

    /// The configuration with a port that nobody answers health checks at: for one more worker.
    pub(crate) fn config(&self) -> String {
        let text = std::fs::read_to_string(self.file()).unwrap();
        let old = format!("127.0.0.1:{}", self.health_port());
        text.replace(&old, &format!("127.0.0.1:{}", free_port()))
    }

    /// The hash of the configuration, as records and the log have it.
    #[allow(dead_code, reason = "not every binary compares it")]
    pub(crate) fn config_hash(&self) -> String {
        let text = std::fs::read_to_string(self.file()).unwrap();
        ConfigHash::of(&text).to_string()
    }

    /// The account that all this is in.
    #[allow(dead_code, reason = "the chaos aims its faults at it")]
    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    async fn group_with_the_old_writer(&self, name: &str) -> String {
        let client = self.elbv2();
        let created = client
            .create_target_group()
            .name(name)
            .protocol(ProtocolEnum::Tcp)
            .port(3306)
            .vpc_id("vpc-1")
            .target_type(TargetTypeEnum::Ip)
            .send()
            .await
            .unwrap();
        let arn = created.target_groups()[0].target_group_arn().unwrap();
        let old = TargetDescription::builder().id(OLD).port(3306).build();
        let register = client.register_targets().target_group_arn(arn).targets(old);
        register.send().await.unwrap();
        arn.to_owned()
    }

    /// Registers an address in the first route's group, as somebody else would.
    pub(crate) async fn put_into_group(&self, ip: &str) {
        let client = self.elbv2();
        let target = TargetDescription::builder().id(ip).port(3306).build();
        let register = client.register_targets().target_group_arn(&self.groups[0]);
        register.targets(target).send().await.unwrap();
    }

    /// A file that holds this.
    pub(crate) fn file_with(&self, text: &str) -> String {
        let path = self.directory.path().join(Uuid::now_v7().to_string());
        std::fs::write(&path, self.here(text)).unwrap();
        path.display().to_string()
    }

    /// A delivery of the corpus in a file, told of this account.
    pub(crate) fn sample_path(&self, name: &str) -> String {
        self.file_with(&sample(name))
    }

    /// What a text of the samples' account says in this one.
    pub(crate) fn here(&self, text: &str) -> String {
        text.replace(SAMPLES_ACCOUNT, self.account.id())
    }

    /// The addresses in a group.
    pub(crate) async fn holds(&self, group: &str) -> Vec<String> {
        let client = self.elbv2();
        let look = client.describe_target_health().target_group_arn(group);
        let look = look.send().await.unwrap();
        let id = |row: &aws_sdk_elasticloadbalancingv2::types::TargetHealthDescription| {
            row.target().unwrap().id().unwrap().to_owned()
        };
        look.target_health_descriptions().iter().map(id).collect()
    }

    /// The addresses in the first route's group.
    pub(crate) async fn group_holds(&self) -> Vec<String> {
        self.holds(&self.groups[0]).await
    }

    pub(crate) fn elbv2(&self) -> aws_sdk_elasticloadbalancingv2::Client {
        aws_sdk_elasticloadbalancingv2::Client::new(&self.sdk)
    }

    pub(crate) fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.sdk)
    }

    pub(crate) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.sdk)
    }

    /// The bus.
    #[allow(dead_code, reason = "the templates' tests put events on it")]
    pub(crate) fn events(&self) -> aws_sdk_eventbridge::Client {
        aws_sdk_eventbridge::Client::new(&self.sdk)
    }

    /// Takes the group of the `nth` route away, so that its attempts fail.
    #[allow(dead_code, reason = "the templates' tests let an attempt fail")]
    pub(crate) async fn without_group(&self, nth: usize) {
        let client = self.elbv2();
        let delete = client.delete_target_group();
        let delete = delete.target_group_arn(&self.groups[nth]);
        delete.send().await.unwrap();
    }

    /// Adds a line to the first route's part of the configuration.
    #[allow(dead_code, reason = "the tests without events alone need it")]
    pub(crate) fn with_route_setting(&self, line: &str) {
        let text = std::fs::read_to_string(self.file()).unwrap();
        let text = text.replacen("[[route]]\n", &format!("[[route]]\n{line}\n"), 1);
        std::fs::write(self.file(), text).unwrap();
    }

    /// Puts a table in front of the configuration's others.
    #[allow(dead_code, reason = "the tests without events alone need it")]
    pub(crate) fn with_table(&self, table: &str) {
        let text = std::fs::read_to_string(self.file()).unwrap();
        std::fs::write(self.file(), format!("{table}{text}")).unwrap();
    }

    #[allow(dead_code, reason = "the tests without events alone need it")]
    pub(crate) fn rds(&self) -> aws_sdk_rds::Client {
        aws_sdk_rds::Client::new(&self.sdk)
    }

    /// Adds a line to the worker's part of the configuration.
    #[allow(dead_code, reason = "the templates' tests make few attempts")]
    pub(crate) fn with_setting(&self, line: &str) {
        let text = std::fs::read_to_string(self.file()).unwrap();
        let text = text.replacen("[worker]\n", &format!("[worker]\n{line}\n"), 1);
        std::fs::write(self.file(), text).unwrap();
    }

    pub(crate) async fn queue_url(&self) -> String {
        let asked = self.sqs().get_queue_url().queue_name("writerlink.fifo");
        asked.send().await.unwrap().queue_url.unwrap()
    }

    /// Sends a delivery, of this account if it is of that of the samples. The deduplication id is new, so that the same
    /// body arrives again.
    pub(crate) async fn send(&self, group: &str, body: &str) {
        let (sqs, body) = (self.sqs(), self.here(body));
        let message = sqs.send_message().queue_url(self.queue_url().await);
        let message = message.message_group_id(group).message_body(body);
        let message = message.message_deduplication_id(Uuid::now_v7().to_string());
        message.send().await.unwrap();
    }

    /// The program in an environment that holds this account and nothing of the developer's.
    pub(crate) fn bare_command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_writerlink"));
        command
            .env_clear()
            .env("AWS_ENDPOINT_URL", Ministack::shared().endpoint())
            .env("AWS_ACCESS_KEY_ID", self.account.id())
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_REGION", "us-east-1")
            .args(line.split_whitespace());
        command
    }

    /// The same with the account's configuration file.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = self.bare_command(line);
        command.env("WRITERLINK_CONFIG", self.file());
        command
    }

    pub(crate) fn says(&self, line: &str) -> Said {
        said(&mut self.command(line))
    }
}

pub(crate) fn said(command: &mut Command) -> Said {
    let output = command.stdin(Stdio::null()).output().unwrap();
    spoken(&output)
}

fn spoken(output: &Output) -> Said {
    Said {
        code: output.status.code().expect("it ends by itself"),
        out: String::from_utf8(output.stdout.clone()).unwrap(),
        err: String::from_utf8(output.stderr.clone()).unwrap(),
    }
}

/// A program that works in the background, and cannot outlive its test.
pub(crate) struct Background {
    child: Child,
    lines: Receiver<String>,
}

impl Background {
    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (send, lines) = channel();
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Self { child, lines }
    }

    /// Waits until it logs this event.
    pub(crate) fn wait_for(&self, event: &str) -> String {
        let clock = SystemClock::start();
        loop {
            let left = PATIENCE.saturating_sub(clock.monotonic());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|_| panic!("it never said {event:?}"));
            if line.contains(event) {
                return line;
            }
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// How it ends, and how long that takes from now.
    pub(crate) fn ends(mut self) -> (Option<i32>, Duration) {
        let clock = SystemClock::start();
        let status = self.child.wait().unwrap();
        (status.code(), clock.monotonic())
    }
}

/// Sends a process a signal.
pub(crate) fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args([name, &pid]).status().unwrap();
    assert!(sent.success());
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An endpoint that takes every call and answers none.
pub(crate) struct Silence {
    port: u16,
    asked: Receiver<TcpStream>,
}

impl Silence {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (send, asked) = channel();
        thread::spawn(move || listener.incoming().flatten().try_for_each(|stream| send.send(stream)));
        Self { port, asked }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Waits until somebody waits for an answer. The connection stays open as long as what is returned.
    pub(crate) fn wait_for_a_call(&self) -> TcpStream {
        self.asked.recv_timeout(PATIENCE).expect("a call")
    }
}

fn section(source: &str, arn: &str) -> String {
    format!(
        "[[route]]\nsource = \"{source}\"\ntarget_group = \"{arn}\"\nflap_moves_max = 0\n[route.instances]\n\
         {source}-instance-1 = \"{OLD}\"\n{source}-instance-2 = \"{NEW}\"\n"
    )
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// A delivery of the corpus, told of yesterday: one of long ago moves nothing, and one of tomorrow cannot be true.
pub(crate) fn sample(name: &str) -> String {
    let path = format!("{}/tests/corpus/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let now = SystemClock::start().wall().as_millis();
    let yesterday = Timestamp::from_millis(now - 24 * 60 * 60 * 1000).to_string();
    let days = ["2026-05-06", "2026-11-30"];
    days.iter().fold(text, |text, day| text.replace(day, &yesterday[..10]))
}

/// An event of EventBridge: a failover of `source` to its instance `n`, completed at this second.
pub(crate) fn completed(source: &str, instance: u32, second: u32) -> String {
    let text = sample("aurora-failover-completed.eventbridge");
    let (minutes, seconds) = (second / 60, second % 60);
    text.replace("aurora-source-instance-2", &format!("aurora-source-instance-{instance}"))
        .replace("aurora-source", source)
        .replace("23:08:24.252Z", &format!("23:{minutes:02}:{seconds:02}.000Z"))
}
