//! The world in memory: the same ports with AWS's real semantics, on a clock that can be steered.
//!
//! No mock: FIFO groups, visibility, draining, registration delay and API quotas are modelled, since no
//! stand-in models a Network Load Balancer. The demo, the simulation and the crash matrix run here, on the
//! worker's real code. DynamoDB is a real engine in-process, so the ledger's statements are under test too.
//!
//! Everything runs on one thread under tokio's paused clock: time moves only when everyone waits.

pub mod clock;
pub mod dynamodb;
pub mod faults;
