//! When what happens: messages in bursts, workers killed, stopped, continued and told to end at random moments.

use std::time::Duration;

use fastrand::Rng;

/// How many workers there are.
pub(crate) const WORKERS: usize = 3;

/// How much time each message adds, on average: about what three workers get done on a slow machine, so that
/// they have something in hand most of the time.
const PER_MESSAGE: Duration = Duration::from_millis(400);

/// Past the lease (15 s) and everything a contender may wait for by the clock (10 s), and past the visibility
/// of its messages (30 s): another worker has the route when this one goes on.
const STALL_PAST_VISIBILITY: Duration = Duration::from_secs(36);

/// Past the lease alone: it is over, and the messages are still this worker's.
const STALL_PAST_LEASE: Duration = Duration::from_secs(19);

/// How much longer a stall may be, at random.
const STALL_MORE_MS: u64 = 4000;

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    /// Send the next message.
    Send,
    /// `kill -9` a worker.
    Kill(usize),
    /// SIGSTOP a worker, and SIGCONT it after this long.
    Stall(usize, Duration),
    /// SIGTERM a worker.
    Terminate(usize),
    /// The emulator stands still.
    Freeze,
    /// The emulator ends and starts again.
    Restart,
    /// Keep what the state table holds.
    Backup,
    /// Kill every worker, and put the state table back to the backup.
    Restore,
    /// Open more connections to a worker than it has descriptors, and send nothing.
    Exhaust(usize),
}

/// What to do how long after the beginning, in order of time.
pub(crate) fn schedule(seed: u64, messages: usize) -> Vec<(Duration, Act)> {
    // Not the story's numbers: a change of one must not be a change of the other.
    let mut rng = Rng::with_seed(seed ^ 0x5EED);
    let messages = u32::try_from(messages).unwrap();
    let whole = PER_MESSAGE * messages;
    let mut acts = Vec::new();
    let mut left = messages;
    while left > 0 {
        let burst = (1 + rng.u32(..6)).min(left);
        left -= burst;
        let when = within(&mut rng, whole);
        acts.extend((0..burst).map(|_| (when, Act::Send)));
    }
    let kills = (messages / 40).max(2);
    for nth in 0..kills {
        let when = whole / kills * nth + within(&mut rng, whole / kills);
        acts.push((when, Act::Kill(rng.usize(..WORKERS))));
    }
    let few = (messages / 80).max(1);
    for nth in 0..few {
        let when = whole / few * nth + within(&mut rng, whole / few);
        acts.push((when, Act::Terminate(rng.usize(..WORKERS))));
    }
    // One worker after another, so that two stalls in a row, which may overlap, are of two workers.
    for (nth, worker) in (0..few).zip((0..WORKERS).cycle()) {
        let least = if nth.is_multiple_of(2) { STALL_PAST_VISIBILITY } else { STALL_PAST_LEASE };
        let long = least + Duration::from_millis(rng.u64(..STALL_MORE_MS));
        let when = whole / few * nth + within(&mut rng, whole / few / 3);
        acts.push((when, Act::Stall(worker, long)));
    }
    // Each of its own part of the time: a restore needs a backup before it, with events in between.
    let disasters = (messages / 160).max(1);
    for nth in 0..disasters {
        let part = whole / disasters;
        let place = rng.usize(..WORKERS);
        let mut once = |from: f64, to: f64, act| {
            let when = part * nth + part.mul_f64(from + (to - from) * rng.f64());
            acts.push((when, act));
        };
        once(0.05, 0.20, Act::Exhaust(place));
        once(0.20, 0.35, Act::Backup);
        once(0.35, 0.50, Act::Freeze);
        once(0.60, 0.75, Act::Restart);
        once(0.80, 0.95, Act::Restore);
    }
    acts.sort();
    acts
}

fn within(rng: &mut Rng, whole: Duration) -> Duration {
    whole.mul_f64(rng.f64())
}
