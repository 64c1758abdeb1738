//! What people see of routes, typed as commands: real workers and a real ledger in the embedded world, whose clock is
//! paused.
#![expect(clippy::unwrap_used, reason = "a test stops where a step fails")]

mod explaining;
mod provenance;
mod restored;
mod showing;
mod surveying;
mod unread;
mod unresolved;
mod watching;
