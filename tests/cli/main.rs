//! What a person types and what comes back: the program itself, its commands at a desk in the embedded world,
//! and the page.

mod audit;
mod check;
mod demo;
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where a step fails")]
mod desk;
mod events;

mod orders;
mod page;
mod program;
mod recovery;
#[path = "../rig/mod.rs"]
mod rig;
mod status;
mod tapes;
