//! How a move is made: which calls, in which order, how fast, and what is awaited of it.

pub mod health;
pub mod plan;
pub mod quota;
pub mod relay;
pub mod room;
pub mod token_bucket;
pub mod weights;
