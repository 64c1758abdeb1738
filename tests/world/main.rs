//! The real worker in the embedded world, whose clock is paused: scenarios, every crash, seeds, and the model of
//! all of it. Most of it is computing, so that no test here may depend on the real clock.
//!
//! ```text
//! cargo test --test world simulation::     the seeds of every day
//! cargo test --test world crash_points::   every call of a run, struck by every fault
//! cargo test --test world model::          every order of steps within bounds
//! ```

mod chain;
mod crash_points;
mod identity;
mod lagging;
mod model;
mod names;
mod relay;
#[path = "../rig/mod.rs"]
mod rig;
mod scenarios;
mod shedding;
mod simulation;
mod sql;
mod stopping;
mod timer;
mod together;
mod turns;
mod unresolved;
mod weighted;

/// A world makes and drops millions of small things, and the C library's `malloc` was a quarter of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
