//! Text to domain and back: the shapes of what comes in and of what is stored.
pub mod record;
