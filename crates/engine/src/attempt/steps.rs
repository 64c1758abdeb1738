//! The stopwatch of an attempt: which call, when, how long, how it ended.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::ports::{CallError, Clock, Reply};
use writerlink_core::ledger::record::Step;

/// Collects the steps of one attempt. Steps may overlap: calls made at the same time are recorded so.
pub(super) struct Steps {
    clock: Arc<dyn Clock>,
    origin: Duration,
    taken: Mutex<Vec<Step>>,
}

impl Steps {
    pub(super) fn begin(clock: Arc<dyn Clock>) -> Self {
        let origin = clock.monotonic();
        Self { clock, origin, taken: Mutex::default() }
    }

    /// Since the attempt began.
    pub(super) fn elapsed(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.origin)
    }

    /// Makes a call and records it.
    pub(super) async fn call<T>(
        &self,
        name: &str,
        call: impl Future<Output = Result<Reply<T>, CallError>>,
    ) -> Result<T, CallError> {
        let start = self.elapsed();
        let reply = call.await;
        let (request_id, error) = match &reply {
            Ok(reply) => (reply.request_id.clone(), None),
            Err(error) => (error.request_id.clone(), Some(error.to_string())),
        };
        let took = self.elapsed().saturating_sub(start);
        let step = Step { name: name.to_owned(), start, took, request_id, error };
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(step);
        reply.map(|reply| reply.value)
    }

    /// The steps so far, in the order in which they ended.
    pub(super) fn so_far(&self) -> Vec<Step> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A reply of a port whose calls have no request id to keep.
pub(super) fn without_id<T>(value: T) -> Reply<T> {
    Reply { value, request_id: None }
}
