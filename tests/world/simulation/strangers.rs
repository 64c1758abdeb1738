//! Events that no route of the world may move by.

#![expect(clippy::unwrap_used, reason = "an event that cannot be made is a fault of the test")]

use writerlink_core::evidence::event::{EventId, RdsEvent};
use writerlink_core::model::source_arn::SourceArn;

/// The `n`th stranger among the events of a cluster: about no instance of the cluster's, or about another database of
/// its name, of another Region or account, or an instance that is called like the cluster.
pub(crate) fn stranger(event: RdsEvent, n: u64) -> RdsEvent {
    let name = event.source.clone();
    let to = |instance| format!("failover to DB instance: {name}-{instance}");
    let (id, message, arn) = match n % 4 {
        0 => {
            let message = "Started same AZ failover to DB instance: stranger-1".to_owned();
            return RdsEvent { message, ..event };
        }
        1 => (71, to(3), format!("arn:aws:rds:eu-west-1:123456789012:cluster:{name}")),
        2 => (73, to(2), format!("arn:aws:rds:us-east-1:210987654321:cluster:{name}")),
        _ => {
            let restarted = "DB instance restarted".to_owned();
            (6, restarted, format!("arn:aws:rds:us-east-1:123456789012:db:{name}"))
        }
    };
    let arn = SourceArn::parse(&arn).unwrap();
    RdsEvent {
        id: EventId::parse(&format!("RDS-EVENT-{id:04}")),
        message,
        kind: arn.kind(),
        source_arn: Some(arn),
        ..event
    }
}
