//! What a process holds of the world: the ports, each method one call (or two) of this process.
//!
//! Every one goes through [`Process::call`], where its fate is decided. Nothing is retried here: the SDK's
//! retries belong to the adapters of `aws`, and an error is what is left when they are spent.

mod sql;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;

use crate::databases::{Clusters, DESCRIBE_INSTANCES, RESOLVE, described_by, endpoint};
use crate::load_balancer::{DEREGISTER, DESCRIBE, LoadBalancer, REGISTER};
use crate::process::Process;
use crate::queue::{ABANDONED_RECEIVE, FifoQueue, RECEIVE_MAX, WAIT_MAX, invalid};
use crate::target_group::TargetDescription;
use writerlink_core::actuation::plan::RegisteredProof;
use writerlink_core::evidence::discovery::{Member, SourceReport, SourceReports};
use writerlink_core::evidence::drift::compared_with;
use writerlink_core::model::names::{InstanceId, SourceId, TargetGroupArn};
use writerlink_core::model::policy::{Database, DiscoverySource, Role};
use writerlink_core::model::route::{Route, TargetGroup};
use writerlink_core::model::target::{ObservedTarget, Target};
use writerlink_engine::ports::{
    AddressError, CallError, Databases, Depth, ErrorKind, Extended, Message, NO_SUCH_NAME, Queue, Reply,
    TargetGroups,
};

/// A process's client of the queue.
#[derive(Debug)]
pub(super) struct QueueClient {
    pub(super) process: Arc<Process>,
    pub(super) queue: Arc<FifoQueue>,
}

#[async_trait]
impl Queue for QueueClient {
    async fn receive(&self, max: u32, wait: Duration) -> Result<Vec<Message>, CallError> {
        if max == 0 || max > RECEIVE_MAX || wait > WAIT_MAX {
            let message = "MaxNumberOfMessages is 1 to 10, WaitTimeSeconds is 0 to 20";
            return Err(invalid("ReceiveMessage", message));
        }
        let time = self.process.fabric.time;
        let deadline = time.elapsed() + wait;
        loop {
            // The wait of a long poll is the service's time and not that of the call, whose timeout is
            // shorter. A waiter that wakes and finds that another was faster goes on waiting.
            let poll = LongPoll::open(&self.process, &self.queue, max, deadline);
            poll.turn().await;
            let (queue, name) = (Arc::clone(&self.queue), self.process.name.clone());
            let detail = format!("up to {max}");
            let receive = move || Ok(queue.serve(&name, max));
            let taken = self.process.call("ReceiveMessage", detail, receive).await?;
            if !taken.is_empty() || time.elapsed() >= deadline {
                return Ok(taken);
            }
        }
    }

    async fn change_visibility(
        &self,
        message: &Message,
        visibility: Duration,
    ) -> Result<Extended, CallError> {
        let (queue, message) = (Arc::clone(&self.queue), message.clone());
        let detail = format!("{} for {} s", message.id, visibility.as_secs());
        let change = move || queue.change_visibility(&message, visibility);
        self.process.call("ChangeMessageVisibility", detail, change).await
    }

    async fn delete(&self, message: &Message) -> Result<Extended, CallError> {
        let (queue, message) = (Arc::clone(&self.queue), message.clone());
        let detail = message.id.clone();
        let delete = move || Ok(queue.delete(&message));
        self.process.call("DeleteMessage", detail, delete).await
    }

    async fn dead_letter(&self, message: &Message) -> Result<Extended, CallError> {
        let Some(dead_letters) = self.queue.redrive_to.clone() else {
            return Err(no_dead_letter_queue("SendMessage"));
        };
        let letter = message.clone();
        // Two calls, and a process can die between them: the message is then in both queues until its
        // next delivery, when the copy is dropped by its deduplication id.
        let send = move || Ok(dead_letters.send_with_dedup(&letter.group, &letter.body, &letter.id));
        let detail = format!("{} to the dead-letter queue", message.id);
        self.process.call("SendMessage", detail, send).await?;
        self.delete(message).await
    }

    async fn depth(&self) -> Result<Depth, CallError> {
        let queue = Arc::clone(&self.queue);
        let depth = move || Ok(queue.depth());
        self.process.call("GetQueueAttributes", "", depth).await
    }

    async fn dead_letters(&self) -> Result<Depth, CallError> {
        let Some(dead_letters) = self.queue.redrive_to.clone() else {
            return Err(no_dead_letter_queue("GetQueueAttributes"));
        };
        let depth = move || Ok(dead_letters.depth());
        let detail = "of the dead-letter queue";
        self.process.call("GetQueueAttributes", detail, depth).await
    }
}

/// A receive that waits at the service. If its process dies or drops it meanwhile, the service does not notice: the
/// receive waits on in its place until its deadline, and what it takes nobody has until its visibility ends
/// (aws-sdk-java-v2 #1395, aws-sdk-js #2350, aws-sdk-net #1680).
struct LongPoll {
    process: Arc<Process>,
    queue: Arc<FifoQueue>,
    max: u32,
    deadline: Duration,
    /// What is left of the wait, for as long as somebody waits for the answer.
    wait: Option<Wait>,
}

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

impl LongPoll {
    fn open(process: &Arc<Process>, queue: &Arc<FifoQueue>, max: u32, deadline: Duration) -> Self {
        let (process, queue) = (Arc::clone(process), Arc::clone(queue));
        let mut poll = Self { process, queue, max, deadline, wait: None };
        poll.wait = Some(poll.wait());
        poll
    }

    fn wait(&self) -> Wait {
        let (process, queue) = (Arc::clone(&self.process), Arc::clone(&self.queue));
        let deadline = self.deadline;
        Box::pin(async move {
            queue.available(deadline).await;
            queue.let_others_go_first(&process.name).await;
        })
    }

    /// Waits until something can be received, or until the deadline.
    async fn turn(mut self) {
        if let Some(wait) = &mut self.wait {
            wait.await;
        }
        self.wait = None;
    }

    /// Takes what comes, for nobody.
    async fn goes_on_alone(self, mut wait: Wait) {
        loop {
            wait.await;
            let taken = self.queue.serve(&self.process.name, self.max);
            if !taken.is_empty() {
                let ids: Vec<String> = taken.into_iter().map(|message| message.id).collect();
                let process = &self.process;
                return process.note_abandoned(ABANDONED_RECEIVE, ids.join(", "));
            }
            if self.process.fabric.time.elapsed() >= self.deadline {
                return;
            }
            wait = self.wait();
        }
    }
}

impl Drop for LongPoll {
    fn drop(&mut self) {
        // Without a runtime the world has come to its end.
        if let (Some(wait), Ok(runtime)) = (self.wait.take(), Handle::try_current()) {
            let abandoned = Self {
                process: Arc::clone(&self.process),
                queue: Arc::clone(&self.queue),
                wait: None,
                ..*self
            };
            runtime.spawn(abandoned.goes_on_alone(wait));
        }
    }
}

fn no_dead_letter_queue(call: &'static str) -> CallError {
    CallError {
        code: "QueueDoesNotExist".to_owned(),
        kind: ErrorKind::Missing,
        ..invalid(call, "there is no dead-letter queue")
    }
}

/// A process's client of the load balancer.
#[derive(Debug)]
pub(super) struct LoadBalancerClient {
    pub(super) process: Arc<Process>,
    pub(super) load_balancer: Arc<LoadBalancer>,
}

#[async_trait]
impl TargetGroups for LoadBalancerClient {
    async fn observe(&self, group: &TargetGroup) -> Result<Reply<Vec<ObservedTarget>>, CallError> {
        let (load_balancer, arn) = (Arc::clone(&self.load_balancer), group.arn.clone());
        let detail = arn.to_string();
        let describe = move || load_balancer.describe(&arn);
        self.process.call(DESCRIBE, detail, describe).await
    }

    async fn register(&self, group: &TargetGroup, targets: &[Target]) -> Result<Reply<()>, CallError> {
        let (load_balancer, arn) = (Arc::clone(&self.load_balancer), group.arn.clone());
        let zone = &group.availability_zone;
        let described = |target: &Target| TargetDescription::of(*target, zone.clone());
        let descriptions: Vec<_> = targets.iter().map(described).collect();
        let (by, detail) = (self.process.name.clone(), listed(&arn, targets.iter()));
        let register = move || load_balancer.register(&by, &arn, &descriptions);
        self.process.call(REGISTER, detail, register).await
    }

    async fn deregister(
        &self,
        group: &TargetGroup,
        targets: &[ObservedTarget],
        present: &RegisteredProof,
    ) -> Result<Reply<()>, CallError> {
        let (load_balancer, arn) = (Arc::clone(&self.load_balancer), group.arn.clone());
        // I1: whatever the caller hands in, the target that is proved to be present stays.
        let leaving = || targets.iter().filter(|row| row.target != present.target());
        let described =
            |row: &ObservedTarget| TargetDescription::of(row.target, row.availability_zone.clone());
        let descriptions: Vec<_> = leaving().map(described).collect();
        let detail = listed(&arn, leaving().map(|row| &row.target));
        let by = self.process.name.clone();
        let deregister = move || load_balancer.deregister(&by, &arn, &descriptions);
        self.process.call(DEREGISTER, detail, deregister).await
    }
}

fn listed<'a>(group: &TargetGroupArn, targets: impl Iterator<Item = &'a Target>) -> String {
    let targets: Vec<_> = targets.map(Target::to_string).collect();
    format!("{group} {}", targets.join(", "))
}

/// A process's client of the databases.
#[derive(Debug)]
pub(super) struct ClustersClient {
    pub(super) process: Arc<Process>,
    pub(super) clusters: Arc<Clusters>,
}

/// The name of an instance's own endpoint.
fn own_name(instance: &InstanceId) -> String {
    let source = SourceId::new(instance.as_str());
    source.map_or_else(|_| instance.to_string(), |source| endpoint(Database::Instance, &source))
}

/// What the look-up of a derived name comes to, told as the adapter for AWS tells it.
fn unresolved(error: CallError, name: &str) -> AddressError {
    if error.code != NO_SUCH_NAME {
        return AddressError::Failed(error);
    }
    AddressError::NoSuchName(CallError { message: format!("{name} does not exist (NXDOMAIN)"), ..error })
}

#[async_trait]
impl Databases for ClustersClient {
    /// From the route's map, else from those whom the route asks. A route that asks nobody costs no call.
    async fn address(&self, route: &Route, instance: &InstanceId) -> Result<Option<IpAddr>, AddressError> {
        if let Some(ip) = route.instances.get(instance) {
            return Ok(Some(*ip));
        }
        let (clusters, instance) = (Arc::clone(&self.clusters), instance.clone());
        let (discovery, detail) = (&route.policy.discovery, instance.to_string());
        if discovery.contains(&DiscoverySource::Rds) || discovery.contains(&DiscoverySource::Sql) {
            let Ok(source) = route.source_of_rds().cloned() else {
                return Ok(None);
            };
            // One call stands for two round trips, the API's and that of the endpoint's name.
            let by = self.process.name.clone();
            let describe = move || clusters.member(&by, &source, &instance);
            let found = self.process.call(DESCRIBE_INSTANCES, detail, describe);
            Ok(found.await?)
        } else if discovery.contains(&DiscoverySource::Dns) {
            let by = self.process.name.clone();
            let name = own_name(&instance);
            let resolve = move || clusters.resolve_member(&by, &instance);
            let found = self.process.call(RESOLVE, detail, resolve).await;
            found.map(Some).map_err(|error| unresolved(error, &name))
        } else {
            Ok(None)
        }
    }

    async fn ask(&self, route: &Route) -> SourceReports {
        // At the same time, as the worker in AWS does: two that speak of different moments would seem to differ.
        let (rds, dns, sql) = tokio::join!(
            self.report(route, DiscoverySource::Rds),
            self.report(route, DiscoverySource::Dns),
            self.report(route, DiscoverySource::Sql),
        );
        SourceReports([rds, dns, sql].into_iter().flatten().collect())
    }

    async fn addresses(&self, route: &Route) -> Result<BTreeMap<InstanceId, IpAddr>, CallError> {
        let mut found = BTreeMap::new();
        match (compared_with(route), route.source_of_rds()) {
            (Some(DiscoverySource::Rds), Ok(source)) => {
                let (clusters, detail) = (Arc::clone(&self.clusters), source.to_string());
                let (mapped, source) = (route.instances.clone(), source.clone());
                let by = self.process.name.clone();
                let describe = move || {
                    let member = |instance: &InstanceId| {
                        let ip = clusters.member(&by, &source, instance)?;
                        Ok::<_, CallError>(ip.map(|ip| (instance.clone(), ip)))
                    };
                    let members: Result<Vec<_>, _> = mapped.keys().map(member).collect();
                    Ok(members?.into_iter().flatten().collect())
                };
                found = self.process.call(DESCRIBE_INSTANCES, detail, describe).await?;
            }
            (Some(DiscoverySource::Dns), _) => {
                for instance in route.instances.keys().cloned() {
                    let (clusters, detail) = (Arc::clone(&self.clusters), instance.to_string());
                    let (by, name) = (self.process.name.clone(), instance.clone());
                    let resolve = move || clusters.resolve_member(&by, &name);
                    let ip = self.process.call(RESOLVE, detail, resolve).await;
                    found.extend(ip.ok().map(|ip| (instance, ip)));
                }
            }
            (Some(DiscoverySource::Rds | DiscoverySource::Sql) | None, _) => {}
        }
        Ok(found)
    }
}

impl ClustersClient {
    async fn report(
        &self,
        route: &Route,
        source: DiscoverySource,
    ) -> Option<(DiscoverySource, SourceReport)> {
        if !route.policy.discovery.contains(&source) {
            return None;
        }
        let said = match source {
            DiscoverySource::Rds => self.ask_rds(route).await,
            DiscoverySource::Dns => self.ask_dns(route).await,
            DiscoverySource::Sql => Ok(self.ask_sql(route).await),
        };
        let said = said.unwrap_or_else(|error| SourceReport::Unclear(error.to_string()));
        if let Some(writer) = said.writer() {
            let heard = (source, writer.ip);
            self.clusters.note_heard(&self.process.name, &route.name, heard);
        }
        Some((source, said))
    }

    async fn ask_rds(&self, route: &Route) -> Result<SourceReport, CallError> {
        let source = match route.source_of_rds() {
            Ok(source) => source.clone(),
            Err(why) => return Ok(SourceReport::Unclear(why.to_owned())),
        };
        let (database, role) = (route.policy.database, route.policy.role);
        let mapped = route.instances.clone();
        let (clusters, detail) = (Arc::clone(&self.clusters), source.to_string());
        // As in AWS: RDS says who writes, and the route's own map, if it knows the instance, says where.
        let by = self.process.name.clone();
        let describe = move || {
            let mut said = clusters.describe(&by, database, &source, role)?;
            if let SourceReport::Members { writer, .. } = &mut said
                && (database, role) == (Database::Cluster, Role::Writer)
                && let Some(ip) = writer.instance.as_ref().and_then(|i| mapped.get(i))
            {
                writer.ip = *ip;
            }
            Ok(said)
        };
        let call = described_by(database);
        self.process.call(call, detail, describe).await
    }

    async fn ask_dns(&self, route: &Route) -> Result<SourceReport, CallError> {
        let Some(name) = route.policy.endpoint.clone() else {
            let why = "the route has no endpoint whose name could be read";
            return Ok(SourceReport::Unclear(why.to_owned()));
        };
        let (clusters, detail) = (Arc::clone(&self.clusters), name.clone());
        let by = self.process.name.clone();
        let resolve = move || clusters.resolve(&by, &name);
        let ip = self.process.call(RESOLVE, detail, resolve).await?;
        let (writer, readers) = (Member { instance: None, ip }, Vec::new());
        Ok(SourceReport::Members { writer, readers })
    }
}
