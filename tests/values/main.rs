//! What is read, as values: the texts of events, fuzzed. What is decided is tested in `crates/core/tests/domain`.

mod text;
