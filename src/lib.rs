//! The program: commands, configuration, `check` and the page. Its libraries are in `crates`; see
//! ARCHITECTURE.md.

pub mod cli;
pub mod config;
pub mod connect;
pub mod emf;
pub mod preflight;
pub mod telemetry;
pub mod web;
