//! Why a command did not do what was asked: what, why, and what to do.

use std::process::ExitCode;
use std::{fmt, io};

use crate::config::{CONFIG_TEXT_VARIABLE, CONFIG_VARIABLE, ConfigError, IP_DICT, TARGET_GROUP_ARN};
use crate::telemetry::TelemetryError;
use writerlink_engine::ports::{CallError, ErrorKind, NO_CREDENTIALS};

/// How the process ends. The numbers are documented in `--help` and are not to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// What was asked is done.
    Done,
    /// It is not.
    Error,
    /// What was asked makes no sense.
    Usage,
    /// A plan is not empty, and the caller wants to know by the code.
    PlanNotEmpty,
    /// A route is not in sync, and the caller wants to know by the code.
    NotInSync,
    /// A route is held, none is worse, and the caller wants to know by the code.
    Held,
    /// Records were changed or left out.
    Unverified,
    /// A safety rule forbids it.
    Refused,
    /// Another process holds the route's lease.
    LeaseHeld,
    /// The group is not as it should be, and time is up.
    NotConverged,
}

impl Exit {
    /// Its number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::Usage | Self::PlanNotEmpty | Self::NotInSync => 2,
            Self::Unverified => 3,
            Self::Held => 4,
            Self::Refused => 5,
            Self::LeaseHeld => 6,
            Self::NotConverged => 7,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// Why a command failed. Shown whole: what, why, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A result could not be written.
    Output(#[from] io::Error),
    /// There is no usable configuration.
    Config(#[from] ConfigError),
    /// There is no log.
    Telemetry(#[from] TelemetryError),
    /// A call of AWS failed.
    Call {
        /// What it was made for, as in "reading the audit records".
        doing: String,
        /// How it failed.
        source: CallError,
    },
    /// Calls would go to another Region than that of the target groups.
    OtherRegion {
        /// Where they would go.
        calls: String,
        /// Where the groups are.
        groups: String,
    },
    /// Anything else, in the words of the command.
    Told {
        /// What did not happen.
        what: String,
        /// Why.
        why: String,
        /// What to do.
        fix: String,
        /// How the process ends.
        exit: Exit,
    },
}

impl Failure {
    /// A call that failed while doing something.
    #[must_use]
    pub fn call(doing: &str, source: CallError) -> Self {
        let doing = doing.to_owned();
        Self::Call { doing, source }
    }

    /// A failure in the words of a command: what did not happen, why, what to do, and how the process ends.
    #[must_use]
    pub fn told(what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>, exit: Exit) -> Self {
        Self::Told { what: what.into(), why: why.into(), fix: fix.into(), exit }
    }

    /// How the process ends. A reader that has seen enough and closed the pipe (`| head`) is no failure.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Output(_)
            | Self::Config(_)
            | Self::Telemetry(_)
            | Self::Call { .. }
            | Self::OtherRegion { .. } => Exit::Error,
            Self::Told { exit, .. } => *exit,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output(error) => told(
                f,
                "the result could not be written",
                error,
                "free the space or mend the pipe. Questions can be asked again; what a command that changes something has done is on record: `writerlink audit list`",
            ),
            Self::Config(error) => config(f, error),
            Self::Telemetry(error) => told(
                f,
                "the log could not be started",
                error,
                "write a level (error, warn, info, debug, trace), or module=level, by commas",
            ),
            Self::Call { doing, source } => {
                told(f, format_args!("{doing} failed"), source, call_fix(source))?;
                match &source.request_id {
                    Some(id) => write!(f, "\n  request id: {id}"),
                    None => Ok(()),
                }
            }
            Self::OtherRegion { calls, groups } => told(
                f,
                format_args!("calls would go to {calls}, and the target groups are in {groups}"),
                "AWS_REGION, or the profile of the credentials, names another Region than the target groups' ARNs; queue and \
                 ledger are in the groups' Region",
                format_args!(
                    "set AWS_REGION={groups}, or correct the ARNs in the configuration; one worker serves one Region"
                ),
            ),
            Self::Told { what, why, fix, .. } => told(f, what, why, fix),
        }
    }
}

fn told(
    f: &mut fmt::Formatter<'_>,
    what: impl fmt::Display,
    why: impl fmt::Display,
    fix: impl fmt::Display,
) -> fmt::Result {
    write!(f, "{what}\n  why: {why}\n  fix: {fix}")
}

fn config(f: &mut fmt::Formatter<'_>, error: &ConfigError) -> fmt::Result {
    match error {
        ConfigError::Absent => told(
            f,
            "there is no configuration",
            format_args!(
                "neither --config nor {CONFIG_VARIABLE} names a file, {CONFIG_TEXT_VARIABLE} holds none, nor are the \
                 Lambda's variables set"
            ),
            format_args!(
                "write a file as in writerlink.example.toml and pass --config FILE or set \
                 {CONFIG_VARIABLE};\n       or set {TARGET_GROUP_ARN} and {IP_DICT}, as for the Lambda"
            ),
        ),
        ConfigError::Unreadable { source, .. } => {
            let fix = "check the path and its permissions; in a container, that the file is mounted";
            told(f, error, source, fix)
        }
        ConfigError::Faulty { faults, .. } => {
            write!(f, "{error}")?;
            faults.iter().try_for_each(|fault| write!(f, "\n\n{fault}"))
        }
    }
}

fn call_fix(error: &CallError) -> &'static str {
    match error.kind {
        ErrorKind::Denied if error.code == NO_CREDENTIALS => {
            "set AWS_PROFILE (and log in, with SSO: aws sso login), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; in ECS, \
             give the task a role"
        }
        ErrorKind::Missing if error.call.contains("Target") => {
            "check the route's target_group, and that account and Region are the group's"
        }
        ErrorKind::Missing if error.call.contains("Listener") => {
            "check the route's listener, and that account and Region are the listener's"
        }
        ErrorKind::Invalid if error.call.contains("Listener") => {
            "name a TCP or TLS listener whose one default action forwards to the route's target groups"
        }
        ErrorKind::Unreachable => "check the network, AWS_REGION and AWS_ENDPOINT_URL, and try again",
        ErrorKind::Throttled => "wait some seconds and try again",
        ErrorKind::Denied => {
            "check the credentials (aws sts get-caller-identity) and that their role allows the call"
        }
        ErrorKind::Missing => {
            "check account, Region and the names in the configuration; `writerlink setup` creates \
             queue and tables for a trial"
        }
        ErrorKind::Invalid => "this should not happen: please report it, request id included",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_closes_the_pipe_is_no_failure() {
        let failure = |kind: io::ErrorKind| Failure::Output(kind.into()).exit();
        assert_eq!(failure(io::ErrorKind::BrokenPipe), Exit::Done);
        assert_eq!(failure(io::ErrorKind::StorageFull), Exit::Error);
    }

    #[test]
    fn a_listener_that_cannot_be_used_is_told_what_it_has_to_be() {
        let fix = |kind| call_fix(&CallError::without_a_reply("DescribeListeners", kind, ""));
        assert!(fix(ErrorKind::Missing).contains("the route's listener"));
        assert!(fix(ErrorKind::Invalid).contains("TCP or TLS"));
    }

    #[test]
    fn a_failed_call_says_what_it_was_for_and_what_to_do() {
        let source = CallError {
            call: "Query",
            kind: ErrorKind::Denied,
            code: "AccessDeniedException".to_owned(),
            message: "not authorized".to_owned(),
            request_id: Some("R1".to_owned()),
        };
        insta::assert_snapshot!(Failure::call("reading the audit records", source), @r#"
    reading the audit records failed
      why: Query failed (denied, AccessDeniedException): not authorized
      fix: check the credentials (aws sts get-caller-identity) and that their role allows the call
      request id: R1
    "#);
    }

    #[test]
    fn without_a_configuration_both_ways_are_told() {
        insta::assert_snapshot!(Failure::Config(ConfigError::Absent), @r#"
    there is no configuration
      why: neither --config nor WRITERLINK_CONFIG names a file, WRITERLINK_CONFIG_TEXT holds none, nor are the Lambda's variables set
      fix: write a file as in writerlink.example.toml and pass --config FILE or set WRITERLINK_CONFIG;
           or set TARGET_GROUP_ARN and IP_DICT, as for the Lambda
    "#);
    }
}
