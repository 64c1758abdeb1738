//! An event that cannot be acted on is part of its route's state until something resolves it (I9), and nothing moves
//! the route past one that only waits (I10): the real worker and its timer, in the embedded world, under paused time.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod map;
mod stage;
mod waits;
mod without_address;
