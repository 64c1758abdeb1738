//! Database servers of a test's own, and the certificates that they show.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// How long a server may take to listen: two busy cores, and a data directory that is new.
const POLLS_MAX: u32 = 600;
const POLL_EVERY: Duration = Duration::from_millis(100);

pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where Debian keeps servers: not all of it is on the PATH.
pub(super) fn program(name: &str) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    folders.extend(["/usr/sbin".into(), "/usr/local/bin".into()]);
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    folders.extend(versions.map(|version| version.path().join("bin")));
    folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Says where everybody sees it that a test proves nothing here.
pub(super) fn skipped(package: &str) {
    use std::io::Write as _;
    let mut out = std::io::stderr().lock();
    writeln!(out, "SKIPPED: sql discovery was not tried against a real server: {package} is not installed")
        .unwrap();
}

/// The user and group under which a server runs, if this process is root: a database refuses to be.
#[derive(Clone, Copy)]
pub(super) struct Account(Option<(u32, u32)>);

impl Account {
    pub(super) fn of(name: &str) -> Self {
        let is_root = fs::read_to_string("/proc/self/status")
            .unwrap()
            .lines()
            .any(|line| line.starts_with("Uid:\t0\t"));
        let passwd = fs::read_to_string("/etc/passwd").unwrap();
        let line = passwd.lines().find(|line| line.starts_with(&format!("{name}:")));
        let ids = line.map(|line| {
            let mut ids = line.split(':').skip(2).map(|id| id.parse().unwrap());
            (ids.next().unwrap(), ids.next().unwrap())
        });
        Self(ids.filter(|_| is_root))
    }

    pub(super) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Self(Some((uid, gid))) = self {
            command.uid(uid).gid(gid);
        }
        command.stdin(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Makes a file or folder the server's own, and nobody else's.
    pub(super) fn owns(self, path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        if let Self(Some((uid, gid))) = self {
            chown(path, Some(uid), Some(gid)).unwrap();
        }
    }
}

/// A folder that every user can go through, gone with its owner.
pub(super) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

pub(super) fn succeeds(command: &mut Command) -> String {
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// A server process. It ends with its owner.
pub(super) struct Process {
    command: Command,
    child: Option<Child>,
    address: (String, u16),
}

impl Process {
    pub(super) fn start(command: Command, ip: &str, port: u16) -> Self {
        let mut process = Self { command, child: None, address: (ip.to_owned(), port) };
        process.go();
        process
    }

    /// Starts it, and waits until it listens.
    pub(super) fn go(&mut self) {
        self.child = Some(self.command.spawn().unwrap());
        let (ip, port) = (&self.address.0, self.address.1);
        for _ in 0..POLLS_MAX {
            if TcpStream::connect((ip.as_str(), port)).is_ok() {
                return;
            }
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the server ended at its start: {:?}", self.command);
            thread::sleep(POLL_EVERY);
        }
        panic!("the server does not listen: {:?}", self.command);
    }

    pub(super) fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        succeeds(Command::new("kill").args([name, &pid]));
    }

    /// Ends it with this signal, as a crash or as an operator does.
    pub(super) fn end(&mut self, signal: &str) {
        self.signal(signal);
        drop(self.child.take().unwrap().wait());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // One that stands still is killed all the same.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// An authority, and a server certificate of it for these names, such as `DNS:db-1.example.com,IP:127.0.0.1`.
pub(super) struct Certificates {
    pub(super) authority: PathBuf,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Certificates {
    pub(super) fn new(folder: &Path, names: &str) -> Self {
        let at = |file: &str| folder.join(file);
        let openssl = |arguments: &[&str]| {
            succeeds(Command::new("openssl").args(arguments).current_dir(folder));
        };
        let request = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let own =
            ["-x509", "-days", "2", "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem"];
        openssl(&[&request[..], &own].concat());
        openssl(
            &[&request[..], &["-subj", "/CN=test server", "-keyout", "server.key", "-out", "server.csr"]]
                .concat(),
        );
        fs::write(at("names"), format!("subjectAltName={names}\nbasicConstraints=CA:FALSE\n")).unwrap();
        openssl(&[
            "x509",
            "-req",
            "-in",
            "server.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "names",
            "-out",
            "server.pem",
        ]);
        Self { authority: at("ca.pem"), certificate: at("server.pem"), key: at("server.key") }
    }
}
