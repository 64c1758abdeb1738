//! The only place where deciding and acting alternate: the ports, an attempt, the worker and its timer, what is
//! read from and written to the wire, telemetry and the survey of all routes.

pub mod attempt;
pub mod audit_chain;
pub mod audit_query;
pub mod health;
pub mod ports;
pub mod relay;
pub mod schema;
pub mod survey;
pub mod system_clock;
pub mod telemetry;
pub mod text;
pub mod timer;
pub mod wire;
pub mod worker;
