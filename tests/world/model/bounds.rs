//! What is explored: which story, with how many faults and orders of which kinds.

use writerlink_core::model::reason::Rule;

use super::protocol::Protocol;
use super::state::Faults;
use super::story::{Does, Story, When, Wish};

/// A bound that is explored to its end: nothing may fail in it, and everything that it makes possible has
/// to be seen.
pub struct Bound {
    pub name: &'static str,
    story: Story,
    faults: Faults,
    wishes: &'static [Wish],
}

impl Bound {
    pub fn new(name: &'static str, story: Story, faults: Faults) -> Self {
        Self { name, story, faults, wishes: &[] }
    }

    /// What people may order in it.
    pub fn ordered(self, wishes: &'static [Wish]) -> Self {
        Self { wishes, ..self }
    }

    pub fn model(&self) -> Protocol {
        Protocol::new(self.story, self.faults).ordered(self.wishes)
    }
}

/// Without faults; the bounds name those that they add.
pub const NONE: Faults = Faults {
    lost: 0,
    duplicates: 0,
    lapses: 0,
    crashes: 0,
    unanswered: 0,
    stalls: 0,
    slow: 0,
    looks: 0,
    toggles: 0,
    orders: 0,
    restores: 0,
};

/// The route is pinned to B while the failover to it is under way, so that the way back is held up; somebody unpins
/// it, or moves it past the pin.
pub const PINS: &[Wish] = &[
    Wish::new(Does::Pin(1), When::BeforeTheSecond),
    Wish::new(Does::Unpin, When::Last),
    Wish::new(Does::Swap(0), When::Last).past(&[Rule::Pinned]),
];

/// Somebody moves the route past its pause, or tries to with the name of another rule.
pub const FORCE: &[Wish] = &[
    Wish::new(Does::Swap(1), When::Last).past(&[Rule::Paused]),
    Wish::new(Does::Swap(1), When::BeforeTheSecond).past(&[Rule::Pinned]),
];

/// Somebody takes note that the route flaps, or moves it all the same.
pub const ACK: &[Wish] =
    &[Wish::new(Does::Acknowledge, When::Last), Wish::new(Does::Swap(0), When::Last).past(&[Rule::Flapping])];

pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Routes whose group is swapped, and a person who pauses and resumes.
pub fn swapped() -> Vec<Bound> {
    let faults = |stalls, unanswered, crashes| Faults { crashes, unanswered, stalls, ..NONE };
    let lapses = |faults| Faults { lapses: 1, ..faults };
    let lost = |faults| Faults { lost: 1, ..faults };
    let duplicates = |faults| Faults { duplicates: 1, ..faults };
    let looks = |faults| Faults { looks: 1, ..faults };
    let toggles = |toggles, faults| Faults { toggles, ..faults };
    let slow = |slow| Faults { slow, ..NONE };
    [
        ("stall, lapse", Story::ThereAndBack, lapses(faults(1, 0, 0))),
        ("stall, lapse, register first", Story::RegisterFirst, lapses(faults(1, 0, 0))),
        ("stall, unanswered", Story::ThereAndBack, faults(1, 1, 0)),
        ("stall, crash", Story::ThereAndBack, faults(1, 0, 1)),
        ("crash, duplicate", Story::ThereAndBack, duplicates(faults(0, 0, 1))),
        ("slow", Story::ThereAndBack, slow(5)),
        ("crash, unanswered", Story::ThereAndBack, faults(0, 1, 1)),
        ("pause, resume, stall", Story::ThereAndBack, toggles(2, faults(1, 0, 0))),
        ("pause, resume, crash, lost event", Story::ThereAndBack, toggles(2, lost(faults(0, 0, 1)))),
        ("stale discovery, pause, resume", Story::Witnessed, looks(toggles(2, NONE))),
        ("stale discovery, crash, stranger", Story::StrangerWitnessed, looks(faults(0, 0, 1))),
        ("stale discovery, stall", Story::Witnessed, looks(faults(1, 0, 0))),
        (
            "failover failed, stale discovery, crash, lost event",
            Story::FailoverFails,
            looks(lost(faults(0, 0, 1))),
        ),
        ("stale discovery, unanswered", Story::Witnessed, looks(faults(0, 1, 0))),
        ("stale discovery twice, lost event", Story::Witnessed, Faults { looks: 2, ..lost(NONE) }),
    ]
    .map(|(name, story, faults)| Bound::new(name, story, faults))
    .into()
}

/// Routes whose row is put back or deleted, beside another fault.
pub fn restored() -> Vec<Bound> {
    let restored = |faults| Faults { restores: 1, ..faults };
    let crash = Faults { crashes: 1, ..NONE };
    let stall = Faults { stalls: 1, ..NONE };
    let unanswered = Faults { unanswered: 1, ..NONE };
    let looks = Faults { looks: 1, ..NONE };
    [
        ("restore, there and back", Story::ThereAndBack, NONE),
        ("restore, crash", Story::ThereAndBack, crash),
        ("restore, unanswered", Story::Stranger, unanswered),
        ("restore, stall", Story::Stranger, stall),
        ("restore, stale discovery", Story::Witnessed, looks),
        ("weighted, restore, crash", Story::Weighted, crash),
    ]
    .map(|(name, story, faults)| Bound::new(name, story, restored(faults)))
    .into()
}

/// Routes that move a listener's weights.
pub fn weighted() -> Vec<Bound> {
    let bound = |name, story, faults| Bound::new(name, story, faults);
    let both = Faults { stalls: 1, crashes: 1, ..NONE };
    let lapse = Faults { stalls: 1, lapses: 1, ..NONE };
    let unheard = Faults { crashes: 1, unanswered: 1, ..NONE };
    let paused = Faults { stalls: 1, toggles: 2, ..NONE };
    let stale = Faults { looks: 1, stalls: 1, ..NONE };
    let dies = Faults { looks: 1, crashes: 1, ..NONE };
    vec![
        bound("weighted, stall, crash", Story::Weighted, both),
        bound("weighted, stall, lapse, register first", Story::WeightedRegisterFirst, lapse),
        bound("weighted, crash, unanswered", Story::Weighted, unheard),
        bound("weighted, pause, resume, stall", Story::Weighted, paused),
        bound("weighted, stale discovery, stall", Story::WeightedWitnessed, stale),
        bound("weighted, stale discovery, crash", Story::WeightedWitnessed, dies),
        bound("weighted, slow", Story::Weighted, Faults { slow: 4, ..NONE }),
    ]
}

/// People who pin, unpin, acknowledge and override.
pub fn ordered() -> Vec<Bound> {
    let orders = |orders, faults| Faults { orders, ..faults };
    let stall = Faults { stalls: 1, ..NONE };
    let crash = Faults { crashes: 1, ..NONE };
    let unanswered = Faults { unanswered: 1, ..NONE };
    let looks = Faults { looks: 1, ..NONE };
    let pauses = |faults| Faults { toggles: 1, ..faults };
    let bounds = [
        ("pin, override, stall", Story::ThereAndBack, orders(2, stall), PINS),
        ("pin, crash", Story::ThereAndBack, orders(1, crash), PINS),
        ("pin, unanswered", Story::ThereAndBack, orders(1, unanswered), PINS),
        ("pin, stale discovery", Story::Witnessed, orders(1, looks), PINS),
        ("weighted, pin, override", Story::Weighted, orders(2, NONE), PINS),
        ("pause, override, stall", Story::ThereAndBack, orders(1, pauses(stall)), FORCE),
        ("pause, override, stale discovery", Story::Witnessed, orders(1, pauses(looks)), FORCE),
        ("flapping, ack, override, stall", Story::Flapping, orders(2, stall), ACK),
        ("flapping, ack, override, crash", Story::Flapping, orders(2, crash), ACK),
        ("flapping, ack, override, stale discovery", Story::FlappingWitnessed, orders(2, looks), ACK),
    ];
    bounds.map(|(name, story, faults, wishes)| Bound::new(name, story, faults).ordered(wishes)).into()
}
