//! What an instance says when it is asked itself: nothing stands in between, so it knows of a change at once.

use std::net::IpAddr;
use std::time::Duration;

use crate::databases::{Cluster, Clusters};
use crate::faults::unreachable;
use writerlink_core::model::names::{InstanceId, SourceId};
use writerlink_engine::ports::CallError;

/// The question to an instance.
pub(crate) const PROBE: &str = "ProbeInstance";

/// What is wrong with the answers of a database's instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SqlFault {
    /// None of them answers.
    NoAnswer,
    /// This one does not answer.
    NoAnswerOf(InstanceId),
    /// The writer and another one say that they are writable: nothing fenced the old writer.
    TwoWritable,
    /// None says that it is writable.
    NoneWritable,
}

impl Cluster {
    fn sql_fault(&self, now: Duration) -> Option<&SqlFault> {
        let broken = self.seen.sql.as_ref().filter(|(_, until)| now < *until);
        broken.map(|(fault, _)| fault)
    }

    fn is_writable(&self, ip: IpAddr, now: Duration) -> Option<bool> {
        let at = |instance: &InstanceId| self.members.get(instance)?.now(now).map(|place| place.ip);
        let instance = self.members.keys().find(|instance| at(instance) == Some(ip))?;
        let writer = self.writers.now(now);
        let is_open = writer == Some(instance) && now >= self.seen.nobody_writes_until;
        let other =
            self.writers.before(now, 1).or_else(|| self.members.keys().find(|id| Some(*id) != writer));
        match self.sql_fault(now) {
            None => Some(is_open),
            Some(SqlFault::NoAnswer) => None,
            Some(SqlFault::NoAnswerOf(silent)) => (silent != instance).then_some(is_open),
            Some(SqlFault::TwoWritable) => Some(is_open || other == Some(instance)),
            Some(SqlFault::NoneWritable) => Some(false),
        }
    }
}

impl Clusters {
    /// For this long the instances of a database answer like this.
    pub fn break_sql(&self, source: &SourceId, fault: SqlFault, lasting: Duration) {
        self.with_cluster(source, |found, now| {
            found.seen.sql = Some((fault, now + lasting));
            Some(())
        });
    }

    /// Whether the instance at this address says that it takes writes.
    pub fn is_writable(&self, source: &SourceId, ip: IpAddr) -> Result<bool, CallError> {
        let answer = self.with_cluster(source, |found, now| found.is_writable(ip, now));
        answer.ok_or_else(|| unreachable(PROBE, "no answer in time"))
    }
}
