//! What is stored of a route, and which changes of it are legal.

pub mod chain;
pub mod change;
pub mod changes;
pub mod holds;
pub mod lease;
pub mod rebuild;
pub mod record;
pub mod sources;
pub mod state;
pub mod unresolved;
