//! The program: what people type, read and configure. What it is made of stands below `crates`; see ARCHITECTURE.md.

pub mod cli;
pub mod config;
pub mod connect;
pub mod emf;
pub mod preflight;
pub mod telemetry;
pub mod web;
