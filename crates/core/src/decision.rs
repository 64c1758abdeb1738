//! What evidence does to a route.

pub mod admission;
pub mod checks;
pub mod event;
pub mod goal;
pub mod holds;
pub mod missing_name;
pub mod supersede;
pub mod unresolved;
pub mod verdict;
