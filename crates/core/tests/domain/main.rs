//! What the pure domain promises, by values and by properties.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail loudly")]
#![expect(clippy::panic, reason = "a test's helpers may fail loudly")]

mod aim;
mod asking;
mod audit;
mod chain_end;
mod decide;
mod drift;
mod event;
mod follow;
mod history;
mod identity;
mod missing_name;
mod open;
mod orders;
mod past;
mod plan;
mod provenance;
mod rebuild;
mod relay;
mod room;
mod route_health;
mod routing;
mod safety;
mod sources;
mod sql;
mod steps;
mod transition;
mod unresolved;
mod values;
mod waiting;
mod walk;
mod watch;
mod words;
