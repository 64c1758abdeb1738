//! What a person orders, typed as commands: real workers and a real ledger in the embedded world, whose clock is
//! paused.
#![expect(clippy::unwrap_used, reason = "a test stops where a step fails")]

mod checking;
mod holding;
mod moving;
mod saying;
