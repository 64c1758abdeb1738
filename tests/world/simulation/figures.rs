//! What a run of many seeds has seen, in one line.

use std::collections::BTreeMap;
use std::time::Duration;

use super::stage::Played;

/// Sums over seeds.
#[derive(Default)]
pub(crate) struct Figures {
    seeds: u64,
    simulated: Duration,
    faults: BTreeMap<&'static str, u64>,
    attempts: usize,
    moves: usize,
    late_effects: u64,
    repaired: u64,
    orders: u64,
    lost: u64,
    told_by_hand: u64,
}

impl Figures {
    pub(crate) fn add(&mut self, played: &Played) {
        self.seeds += 1;
        self.simulated += played.simulated;
        for (kind, count) in &played.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        self.attempts += played.attempts();
        self.moves += played.moves;
        self.late_effects += played.late_effects;
        self.repaired += played.repaired;
        self.orders += played.orders;
        self.lost += played.lost;
        self.told_by_hand += played.told_by_hand;
    }

    pub(crate) fn line(&self, failures: usize, took: Duration) -> String {
        let by_kind: Vec<String> =
            self.faults.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        format!(
            "simulation: {} seeds, {} simulated hours, {} faults injected ({}), {} attempts, {} moves, \
             {} late effects, {} events lost, {} orders, {} routes made right by the timer alone, {} by a person, \
             {failures} failures, {} s\n",
            self.seeds,
            self.simulated.as_secs() / 3600,
            self.faults.values().sum::<u64>(),
            by_kind.join(", "),
            self.attempts,
            self.moves,
            self.late_effects,
            self.lost,
            self.orders,
            self.repaired.saturating_sub(self.told_by_hand),
            self.told_by_hand,
            took.as_secs()
        )
    }
}
