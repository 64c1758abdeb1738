//! What is decided and what is read, as values: no clock, no world, no call.
//!
//! ```text
//! cargo test --test values domain::    the decisions
//! cargo test --test values text::      the texts of events, fuzzed
//! ```

mod domain;
mod text;
