//! Why a name gave no address, in words and as a failed call.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::Name;

use crate::error::invalid;
use writerlink_engine::ports::{CallError, ErrorKind, NO_SUCH_NAME};

/// What a look-up is called in a [`CallError`]; there is no API that would name it.
const DNS_LOOKUP: &str = "DnsLookup";

/// The response code by which a name server says that it does not work for us.
const REFUSED: &str = "REFUSED";

/// Why a name gave no address to rely on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAddress {
    /// It cannot be a name.
    #[error("{name:?} is no DNS name ({why})")]
    Malformed {
        /// What was to be looked up.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// It does not exist.
    #[error("{0} does not exist (NXDOMAIN)")]
    Unknown(String),
    /// It exists, but has no address of the families asked for.
    #[error("{0} has no address of a family that allowed_cidrs holds (an empty answer)")]
    Empty(String),
    /// It has several: which of them is the instance, nobody can tell.
    #[error("{name} has {} addresses ({}): which one counts cannot be told", .ips.len(), listed(.ips))]
    Many {
        /// The name.
        name: String,
        /// Its addresses, in order.
        ips: Vec<IpAddr>,
    },
    /// A name server answered, with an error.
    #[error("the name server answers {code} for {name}")]
    Refused {
        /// The name.
        name: String,
        /// The response code, as the protocol calls it.
        code: String,
    },
    /// There was no answer.
    #[error("no answer for {name}: {why}")]
    Silent {
        /// The name.
        name: String,
        /// What happened instead.
        why: String,
    },
}

fn listed(ips: &[IpAddr]) -> String {
    let texts: Vec<String> = ips.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

impl NoAddress {
    /// Whether a name server said it: another one that says something else would not be more right.
    pub(super) fn is_an_answer(&self) -> bool {
        match self {
            Self::Malformed { .. } | Self::Unknown(_) | Self::Empty(_) | Self::Many { .. } => true,
            Self::Refused { .. } | Self::Silent { .. } => false,
        }
    }

    /// What a server did, where its own address stands before it.
    fn of_a_server(&self) -> String {
        match self {
            Self::Refused { code, .. } => format!("answers {code}"),
            Self::Silent { why, .. } => format!("does not answer ({why})"),
            Self::Malformed { .. } | Self::Unknown(_) | Self::Empty(_) | Self::Many { .. } => {
                self.to_string()
            }
        }
    }
}

/// What a look-up comes to that every server failed at: what they all say, or what each of them does.
pub(super) fn nobody(name: &Name, failed: &[(SocketAddr, NoAddress)]) -> NoAddress {
    let mut reasons = failed.iter().map(|(_, why)| why);
    if let Some(first) = reasons.next()
        && reasons.all(|why| why == first)
    {
        return first.clone();
    }
    let each = failed.iter().map(|(server, why)| format!("{server} {}", why.of_a_server()));
    let why = each.collect::<Vec<_>>().join("; ");
    NoAddress::Silent {
        name: plain(name),
        why: if why.is_empty() { "there is no name server to ask".to_owned() } else { why },
    }
}

impl From<NoAddress> for CallError {
    fn from(why: NoAddress) -> Self {
        let (kind, code) = match &why {
            NoAddress::Malformed { .. } => (ErrorKind::Invalid, "InvalidName"),
            NoAddress::Many { .. } => (ErrorKind::Invalid, "ManyAddresses"),
            NoAddress::Unknown(_) => (ErrorKind::Missing, NO_SUCH_NAME),
            NoAddress::Empty(_) => (ErrorKind::Missing, "NODATA"),
            NoAddress::Refused { code, .. } if code == REFUSED => (ErrorKind::Denied, REFUSED),
            NoAddress::Refused { code, .. } => (ErrorKind::Unreachable, code.as_str()),
            NoAddress::Silent { .. } => (ErrorKind::Unreachable, ""),
        };
        Self { call: DNS_LOOKUP, kind, code: code.to_owned(), message: why.to_string(), request_id: None }
    }
}

/// What a look-up of `name` that failed comes to.
pub(super) fn no_address(name: &str, error: &NetError) -> NoAddress {
    let name = name.to_owned();
    match error {
        // The name that was asked for last: where the first one is an alias, the one that it leads to.
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => NoAddress::Unknown(plain(none.query.name())),
            _ => NoAddress::Empty(plain(none.query.name())),
        },
        NetError::Dns(DnsError::ResponseCode(code)) => {
            let code = match code {
                ResponseCode::ServFail => "SERVFAIL".to_owned(),
                ResponseCode::Refused => REFUSED.to_owned(),
                other => format!("{other:?}").to_ascii_uppercase(),
            };
            NoAddress::Refused { name, code }
        }
        error => NoAddress::Silent { name, why: error.to_string() },
    }
}

/// There is no resolver to look anything up with.
pub(super) fn unopened(error: &NetError) -> CallError {
    invalid(DNS_LOOKUP, "NoNameServer", error.to_string())
}

/// A name in lower case and without a dot at the end.
pub(super) fn plain(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}
