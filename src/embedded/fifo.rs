//! The order of a FIFO queue as values: which messages may be received now, and whose receive still counts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::domain::time::Timestamp;
use crate::ports::Message;

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
    pub(super) receive_count: u32,
    pub(super) receive: Option<Receive>,
}

impl Stored {
    pub(super) fn in_flight(&self, now: Duration) -> bool {
        self.receive
            .as_ref()
            .is_some_and(|receive| now < receive.invisible_until)
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// In the order of sending, which is the order within each group.
    pub(super) messages: BTreeMap<u64, Stored>,
    /// By deduplication id: when the message came, and its id.
    pub(super) seen: BTreeMap<String, (Duration, String)>,
    pub(super) deleted: Vec<String>,
    pub(super) sent: u64,
}

impl State {
    /// The places of the messages that may be received now, groups by their oldest message. A group with
    /// a message in flight is blocked as a whole: this is what keeps its order.
    pub(super) fn open_places(&self, now: Duration) -> Vec<u64> {
        let blocked: BTreeSet<&str> = self
            .messages
            .values()
            .filter(|message| message.in_flight(now))
            .map(|message| message.group.as_str())
            .collect();
        let mut groups: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for (place, message) in &self.messages {
            if !blocked.contains(message.group.as_str()) {
                groups.entry(&message.group).or_default().push(*place);
            }
        }
        let mut by_age: Vec<Vec<u64>> = groups.into_values().collect();
        by_age.sort();
        by_age.into_iter().flatten().collect()
    }

    /// When the next message in flight becomes visible by itself.
    pub(super) fn next_return(&self, now: Duration) -> Option<Duration> {
        let in_flight = self.messages.values().filter(|m| m.in_flight(now));
        in_flight
            .filter_map(|m| m.receive.as_ref().map(|receive| receive.invisible_until))
            .min()
    }

    /// The receive that a handle belongs to, if it is the message's latest one and has not ended.
    pub(super) fn receive_of(&mut self, message: &Message, now: Duration) -> Option<&mut Receive> {
        let stored = self.messages.values_mut().find(|m| m.id == message.id)?;
        let receive = stored.receive.as_mut()?;
        let good = receive.receipt == message.receipt && now < receive.invisible_until;
        good.then_some(receive)
    }
}
