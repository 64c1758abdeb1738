//! What a failover means, what to do about it, and what is recorded: values in, values out.
//!
//! No async, no clock, no environment, no logging, no SDK, no serde. Time, randomness and identity are arguments.
//! The floors of this crate, each uses only those before it: `model`, `evidence`, `actuation`, `ledger`, `decision`,
//! `status`. Data flows one way: an [`evidence::event::RdsEvent`] becomes [`evidence::trigger::Evidence`],
//! [`decision::event`] turns it into a [`decision::verdict::Decision`], [`actuation::plan`] into calls, and
//! [`ledger::change`] into what the ledger keeps.
#![deny(clippy::wildcard_enum_match_arm)]

pub mod actuation;
pub mod decision;
pub mod evidence;
pub mod ledger;
pub mod model;
pub mod named;
pub mod status;
