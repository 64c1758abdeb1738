//! What a failover means, what to do about it, and what is recorded.
//!
//! **Invariant of this room:** values in, values out. No async, no clock, no environment, no logging, no
//! SDK. Time, randomness and identity are arguments. `jiff` and `ipnet` are here for their values alone.
//!
//! Data flows one way: an [`event::RdsEvent`], the witnesses' word or a person's becomes [`event::Evidence`], [`decide::decide`] turns it
//! into a [`decide::Decision`], [`plan::plan`] into calls, and [`transition`] into what the ledger keeps.
#![deny(clippy::wildcard_enum_match_arm)]

mod admit;
pub mod aim;
pub mod audit;
pub mod bucket;
pub mod chain_end;
pub mod change;
pub mod decide;
pub mod drift;
pub mod event;
pub mod follow;
pub mod ground;
pub mod identity;
pub mod lease;
pub mod missing_name;
mod names;
pub mod past;
pub mod plan;
pub mod policy;
pub mod provenance;
pub mod reason;
pub mod rebuild;
pub mod room;
pub mod route;
pub mod routing;
pub mod safety;
pub mod sources;
pub mod standing;
pub mod supersede;
pub mod target;
pub mod time;
pub mod transition;
pub mod truth;
pub mod turns;
pub mod unresolved;
pub mod walk;
pub mod weights;
