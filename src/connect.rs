//! The connections to AWS that a command needs, opened when it needs them.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use aws_config::{Region, SdkConfig};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{OnceCell, watch};

use crate::cli::{Connect, Exit, Failure, Made, OpenQueue, ProcessContext, ReadPorts, RelayPorts, Resource};
use crate::config::{Config, Env, LoginFrom, NameServers, QueueRef};
use writerlink_aws::config::sdk_config;
use writerlink_aws::databases::AwsDatabases;
use writerlink_aws::dns::names::{Names, Patience};
use writerlink_aws::dynamodb::{DynamoLedger, TableNames};
use writerlink_aws::elbv2::Elbv2TargetGroups;
use writerlink_aws::installation::{AwsInstallation, What};
use writerlink_aws::listeners::Elbv2Listeners;
use writerlink_aws::rds::RdsWitness;
use writerlink_aws::setup::SetupError;
use writerlink_aws::sql::login::{Login, Secret};
use writerlink_aws::sql::{SqlSettings, SqlSource};
use writerlink_aws::sqs::{OpenError, SqsQueue};
use writerlink_aws::{dynamodb, identity, setup};
use writerlink_core::evidence::drift::compared_with;
use writerlink_core::model::ids::Owner;
use writerlink_engine::ports::installation::Installation;
use writerlink_engine::ports::{CallError, Clock as _, Databases, NoQueue, Ports, StaticMap};
use writerlink_engine::system_clock::SystemClock;

/// The URI of ECS's metadata about the container. The last part of the path begins with the task's id, so the
/// name of the task costs no request (ECS developer guide, "Task metadata endpoint version 4").
const ECS_METADATA: &str = "ECS_CONTAINER_METADATA_URI_V4";

/// Where Linux keeps the name of the machine.
const HOST_NAME_FILE: &str = "/proc/sys/kernel/hostname";

/// The variable that sets the endpoint of every client, and its suffixes for single services (AWS
/// SDKs and Tools Reference Guide, "Service-specific endpoints").
const ENDPOINT: &str = "AWS_ENDPOINT_URL";
const SERVICES: [&str; 6] = ["DYNAMODB", "ELASTIC_LOAD_BALANCING_V2", "EVENTBRIDGE", "RDS", "SQS", "STS"];

/// The process's connections. What they are made by is read once, on the first use.
pub struct Aws<'a> {
    env: Env<'a>,
    clock: Arc<SystemClock>,
    sdk: OnceCell<SdkConfig>,
    names: OnceCell<Names>,
}

impl<'a> Aws<'a> {
    /// Nothing is opened yet.
    #[must_use]
    pub fn new(env: Env<'a>, clock: SystemClock) -> Self {
        Self { env, clock: Arc::new(clock), sdk: OnceCell::new(), names: OnceCell::new() }
    }

    /// The name servers of the configuration. A process reads one configuration.
    async fn names(&self, config: &Config) -> Result<&Names, CallError> {
        let open = async || match &config.resolver {
            NameServers::System => Names::of_the_system(),
            NameServers::At(servers) => Names::of(servers, Patience::default()),
        };
        self.names.get_or_try_init(open).await
    }

    /// Every connection is opened in the Region of the target groups, where queue and ledger are too: that is
    /// the Region by default; if the environment sets another one, nothing is opened. A call in the wrong
    /// Region fails at best; `setup` would make a second ledger there, and `run` would poll an empty queue
    /// forever.
    async fn sdk(&self, config: &Config) -> Result<&SdkConfig, Failure> {
        let groups = config.region();
        let sdk = self.sdk.get_or_init(|| sdk_config(groups)).await;
        match sdk.region().map(Region::as_ref) {
            Some(calls) if calls != groups => {
                Err(Failure::OtherRegion { calls: calls.to_owned(), groups: groups.to_owned() })
            }
            Some(_) | None => Ok(sdk),
        }
    }

    async fn ledger(&self, config: &Config) -> Result<DynamoLedger, Failure> {
        let client = aws_sdk_dynamodb::Client::new(self.sdk(config).await?);
        Ok(DynamoLedger::new(client, table_names(config)))
    }

    /// Opens nothing for events-only routes whose map is not compared: such a worker needs no permission for
    /// RDS and no name server. If a map is only compared, a missing name server is no error.
    async fn databases(&self, config: &Config) -> Result<Arc<dyn Databases>, Failure> {
        let mut routes = config.routes.iter();
        let has_sources = routes.any(|route| !route.policy.discovery.is_empty());
        let mut routes = config.routes.iter();
        if !has_sources && routes.all(|route| compared_with(route).is_none()) {
            return Ok(Arc::new(StaticMap));
        }
        let names = match self.names(config).await {
            Ok(names) => names,
            Err(_) if !has_sources => return Ok(Arc::new(StaticMap)),
            Err(error) => return Err(nameless(&error)),
        };
        let client = aws_sdk_rds::Client::new(self.sdk(config).await?);
        let sql = self.sql(config, names).await?;
        Ok(Arc::new(AwsDatabases::new(client, names.clone()).with_sql(sql)))
    }

    /// The instances themselves, if a route asks them. They are opened with the first question.
    async fn sql(&self, config: &Config, names: &Names) -> Result<Option<SqlSource>, Failure> {
        let Some(sql) = &config.sql else {
            return Ok(None);
        };
        let sdk = self.sdk(config).await?;
        let login = match &sql.login {
            LoginFrom::Variable(variable) => {
                let password = (self.env)(variable).filter(|password| !password.is_empty());
                Login::Password(Secret::new(password.ok_or_else(|| no_password(variable))?))
            }
            LoginFrom::File(path) => Login::File(path.clone()),
            LoginFrom::Iam => Login::Iam(Box::new(sdk.clone())),
        };
        let settings = SqlSettings {
            connect_timeout: sql.connect_timeout,
            query_timeout: sql.query_timeout,
            user: sql.user.clone(),
            login,
            ca_file: sql.ca_file.clone(),
        };
        let rds = RdsWitness::new(aws_sdk_rds::Client::new(sdk), names.clone());
        Ok(Some(SqlSource::new(settings, rds, Arc::clone(&self.clock) as _)))
    }

    /// Identifies this process: where it runs, and random bits, because the next process there may have the
    /// same number.
    fn owner(&self) -> Owner {
        let [a, b, c, d, ..] = self.clock.random().to_le_bytes();
        let suffix = u32::from_le_bytes([a, b, c, d]);
        let place = task_id(self.env).or_else(host_name);
        let place = place.unwrap_or_else(|| "host".to_owned());
        Owner::new(format!("{place}:{}:{suffix:08x}", std::process::id()))
    }

    async fn set_up_queues(&self, config: &Config) -> Result<Vec<Resource>, Failure> {
        let name = queue_name(&config.queue);
        let failed = |error: SetupError| set_up_failure(name, &error);
        let client = aws_sdk_sqs::Client::new(self.sdk(config).await?);
        let dead_letters = setup::dead_letter_name(name).map_err(failed)?;
        let mut resources = Vec::new();
        for (kind, name) in [("dead-letter queue", dead_letters.as_str()), ("queue", name)] {
            let existed = setup::queue_exists(&client, name).await;
            let made = made(existed.map_err(|error| failed(error.into()))?);
            resources.push(resource(kind, name, made));
        }
        let facts = setup::ensure_queues(&client, name).await.map_err(failed)?;
        if let QueueRef::Url(url) = &config.queue
            && *url != facts.url
        {
            return Err(other_url(url, &facts.url));
        }
        Ok(resources)
    }

    async fn set_up_tables(&self, config: &Config) -> Result<Vec<Resource>, Failure> {
        let failed = |error| Failure::call("setting up the ledger's tables", error);
        let client = aws_sdk_dynamodb::Client::new(self.sdk(config).await?);
        let names = table_names(config);
        let mut resources = Vec::new();
        for name in [&names.state, &names.audit] {
            let existed = dynamodb::table_exists(&client, name).await;
            resources.push(resource("table", name, made(existed.map_err(failed)?)));
        }
        let created = dynamodb::create_tables(&client, &names).await;
        created.map_err(failed)?;
        Ok(resources)
    }
}

#[async_trait(?Send)]
impl Connect for Aws<'_> {
    async fn books(&self, config: &Config) -> Result<ReadPorts, Failure> {
        let ledger = Arc::new(self.ledger(config).await?);
        Ok(ReadPorts { audit: Arc::clone(&ledger) as _, ledger })
    }

    async fn ports(&self, config: &Config) -> Result<Ports, Failure> {
        let elb = aws_sdk_elasticloadbalancingv2::Client::new(self.sdk(config).await?);
        let ledger = Arc::new(self.ledger(config).await?);
        Ok(Ports {
            relays: Arc::clone(&ledger) as _,
            queue: Arc::new(NoQueue),
            audit: Arc::clone(&ledger) as _,
            ledger,
            groups: Arc::new(Elbv2TargetGroups::new(elb.clone())),
            listeners: Arc::new(Elbv2Listeners::new(elb)),
            databases: self.databases(config).await?,
            clock: Arc::clone(&self.clock) as _,
        })
    }

    async fn relay_ports(&self, config: &Config) -> Result<RelayPorts, Failure> {
        let ledger = Arc::new(self.ledger(config).await?);
        Ok(RelayPorts { reports: Arc::clone(&ledger) as _, ledger, clock: Arc::clone(&self.clock) as _ })
    }

    async fn queue(&self, config: &Config) -> Result<OpenQueue, Failure> {
        let client = aws_sdk_sqs::Client::new(self.sdk(config).await?);
        let name = config.queue.to_string();
        let queue = SqsQueue::open(client, &name).await;
        let queue = queue.map_err(|error| open_failure(&name, error))?;
        let facts = queue.facts();
        Ok(OpenQueue { url: facts.url.clone(), visibility: facts.visibility, port: Arc::new(queue) })
    }

    async fn set_up(&self, config: &Config) -> Result<Vec<Resource>, Failure> {
        let mut resources = self.set_up_queues(config).await?;
        resources.extend(self.set_up_tables(config).await?);
        Ok(resources)
    }

    async fn identity(&self, config: &Config) -> Result<String, Failure> {
        let client = aws_sdk_sts::Client::new(self.sdk(config).await?);
        let caller = identity::caller(&client).await;
        caller.map_err(|error| Failure::call("reading the caller's identity", error))
    }

    async fn installation(&self, config: &Config) -> Result<Arc<dyn Installation>, Failure> {
        let what = What {
            queue: config.queue.to_string(),
            tables: table_names(config),
            endpoints: endpoints(self.env),
        };
        // Without a name server everything else can be checked.
        let names = self.names(config).await.ok().cloned();
        let clock = Arc::clone(&self.clock) as _;
        let sql = match &names {
            Some(names) => self.sql(config, names).await?,
            None => None,
        };
        let installation = AwsInstallation::new(self.sdk(config).await?, what, names, clock);
        Ok(Arc::new(installation.with_sql(sql)))
    }

    fn process(&self) -> Result<ProcessContext, Failure> {
        Ok(ProcessContext { owner: self.owner(), stops: stops()?, open_files_max: open_files_max() })
    }
}

/// The variables that replace AWS's endpoints, with their values.
fn endpoints(env: Env<'_>) -> Vec<(String, String)> {
    let services = SERVICES.iter().map(|service| format!("{ENDPOINT}_{service}"));
    let variables = std::iter::once(ENDPOINT.to_owned()).chain(services);
    let set = variables.filter_map(|variable| env(&variable).map(|url| (variable, url)));
    set.filter(|(_, url)| !url.is_empty()).collect()
}

/// How many files this process may open, as Linux says; elsewhere there is no such file.
fn open_files_max() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    soft_limit(&limits, "Max open files")
}

/// The soft limit of this name: the first number behind it. None where it is unlimited.
fn soft_limit(limits: &str, name: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Counts the requests to stop: SIGTERM, as ECS sends it, and SIGINT, as Ctrl-C does.
fn stops() -> io::Result<watch::Receiver<u32>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (count, stops) = watch::channel(0);
    tokio::spawn(async move {
        while next(&mut terminate, &mut interrupt).await.is_some() {
            count.send_modify(|count| *count += 1);
        }
    });
    Ok(stops)
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> Option<()> {
    tokio::select! {
        received = terminate.recv() => received,
        received = interrupt.recv() => received,
    }
}

fn table_names(config: &Config) -> TableNames {
    TableNames {
        state: config.ledger.state.as_str().to_owned(),
        audit: config.ledger.audit.as_str().to_owned(),
    }
}

/// A queue's URL ends in its name.
fn queue_name(queue: &QueueRef) -> &str {
    match queue {
        QueueRef::Name(name) => name,
        QueueRef::Url(url) => url.rsplit_once('/').map_or(url.as_str(), |(_, name)| name),
    }
}

fn task_id(env: Env<'_>) -> Option<String> {
    let uri = env(ECS_METADATA)?;
    let (_, container) = uri.rsplit_once('/')?;
    let (task, _) = container.split_once('-').unwrap_or((container, ""));
    (!task.is_empty()).then(|| task.to_owned())
}

fn host_name() -> Option<String> {
    let name = std::fs::read_to_string(HOST_NAME_FILE).ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

fn made(existed: bool) -> Made {
    if existed { Made::Found } else { Made::Created }
}

fn resource(kind: &'static str, name: &str, made: Made) -> Resource {
    let name = name.to_owned();
    Resource { kind, name, made }
}

fn open_failure(queue: &str, error: OpenError) -> Failure {
    let fix = match error {
        OpenError::Call(error) => {
            return Failure::call(&format!("opening the queue {queue}"), error);
        }
        OpenError::NotFifo { .. } => {
            "name a FIFO queue under [queue]; a standard one cannot be made into one"
        }
        OpenError::NoDeadLetterQueue { .. } => {
            "give the queue a redrive policy with a FIFO queue as its dead-letter queue"
        }
        OpenError::Unreadable { .. } => "this should not happen: please report it",
    };
    Failure::told(format!("the queue {queue} cannot be used"), error.to_string(), fix, Exit::Error)
}

fn set_up_failure(queue: &str, error: &SetupError) -> Failure {
    let fix = match error {
        SetupError::Call(error) => {
            return Failure::call(&format!("setting up the queue {queue}"), error.clone());
        }
        SetupError::NotAFifoName { .. } => "choose a name that ends in .fifo under [queue]".to_owned(),
        SetupError::Differs { name, attribute, wanted, .. } => format!(
            "set {attribute} of {name} to {wanted}, or choose another queue under [queue]; nothing was changed"
        ),
    };
    Failure::told(format!("the queue {queue} was not set up"), error.to_string(), fix, Exit::Error)
}

fn other_url(configured: &str, made: &str) -> Failure {
    Failure::told(
        format!("the queue {configured} was not set up"),
        format!("in the account and Region of the credentials its name stands for {made}"),
        "use the credentials and the Region of the configured queue, or correct queue.url",
        Exit::Error,
    )
}

fn no_password(variable: &str) -> Failure {
    Failure::told(
        "the instances cannot be asked who writes",
        format!("sql.password_env names the variable {variable}, which is not set"),
        "set it to the password of sql.user, or use password_file or iam = true under [sql]",
        Exit::Error,
    )
}

fn nameless(error: &CallError) -> Failure {
    Failure::told(
        "the names of endpoints cannot be read",
        error.message.as_str(),
        "name a server in /etc/resolv.conf or as resolver under [dns], or remove dns from discovery",
        Exit::Error,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    /// A route as the Lambda was configured: a map and no discovery source.
    fn lambdas(name: &str) -> Option<String> {
        let arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/db/73e2d6bc24d8a067";
        match name {
            config::TARGET_GROUP_ARN => Some(arn.to_owned()),
            config::IP_DICT => Some(r#"{"db-1": "10.0.1.10"}"#.to_owned()),
            _ => None,
        }
    }

    #[tokio::test]
    async fn an_events_only_route_opens_no_connection_for_databases() {
        let config = config::read(None, &lambdas).unwrap().config;
        let aws = Aws::new(&|_| None, SystemClock::start());
        let databases = aws.databases(&config).await.unwrap();
        assert!(!aws.sdk.initialized());
        let route = &config.routes[0];
        assert!(databases.ask(route).await.0.is_empty());
        let (instance, ip) = route.instances.first_key_value().unwrap();
        assert_eq!(databases.address(route, instance).await, Ok(Some(*ip)));
    }

    #[test]
    fn a_task_is_named_by_its_id() {
        let uri = "http://169.254.170.2/v4/5fb8fcdd29f04a30b2a5cd9d1a2b3c4d-0123456789";
        let env = |name: &str| (name == ECS_METADATA).then(|| uri.to_owned());
        assert_eq!(task_id(&env).as_deref(), Some("5fb8fcdd29f04a30b2a5cd9d1a2b3c4d"));
        assert_eq!(task_id(&|_| None), None);
    }

    #[test]
    fn two_processes_of_one_place_are_two_owners() {
        let aws = Aws::new(&|_| None, SystemClock::start());
        assert_ne!(aws.owner(), aws.owner());
    }

    #[test]
    fn a_queue_has_its_name_at_the_end_of_its_url() {
        let url = QueueRef::Url("https://sqs.us-east-1.amazonaws.com/1/a.fifo".to_owned());
        assert_eq!(queue_name(&url), "a.fifo");
        assert_eq!(queue_name(&QueueRef::Name("b.fifo".to_owned())), "b.fifo");
    }
}
