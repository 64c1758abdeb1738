//! What says where a route should point: events, commands and readings of discovery sources.

pub mod desired;
pub mod discovery;
pub mod drift;
pub mod event;
#[expect(clippy::module_inception, reason = "the room is called after the type that stands in this file")]
pub mod evidence;
pub mod identity;
pub mod routing;
