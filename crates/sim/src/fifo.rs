//! The order of a FIFO queue as values: which messages may be received now, and whose receive still counts.
//!
//! Everything a receive asks for is kept ready, so that ten thousand groups cost it no more than ten: the groups that
//! nothing blocks by their oldest message, and the receives that have not ended by their end.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::Message;

/// A receive of a message: it is good until `invisible_until`, and then for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Receive {
    pub(super) receipt: String,
    pub(super) at: Duration,
    pub(super) invisible_until: Duration,
}

#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) id: String,
    pub(super) group: String,
    pub(super) body: String,
    pub(super) deduplication_id: String,
    pub(super) sent_at: Timestamp,
    pub(super) first_received_at: Option<Timestamp>,
    pub(super) receive_count: u32,
    pub(super) receive: Option<Receive>,
}

/// The messages of a group, by place, and how many of them are in flight.
#[derive(Debug, Default)]
struct Group {
    places: BTreeSet<u64>,
    in_flight: usize,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// In the order of sending, which is the order within each group.
    messages: BTreeMap<u64, Stored>,
    places: HashMap<String, u64>,
    groups: HashMap<String, Group>,
    /// Groups without a message in flight, by the place of their oldest.
    open: BTreeMap<u64, String>,
    /// The messages in flight, by when that ends.
    returns: BTreeSet<(Duration, u64)>,
    seen: Seen,
    pub(super) deleted: Vec<String>,
    pub(super) sent: u64,
}

/// What came within the deduplication interval.
#[derive(Debug, Default)]
struct Seen {
    ids: HashMap<String, String>,
    by_age: VecDeque<(Duration, String)>,
}

impl State {
    /// Forgets what was seen at `from` or before.
    pub(super) fn forget_seen(&mut self, from: Duration) {
        let Seen { ids, by_age } = &mut self.seen;
        while let Some((_, old)) = by_age.pop_front_if(|(at, _)| *at <= from) {
            ids.remove(&old);
        }
    }

    /// The id of the message that came with a deduplication id.
    pub(super) fn seen(&self, deduplication_id: &str) -> Option<&String> {
        self.seen.ids.get(deduplication_id)
    }

    /// Remembers a message for as long as its copies are to be dropped.
    pub(super) fn remember(&mut self, message: &Stored, now: Duration) {
        let Stored { id, deduplication_id, .. } = message;
        let Seen { ids, by_age } = &mut self.seen;
        ids.insert(deduplication_id.clone(), id.clone());
        by_age.push_back((now, deduplication_id.clone()));
    }

    /// Puts a message behind all others.
    pub(super) fn append(&mut self, message: Stored) {
        self.sent += 1;
        let place = self.sent;
        self.places.insert(message.id.clone(), place);
        self.regroup(&message.group, |group| {
            group.places.insert(place);
        });
        self.messages.insert(place, message);
    }

    /// Takes a message out of the queue.
    pub(super) fn remove(&mut self, place: u64) -> Option<Stored> {
        let message = self.messages.remove(&place)?;
        self.places.remove(&message.id);
        let flew = message
            .receive
            .as_ref()
            .is_some_and(|receive| self.returns.remove(&(receive.invisible_until, place)));
        self.regroup(&message.group, |group| {
            group.places.remove(&place);
            group.in_flight -= usize::from(flew);
        });
        Some(message)
    }

    /// Hands a message to a receiver, or changes how long it stays with the one it has.
    pub(super) fn hold(&mut self, place: u64, receive: Receive) {
        let Some(message) = self.messages.get_mut(&place) else {
            return;
        };
        let until = receive.invisible_until;
        let before = message.receive.replace(receive);
        let group = message.group.clone();
        let flew = before.is_some_and(|before| self.returns.remove(&(before.invisible_until, place)));
        self.returns.insert((until, place));
        self.regroup(&group, |group| {
            group.in_flight += usize::from(!flew);
        });
    }

    /// Lets everything come back whose time is over. All that is asked below is asked after this.
    pub(super) fn settle(&mut self, now: Duration) {
        while let Some(&(until, place)) = self.returns.first()
            && until <= now
        {
            self.returns.remove(&(until, place));
            let group = self.messages.get(&place).map(|m| m.group.clone());
            self.regroup(&group.unwrap_or_default(), |group| {
                group.in_flight -= 1;
            });
        }
    }

    /// Changes a group, and with it whether it is open.
    fn regroup(&mut self, name: &str, change: impl FnOnce(&mut Group)) {
        let group = self.groups.entry(name.to_owned()).or_default();
        if let Some(oldest) = group.places.first() {
            self.open.remove(oldest);
        }
        change(group);
        let (oldest, is_open) = (group.places.first().copied(), group.in_flight == 0);
        if let Some(oldest) = oldest.filter(|_| is_open) {
            self.open.insert(oldest, name.to_owned());
        }
        if oldest.is_none() {
            self.groups.remove(name);
        }
    }

    /// The places of the messages that may be received, groups by their oldest message. A group with a message in
    /// flight is blocked as a whole: this is what keeps its order.
    pub(super) fn open_places(&self) -> impl Iterator<Item = u64> {
        let groups = self.open.values().filter_map(|name| self.groups.get(name));
        groups.flat_map(|group| group.places.iter().copied())
    }

    /// When the next message in flight becomes visible by itself.
    pub(super) fn next_return(&self) -> Option<Duration> {
        self.returns.first().map(|(until, _)| *until)
    }

    /// How many messages may become a receiver's, and how many are one's.
    pub(super) fn depth(&self) -> (usize, usize) {
        (self.messages.len() - self.returns.len(), self.returns.len())
    }

    /// Everything in the queue, in the order of sending, each with whether it is in flight.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Stored, bool)> {
        self.messages.iter().map(|(place, message)| {
            let until = message.receive.as_ref().map(|r| r.invisible_until);
            let flies = until.is_some_and(|until| self.returns.contains(&(until, *place)));
            (message, flies)
        })
    }

    pub(super) fn get(&self, place: u64) -> Option<&Stored> {
        self.messages.get(&place)
    }

    pub(super) fn get_mut(&mut self, place: u64) -> Option<&mut Stored> {
        self.messages.get_mut(&place)
    }

    /// The place of a message and the receive that a handle belongs to, if it is the message's latest one and has not
    /// ended.
    pub(super) fn receive_of(&self, message: &Message) -> Option<(u64, &Receive)> {
        let place = *self.places.get(&message.id)?;
        let receive = self.messages.get(&place)?.receive.as_ref()?;
        let flies = self.returns.contains(&(receive.invisible_until, place));
        (flies && receive.receipt == message.receipt).then_some((place, receive))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GROUPS: [&str; 3] = ["a", "b", "c"];

    #[derive(Clone, Copy, Debug)]
    enum Act {
        Send(usize),
        /// Hands so many open messages out, for so many seconds.
        Take(usize, u64),
        /// Lets one of the messages in flight stay so much longer, or come back at once.
        Keep(usize, u64),
        /// Takes any message away.
        Remove(usize),
        Wait(u64),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            (0..GROUPS.len()).prop_map(Act::Send),
            (1_usize..4, 0_u64..5).prop_map(|(n, by)| Act::Take(n, by)),
            (0_usize..8, 0_u64..5).prop_map(|(n, by)| Act::Keep(n, by)),
            (0_usize..8).prop_map(Act::Remove),
            (0_u64..4).prop_map(Act::Wait),
        ]
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn stored(state: &State, group: &str) -> Stored {
        Stored {
            id: format!("m{}", state.sent),
            group: group.to_owned(),
            body: String::new(),
            deduplication_id: String::new(),
            sent_at: Timestamp::EPOCH,
            first_received_at: None,
            receive_count: 0,
            receive: None,
        }
    }

    fn hold(state: &mut State, place: u64, now: Duration, by: u64) {
        let receive = Receive { receipt: place.to_string(), at: now, invisible_until: now + seconds(by) };
        state.hold(place, receive);
    }

    /// A place that is there, of those that `wanted` says.
    fn any(state: &State, n: usize, wanted: impl Fn(&Stored) -> bool) -> Option<u64> {
        let places = state.messages.iter().filter(|(_, m)| wanted(m));
        let places: Vec<u64> = places.map(|(place, _)| *place).collect();
        places.get(n % places.len().max(1)).copied()
    }

    fn perform(state: &mut State, act: Act, now: &mut Duration) {
        let flies = |m: &Stored| m.receive.as_ref().is_some_and(|r| r.invisible_until > *now);
        match act {
            Act::Send(group) => {
                let message = stored(state, GROUPS[group]);
                state.append(message);
            }
            Act::Take(n, by) => {
                let places: Vec<u64> = state.open_places().take(n).collect();
                for place in places {
                    hold(state, place, *now, by);
                }
            }
            Act::Keep(n, by) => {
                if let Some(place) = any(state, n, flies) {
                    hold(state, place, *now, by);
                }
            }
            Act::Remove(n) => {
                if let Some(place) = any(state, n, |_| true) {
                    state.remove(place);
                }
            }
            Act::Wait(by) => *now += seconds(by),
        }
        state.settle(*now);
    }

    /// What may be received, found by looking at every message.
    fn by_looking(state: &State, now: Duration) -> Vec<u64> {
        let flies = |m: &Stored| m.receive.as_ref().is_some_and(|r| r.invisible_until > now);
        let messages = || state.messages.iter();
        let in_flight = messages().filter(|(_, m)| flies(m));
        let blocked: BTreeSet<&str> = in_flight.map(|(_, m)| m.group.as_str()).collect();
        let mut groups: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for (place, message) in messages() {
            if !blocked.contains(message.group.as_str()) {
                groups.entry(&message.group).or_default().push(*place);
            }
        }
        let mut by_age: Vec<Vec<u64>> = groups.into_values().collect();
        by_age.sort();
        by_age.into_iter().flatten().collect()
    }

    proptest! {
        #[test]
        fn what_is_kept_ready_is_what_a_look_at_every_message_finds(
            acts in prop::collection::vec(act(), 0..60),
        ) {
            let mut state = State::default();
            let mut now = Duration::ZERO;
            for act in acts {
                perform(&mut state, act, &mut now);
                prop_assert_eq!(
                    state.open_places().collect::<Vec<_>>(),
                    by_looking(&state, now)
                );
                let flying = state.all().filter(|(_, flies)| *flies).count();
                prop_assert_eq!(state.depth(), (state.messages.len() - flying, flying));
                let ends = state.all().filter(|(_, flies)| *flies);
                let ends = ends.filter_map(|(m, _)| m.receive.as_ref());
                prop_assert_eq!(state.next_return(), ends.map(|r| r.invisible_until).min());
            }
        }
    }
}
