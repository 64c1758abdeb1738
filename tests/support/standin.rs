//! A stand-in as a child process that cannot outlive the tests.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// How often, and for how long in all, a starting process is asked whether it is ready. It takes about
/// 0.4 s; a loaded machine may take much longer.
const POLL_EVERY: Duration = Duration::from_millis(20);
const POLLS_MAX: u32 = 1_500;

/// How many ports are tried: between finding a free one and the child's taking it, somebody else may.
const STARTS_MAX: u32 = 5;

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_mins(1);

/// Becomes the program, with a watcher beside it that ends it when the pipe on standard input closes. The
/// kernel closes it when the tests' process ends, however it ends, so no run leaves a stand-in behind. Not
/// by a polite signal: microburst would first wait for the connections it was told to hold.
const UNDER_A_WATCHER: &str =
    r#"exec 3<&0; (cat <&3 >/dev/null; kill -9 $$ 2>/dev/null) & exec "$@" 3<&- </dev/null"#;

/// The same program under a watcher: it ends when its standard input, which has to be a pipe, closes. Its
/// process number is the program's own. Nothing of `command` but its program, arguments and variables is kept.
pub fn under_a_watcher(command: &Command) -> Command {
    let mut watched = Command::new("/bin/sh");
    let program = command.get_program();
    watched.args(["-c", UNDER_A_WATCHER]).arg(program).arg(program);
    watched.args(command.get_args());
    watched.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    watched
}

/// A running stand-in. Dropping it ends it.
pub(super) struct Standin {
    pub(super) port: u16,
    health: &'static str,
    log: PathBuf,
    plain: Command,
    child: Mutex<Child>,
}

/// What is to be started.
pub(super) struct Program {
    /// The name of its script in `.venv/bin`.
    pub(super) name: &'static str,
    /// The path that answers 200 once it is ready.
    pub(super) health: &'static str,
}

impl Standin {
    /// Starts a program on a free port and waits until it is ready. `configure` tells it its port.
    pub(super) fn start(program: &Program, configure: impl Fn(&mut Command, u16)) -> Self {
        let script = script(program.name);
        for _ in 0..STARTS_MAX {
            let port = free_port();
            let log = log_file(program.name, port);
            File::create(&log).expect("the target directory is writable");
            let mut plain = Command::new(&script);
            configure(&mut plain, port);
            let started =
                Self { port, health: program.health, child: Mutex::new(launched(&plain, &log)), log, plain };
            if started.becomes_ready() {
                return started;
            }
        }
        panic!(
            "{} ended {STARTS_MAX} times right after its start; see the logs in {}",
            program.name,
            env!("CARGO_TARGET_TMPDIR")
        );
    }

    /// Waits until it answers; `false` if it ends before.
    fn becomes_ready(&self) -> bool {
        for _ in 0..POLLS_MAX {
            if http(self.port, "GET", self.health, "").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
            {
                return true;
            }
            if self.child().try_wait().is_ok_and(|ended| ended.is_some()) {
                return false;
            }
            thread::sleep(POLL_EVERY);
        }
        panic!("no answer on port {} in time; see {}", self.port, self.log.display());
    }

    /// Sends a signal to the program.
    pub(super) fn signal(&self, name: &str) {
        let pid = self.child().id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status();
        assert!(sent.is_ok_and(|sent| sent.success()), "{name} was not sent");
    }

    /// Tells it to end, waits for that, and starts it again at the same port.
    pub(super) fn restart(&self) {
        self.signal("-TERM");
        let mut child = self.child();
        // Waiting would close it, and the watcher would end what is still keeping its state.
        let watched = child.stdin.take();
        child.wait().expect("a child can be waited for");
        drop(watched);
        *child = launched(&self.plain, &self.log);
        drop(child);
        assert!(self.becomes_ready(), "port {} was taken meanwhile", self.port);
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().expect("nobody panics with it in hand")
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        // Closing the pipe is what ends it; waiting leaves no zombie.
        let mut child = self.child();
        drop(child.stdin.take());
        drop(child.wait());
    }
}

/// The program under a watcher, its output at the end of the log.
fn launched(plain: &Command, log: &Path) -> Child {
    let output = File::options().append(true).open(log);
    let output = output.expect("the log is there");
    let errors = output.try_clone().expect("a file handle can be cloned");
    let mut command = under_a_watcher(plain);
    command.stdin(Stdio::piped()).stdout(output).stderr(errors);
    command.spawn().expect("a shell can be started")
}

/// A script of the virtual environment. A missing one fails the test: a wire test that is skipped proves
/// nothing and looks green.
fn script(name: &str) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin").join(name);
    assert!(script.exists(), "{} is missing: run `make venv` first", script.display());
    script
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

fn log_file(name: &str, port: u16) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{port}.log"))
}

/// One exchange with a stand-in's own control interface.
pub(super) fn http(port: u16, method: &str, path: &str, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
