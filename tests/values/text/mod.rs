//! What the room `wire` promises about deliveries: one sentence each, over texts that AWS has sent or
//! could.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail loudly")]
#![expect(clippy::panic, reason = "a test's helpers may fail loudly")]

mod corpus;
mod envelopes;
mod fuzz;
mod identity;
mod limits;
mod mutation;
mod oracle;
mod samples;
mod strictness;
mod tolerance;
