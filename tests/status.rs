//! What people see of routes, typed as commands: real workers and a real ledger in the embedded world, whose clock is
//! paused.
#![cfg(feature = "embedded")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where a step fails")]

#[path = "orders/desk.rs"]
mod desk;
#[path = "status/explaining.rs"]
mod explaining;
#[path = "status/provenance.rs"]
mod provenance;
#[path = "status/restored.rs"]
mod restored;
mod rig;
#[path = "status/showing.rs"]
mod showing;
#[path = "status/surveying.rs"]
mod surveying;
#[path = "status/unread.rs"]
mod unread;
#[path = "status/unresolved.rs"]
mod unresolved;
#[path = "status/watching.rs"]
mod watching;
