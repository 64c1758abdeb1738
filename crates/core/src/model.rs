//! Names, addresses, times, reasons and policies: the words of everything above.

pub mod ids;
pub mod names;
pub mod outcome;
pub mod policy;
pub mod provenance;
pub mod reason;
pub mod route;
pub mod source_arn;
pub mod target;
pub mod time;
