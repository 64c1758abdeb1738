//! The audit commands, typed in the embedded world: a real ledger, real workers, and a clock that is paused.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where a step fails")]

mod archive;
mod asking;
mod exporting;
mod following;
mod hidden;
mod reading;
mod restored;
mod verifying;
