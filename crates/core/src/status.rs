//! A route's state for people, reckoned from what was read.

pub mod chain_end;
pub mod health;
pub mod last_move;
