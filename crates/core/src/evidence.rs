//! What says where a route should point: events, commands and readings of discovery sources.

pub mod desired;
pub mod discovery;
pub mod drift;
pub mod event;
pub mod identity;
pub mod routing;
pub mod sql;
pub mod trigger;
