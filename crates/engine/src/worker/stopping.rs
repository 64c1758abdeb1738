//! How a worker stops: it lets its open receive end, and finishes what it can.
//!
//! A server-side receive cannot be cancelled. When its client is gone SQS hands it the next messages all the same, and
//! they are hidden for their visibility timeout although another worker waits for them (aws-sdk-java-v2 #1395,
//! aws-sdk-js #2350, aws-sdk-net #1680).

use std::pin::Pin;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::ports::{CallError, Message};
use crate::telemetry::event::WorkerEvent;
use crate::worker::{RECEIVE_WAIT, RECEIVE_WAIT_DRAINING, Until, Worker};
use writerlink_core::ledger::lease::LEASE_DURATION;

/// The time that an attempt gets: a lease. One that is cut off leaves its lease behind, and whoever receives the
/// message next has to wait for its end.
const ATTEMPT: Duration = LEASE_DURATION;

/// A receive that is under way.
pub(super) struct OpenReceive<'a> {
    /// Ready when it has ended.
    pub(super) reply: Pin<Box<dyn Future<Output = Reply> + Send + 'a>>,
    /// When SQS ends it, whatever comes.
    ends_at: Duration,
}

type Reply = Result<Vec<Message>, CallError>;

impl Worker {
    pub(super) fn open_receive(&self, until: Until, groups: usize) -> OpenReceive<'_> {
        let wait = match until {
            Until::Stopped => RECEIVE_WAIT,
            Until::Drained => RECEIVE_WAIT_DRAINING,
        };
        OpenReceive {
            reply: self.queue.receive(self.messages_wanted(groups), wait),
            ends_at: self.clock.monotonic() + wait,
        }
    }

    /// Whether an attempt that begins now can end before the worker does.
    pub(super) fn has_time_for_an_attempt(&self) -> bool {
        let ends_at = self.ends_at.get();
        ends_at.is_none_or(|ends_at| self.clock.monotonic() + ATTEMPT <= *ends_at)
    }

    /// Lets the open receive end, and finishes or releases work in progress: an attempt that is cut off is resumed by
    /// the next delivery, like that of a dead worker. Returns how many groups were released.
    pub(super) async fn stop(
        &self,
        open: Option<OpenReceive<'_>>,
        mut groups: JoinSet<()>,
        mut timer: JoinSet<()>,
    ) -> usize {
        let (now, within) = (self.clock.monotonic(), self.limits.drain_timeout);
        self.ends_at.get_or_init(|| now + within);
        let receive_ends_within = open.as_ref().map(|open| open.ends_at.saturating_sub(now));
        self.record(&WorkerEvent::Stopping { within, receive_ends_within });
        let mut receive_is_open = open.is_some();
        let finishing = async {
            if let Some(open) = open {
                match open.reply.await {
                    Ok(messages) => self.begin(messages, &mut groups),
                    Err(error) => self.record(&WorkerEvent::QueueFailed(&error)),
                }
                receive_is_open = false;
            }
            while let Some(ended) = groups.join_next().await {
                self.note_panic(Some(ended));
            }
            while let Some(ended) = timer.join_next().await {
                self.note_panic(Some(ended));
            }
        };
        let timely = tokio::select! {
            biased;
            () = finishing => true,
            () = self.clock.sleep(within) => false,
        };
        if timely {
            return 0;
        }
        while let Some(ended) = groups.try_join_next() {
            self.note_panic(Some(ended));
        }
        let released = groups.len();
        self.record(&WorkerEvent::Released { groups: released, receive_is_open });
        released
    }
}
