//! The embedded simulation: the same ports with AWS's real semantics, on a clock that can be steered.
//!
//! No mock: FIFO groups, visibility, draining, registration delay and API quotas are modelled, since no
//! stand-in models a Network Load Balancer. The demo, the simulation and the crash matrix run here, on the
//! worker's real code. DynamoDB is a real engine in-process, so the ledger's statements are under test too.
//!
//! Everything runs on one thread under tokio's paused clock: time moves only when everyone waits.

mod clients;
pub mod clock;
pub mod databases;
pub mod dynamodb;
pub mod event_bodies;
pub mod faults;
mod fifo;
pub mod fleet;
pub mod haproxy;
pub mod health;
pub mod installation;
pub mod listener;
pub mod load_balancer;
pub mod notices;
pub mod plans;
pub mod process;
pub mod queue;
pub mod quota;
pub mod relay;
pub mod target_group;
pub mod world;
