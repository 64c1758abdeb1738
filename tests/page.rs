//! The page of a worker, over real HTTP on loopback: what it shows of a day in the embedded world, and what it must
//! never do.
#![cfg(feature = "embedded")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where a step fails")]

#[path = "page/browser.rs"]
mod browser;
#[path = "page/connections.rs"]
mod connections;
#[path = "page/fleet.rs"]
mod fleet;
#[path = "page/hangs.rs"]
mod hangs;
#[path = "page/http.rs"]
mod http;
#[path = "page/markup.rs"]
mod markup;
#[path = "page/metrics.rs"]
mod metrics;
mod rig;
#[path = "page/shown.rs"]
mod shown;
#[path = "page/world.rs"]
mod world;
