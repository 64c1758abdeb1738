//! The page of a worker, over real HTTP on loopback: what it shows of a day in the embedded world, and what it must
//! never do.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where a step fails")]

mod browser;
mod connections;
mod fleet;
mod glance;
mod hangs;
mod http;
mod markup;
mod metrics;
mod shown;
mod world;
