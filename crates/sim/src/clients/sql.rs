//! A process asks the instances themselves, each by a call of its own, all at the same time.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::clients::ClustersClient;
use crate::databases::PROBE;
use writerlink_core::evidence::discovery::{Member, SourceReport};
use writerlink_core::evidence::sql::{InstanceProbe, ProbeAnswer, report};
use writerlink_core::model::names::InstanceId;
use writerlink_core::model::route::Route;

impl ClustersClient {
    /// Of the instances of the route's own map, else of all that its source has.
    pub(super) async fn ask_sql(&self, route: &Route) -> SourceReport {
        let Some(source) = route.source_name().cloned() else {
            return SourceReport::Unclear(
                "the route has no source whose instances could be asked".to_owned(),
            );
        };
        let mut hosts: Vec<(InstanceId, IpAddr)> =
            route.instances.iter().map(|(instance, ip)| (instance.clone(), *ip)).collect();
        if hosts.is_empty() {
            hosts = self.clusters.instances(&source).into_iter().map(|found| (found.id, found.ip)).collect();
        }
        let mut asking = JoinSet::new();
        for (instance, ip) in hosts {
            let (process, clusters) = (Arc::clone(&self.process), Arc::clone(&self.clusters));
            let source = source.clone();
            asking.spawn(async move {
                let detail = instance.to_string();
                let ask = move || clusters.is_writable(&source, ip);
                let answer = match process.call(PROBE, detail, ask).await {
                    Ok(true) => ProbeAnswer::Writable,
                    Ok(false) => ProbeAnswer::ReadOnly,
                    Err(error) => ProbeAnswer::Failed(error.to_string()),
                };
                InstanceProbe { member: Member { instance: Some(instance), ip }, answer }
            });
        }
        let mut probes = asking.join_all().await;
        probes.sort_by(|a, b| a.member.cmp(&b.member));
        report(route.policy.role, &probes)
    }
}
