//! What a person orders, typed as commands: real workers and a real ledger in the embedded world, whose clock is
//! paused.
#![cfg(feature = "embedded")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where a step fails")]

#[path = "orders/checking.rs"]
mod checking;
#[path = "orders/desk.rs"]
mod desk;
#[path = "orders/holding.rs"]
mod holding;
#[path = "orders/moving.rs"]
mod moving;
mod rig;
#[path = "orders/saying.rs"]
mod saying;
