//! The process: arguments, environment, clock and streams, handed to the library.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser as _;

use writerlink::cli::args::Args;
use writerlink::cli::{Answers, Exit, Failure, Look, Session};
use writerlink::connect::Aws;
use writerlink::{cli, telemetry};
use writerlink_engine::ports::Clock as _;
use writerlink_engine::system_clock::SystemClock;
use writerlink_engine::text::EscapingWriter;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    let (mut input, out, err) = (io::stdin(), io::stdout().lock(), io::stderr());
    let look = if out.is_terminal() { Look::of_terminal(&environment) } else { Look::Plain };
    // Both: the question is read on the one and answered on the other.
    let answers = if input.is_terminal() && err.is_terminal() { Answers::Person } else { Answers::Nobody };
    let (mut out, mut err) = (readable(out), readable(err));
    let log = args.global.log;
    let clock = SystemClock::start();
    let aws = Aws::new(&environment, clock);
    let mut session = Session {
        env: &environment,
        now: clock.wall(),
        connect: &aws,
        input: &mut input,
        out: &mut out,
        err: &mut err,
        log,
        look,
        answers,
    };
    let started = telemetry::start(log, session.env, Box::new(move || clock.wall()));
    let started = started.map_err(Failure::from).and_then(|()| runtime());
    match started {
        Ok(runtime) => {
            let exit = runtime.block_on(cli::run(args, &mut session));
            // The look-up of a name runs on a thread of its own and cannot be cut off; dropping the runtime
            // would wait for it, and whoever asked twice to stop would wait too.
            runtime.shutdown_background();
            exit.into()
        }
        Err(failure) => cli::tell(&failure, &mut session).into(),
    }
}

/// A stream as it is, for a program or a file; on a terminal a person is to see every character.
fn readable<'a>(stream: impl Write + IsTerminal + 'a) -> Box<dyn Write + 'a> {
    if stream.is_terminal() { Box::new(EscapingWriter::terminal(stream)) } else { Box::new(stream) }
}

/// Help and version were asked for; anything else is wrong usage.
fn usage(error: &clap::Error) -> ExitCode {
    let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
    match error.print() {
        // A failure to print is nearly always `--help | head`, and there is nobody left to tell.
        Ok(()) | Err(_) => exit.into(),
    }
}

/// One thread: the worker waits for AWS, it does not compute.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime)
}

fn environment(name: &str) -> Option<String> {
    // A value that is no UTF-8 is shown as well as it can be, and refused where it is checked.
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}
