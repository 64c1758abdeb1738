//! What a record says about the state that it changed.

use crate::actuation::health::HealthWatch;
use crate::evidence::desired::{Desired, Fact};
use crate::evidence::event::EventKey;
use crate::ledger::holds::{Pin, Suspension};
use crate::ledger::state::{Assignment, EventEntry};
use crate::ledger::unresolved::{SourceConflict, UnresolvedEvent};
use crate::model::time::Timestamp;

/// The fields that a commit replaces as a whole: each with its place in the route's state.
macro_rules! fields {
    ($($(#[$doc:meta])+ $field:ident($value:ty): $($place:ident).+;)+) => {
        /// One field of a route's state, with the value that a commit gave it.
        #[derive(Clone, Debug, PartialEq, Eq, strum::IntoStaticStr)]
        #[strum(serialize_all = "snake_case")]
        pub enum Field {
            $($(#[$doc])+ $field($value),)+
            /// One more change of target, at the record's time.
            Moved,
        }

        impl Field {
            /// The fields in which the two differ, as `to` has them.
            fn changed(from: &Assignment, to: &Assignment) -> Vec<Self> {
                let mut changed = Vec::new();
                $(if from.$($place).+ != to.$($place).+ {
                    changed.push(Self::$field(to.$($place).+.clone()));
                })+
                changed
            }

            pub(crate) fn put(&self, control: &mut Assignment, at: Timestamp) {
                match self {
                    $(Self::$field(value) => control.$($place).+.clone_from(value),)+
                    Self::Moved => control.safety = control.safety.moved(at),
                }
            }
        }
    };
}

fields! {
    /// Where the route should point.
    Desired(Option<Desired>): desired;
    /// Newer evidence that is held.
    Waiting(Option<Desired>): waiting;
    /// When a failover was last reported as failed.
    RequireReading(Option<Timestamp>): require_reading;
    /// A pause of the route.
    Pause(Option<Suspension>): safety.pause;
    /// A pause of every route.
    Freeze(Option<Suspension>): safety.freeze;
    /// The flap protection's hold.
    Flapping(Option<Suspension>): safety.flapping;
    /// Where the route is pinned.
    Pin(Option<Pin>): safety.pin;
    /// Every change of target that flap protection counts.
    Moves(Vec<Timestamp>): safety.moves;
    /// The last move, while its effect is awaited.
    Follow(Option<HealthWatch>): health_watch;
    /// The event with which the sources have agreed.
    AgreedWith(Option<EventKey>): agreed_with;
    /// What had happened before the newest evidence.
    ReplacedFact(Option<Fact>): replaced_fact;
    /// The newest event that could not be acted on.
    UnresolvedEvent(Option<UnresolvedEvent>): unresolved_event;
    /// Sources that contradict what is desired.
    SourceConflict(Option<SourceConflict>): source_conflict;
}

/// What a commit set in its event's entry, besides what its record says anyway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventChange {
    /// The ARN the event came with.
    pub source_arn: Option<String>,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// How many attempts have begun.
    pub attempts: u32,
}

/// What a commit changed, as its record keeps it. Generation and lease follow from the record's kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// In the route's state.
    pub route: Vec<Field>,
    /// In the event's entry, if it wrote one.
    pub event: Option<EventChange>,
}

impl Changes {
    /// What a commit at `at` changes that replaces `from` by `to` and writes this entry of an event.
    #[must_use]
    pub fn between(from: &Assignment, to: &Assignment, at: Timestamp, event: Option<&EventEntry>) -> Self {
        let mut route = Field::changed(from, to);
        for field in &mut route {
            if matches!(field, Field::Moves(moves) if *moves == from.safety.moved(at).moves) {
                *field = Field::Moved;
            }
        }
        let event = event.map(|entry| EventChange {
            source_arn: entry.source_arn.clone(),
            first_seen: entry.first_seen,
            attempts: entry.attempts,
        });
        Self { route, event }
    }
}
