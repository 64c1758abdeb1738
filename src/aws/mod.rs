//! The adapters to AWS, one per service. No type of the SDK leaves this room.
pub mod dynamodb;
