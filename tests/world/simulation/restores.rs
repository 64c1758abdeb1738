//! Which tables a seed restores, and when.

use std::time::Duration;

use fastrand::Rng;

use super::script::Act;
use crate::rig::invariants::restored::Loss;

/// In one world of so many a table is restored, once: what it meets there are the other faults.
const ONE_WORLD_IN: u8 = 4;

/// The most that is lost, in milliseconds: a move and what follows of it, or several.
const LOST_MS_MAX: u64 = 30_000;

/// Makes the randomness of restores another one than that of everything else: a seed without one plays the world that
/// it has always played.
const OWN_RANDOMNESS: u64 = 0x7e57_0fed;

/// The backup and the restore of a seed, if it has them.
pub(crate) fn restores(seed: u64, routes: usize, storm: Duration) -> Vec<(Duration, Act)> {
    let mut random = Rng::with_seed(seed ^ OWN_RANDOMNESS);
    if random.u8(0..ONE_WORLD_IN) > 0 {
        return Vec::new();
    }
    let route = random.usize(0..routes);
    let loss = match random.u8(0..8) {
        0..=2 => Loss::Row(route),
        3 | 4 => Loss::Deleted(route),
        5 | 6 => Loss::States,
        _ => Loss::Records,
    };
    let at = storm.mul_f64(0.95 * random.f64());
    let since = Duration::from_millis(random.u64(1..LOST_MS_MAX));
    vec![(at.saturating_sub(since), Act::Backup), (at, Act::Restore(loss))]
}
