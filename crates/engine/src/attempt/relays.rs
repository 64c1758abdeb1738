//! What the relays of a route report, read for every route at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::ports::{CallError, Clock, Ports, Relays};
use writerlink_core::actuation::relay::{self, RelayReport};
use writerlink_core::model::route::Relay;

/// How long reports that were read serve the passes of other routes: several hundred routes share one request.
const FRESH_FOR: Duration = Duration::from_secs(2);

type Cached = Option<(Duration, Arc<[RelayReport]>)>;

/// Reads the reports of all relays, at most once in [`FRESH_FOR`].
pub(super) struct RelayReader {
    relays: Arc<dyn Relays>,
    clock: Arc<dyn Clock>,
    cached: Mutex<Cached>,
}

impl RelayReader {
    pub(super) fn new(ports: &Ports) -> Self {
        let (relays, clock) = (Arc::clone(&ports.relays), Arc::clone(&ports.clock));
        Self { relays, clock, cached: Mutex::default() }
    }

    /// The newest report of every relay.
    pub(super) async fn reports(&self) -> Result<Arc<[RelayReport]>, CallError> {
        let now = self.clock.monotonic();
        let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((read_at, reports)) = cached
            && now.saturating_sub(read_at) < FRESH_FOR
        {
            return Ok(reports);
        }
        let reports: Arc<[RelayReport]> = self.relays.reports().await?.into();
        *self.cached.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&reports)));
        Ok(reports)
    }

    /// Whether no relay works that could serve the route's clients.
    pub(super) fn none_is_live(&self, reports: &[RelayReport], relay: &Relay) -> bool {
        relay::live(reports, relay, self.clock.wall()).next().is_none()
    }
}
