//! The audit commands, typed in the embedded world: a real ledger, real workers, and a clock that is paused.
#![cfg(feature = "embedded")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where a step fails")]

#[path = "audit/archive.rs"]
mod archive;
#[path = "audit/asking.rs"]
mod asking;
#[path = "orders/desk.rs"]
mod desk;
#[path = "audit/exporting.rs"]
mod exporting;
#[path = "audit/following.rs"]
mod following;
#[path = "audit/hidden.rs"]
mod hidden;
#[path = "audit/reading.rs"]
mod reading;
#[path = "audit/restored.rs"]
mod restored;
mod rig;
#[path = "audit/verifying.rs"]
mod verifying;
