//! The agent beside HAProxy: it answers which server is usable, from the ledger (`strategy = "relay"`).
//!
//! HAProxy asks about each server (`agent-check`), and the agent answers from a strongly consistent read. On a change it
//! also pushes the same words over HAProxy's socket; the poll stays the truth. What a relay has applied it reports.

mod agent;
mod answers;

pub use crate::relay::agent::{Agent, AgentPace, AgentPorts, Haproxy, NotPushed};
pub use crate::relay::answers::{Answer, Now, RelayAnswers, RelaySwitch};
