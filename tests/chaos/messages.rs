//! What RDS might tell over a few minutes: failovers, each told in one or several of its forms, some of them late,
//! among events that move nothing, lies, and what cannot be read.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use serde_json::json;
use writerlink::config;
use writerlink_core::evidence::event::EventKey;
use writerlink_core::model::route::Route;
use writerlink_core::model::time::Timestamp;
use writerlink_engine::wire::{Parsed, parse};

use crate::trial::{NEW, OLD};

/// How many routes there are.
pub(crate) const ROUTES: usize = 10;

/// A time that no clock of ours is near, ahead of it.
const DAY_MS: i64 = 24 * 3600 * 1000;

/// What has to become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    /// Its event is settled and the message deleted.
    Settled,
    /// Its event is settled as `Rejected`, and the message a dead letter.
    Rejected,
    /// It is no event, and the message a dead letter.
    Malformed,
}

/// A message that is to be sent.
pub(crate) struct Message {
    pub(crate) route: usize,
    pub(crate) body: String,
    pub(crate) fate: Fate,
}

/// An event of a cluster.
#[derive(Clone)]
struct Event {
    route: usize,
    id: u16,
    at: i64,
    text: String,
}

/// Everything that is to be told, and where it has to lead.
pub(crate) struct Story {
    pub(crate) messages: Vec<Message>,
    account: String,
    rng: Rng,
    told: Vec<(Event, Fate)>,
    /// The time and the address of each route's newest credible evidence.
    newest: BTreeMap<usize, (i64, &'static str)>,
    /// No two failovers of a route are of the same millisecond: which one wins would be nobody's promise.
    times: BTreeSet<(usize, i64)>,
    begins: i64,
}

/// How the ARNs of target groups begin.
const ELB: &str = "arn:aws:elasticloadbalancing:us-east-1";

/// The account in the texts as they are written here.
const ACCOUNT: &str = "123456789012";

/// The name of a route's cluster, and of the route.
pub(crate) fn source(route: usize) -> String {
    format!("chaos-{route}")
}

/// The route as the workers have it, as far as it tells events apart.
fn as_configured(route: usize, account: &str) -> Route {
    let source = source(route);
    let group = format!("{ELB}:{account}:targetgroup/{source}/73e2d6bc24d8a067");
    let text = format!(
        "[[route]]\nsource = \"{source}\"\ntarget_group = \"{group}\"\n[route.instances]\ndb-1 = \"{OLD}\"\n"
    );
    let env = |name: &str| (name == config::CONFIG_TEXT_VARIABLE).then(|| text.clone());
    let read = config::read(None, &env).unwrap();
    read.config.routes.into_iter().next().unwrap()
}

impl Story {
    /// A story of so many messages in an account, that begins at `now`, an hour in the past.
    pub(crate) fn written(seed: u64, messages: usize, now: Timestamp, account: &str) -> Self {
        let mut story = Self {
            account: account.to_owned(),
            messages: Vec::new(),
            rng: Rng::with_seed(seed),
            told: Vec::new(),
            newest: BTreeMap::new(),
            times: BTreeSet::new(),
            begins: now.as_millis() - DAY_MS / 24,
        };
        for n in 0..messages {
            story.go_on(n);
        }
        story
    }

    /// Where each route has to be in the end.
    pub(crate) fn writers(&self) -> Vec<&'static str> {
        let writer = |route| self.newest.get(&route).map_or(OLD, |(_, ip)| *ip);
        (0..ROUTES).map(writer).collect()
    }

    /// The routes with a refused event that no accepted evidence answers, in whatever order they came: one ahead of
    /// every clock, or one that is newer than the newest evidence.
    pub(crate) fn unresolved(&self) -> BTreeSet<usize> {
        let refused = self.told.iter().filter(|(_, fate)| *fate == Fate::Rejected);
        let open = refused.filter(|(event, _)| event.at > self.now(event.route));
        open.map(|(event, _)| event.route).collect()
    }

    /// The keys of every event, by route; an event told several times has one.
    pub(crate) fn events(&self) -> BTreeMap<(usize, String), Fate> {
        let mut events = BTreeMap::new();
        for message in &self.messages {
            let Ok(Parsed::Events(parsed)) = parse(&message.body) else {
                assert_eq!(message.fate, Fate::Malformed, "{}", message.body);
                continue;
            };
            let route = as_configured(message.route, &self.account);
            for event in parsed {
                let key = EventKey::of(&route, &event).to_string();
                events.insert((message.route, key), message.fate);
            }
        }
        events
    }

    /// One more failover of a route to where it is: what repairs what a late call has undone.
    pub(crate) fn once_more(&mut self, route: usize) -> String {
        let (at, ip) = self.newest.get(&route).copied().unwrap_or((self.begins, OLD));
        let instance = if ip == NEW { 2 } else { 1 };
        let event = completed(route, instance, at + 1000);
        self.newest.insert(route, (event.at, ip));
        let nonce = self.messages.len();
        self.tell(event, Fate::Settled, nonce);
        self.messages[nonce].body.clone()
    }

    /// The first message to each route is a failover, so that no route is left out.
    fn go_on(&mut self, n: usize) {
        let route = if n < ROUTES { n } else { self.rng.usize(..ROUTES) };
        let dice = if n < ROUTES { 0 } else { self.rng.u32(..100) };
        match dice {
            0..56 => self.failover(route, n),
            56..70 => self.again(n),
            70..83 => self.old(route, n),
            83..87 => {
                let at = self.now(route) + DAY_MS;
                self.tell(completed(route, 1, at), Fate::Rejected, n);
            }
            87..90 => {
                let at = self.fresh_time(route);
                self.tell(completed(route, 9, at), Fate::Rejected, n);
            }
            90..94 => {
                let (id, text) = (6, "Database cluster restarted".to_owned());
                let at = self.fresh_time(route);
                self.tell(Event { route, id, at, text }, Fate::Settled, n);
            }
            _ => self.malformed(route, n),
        }
    }

    fn failover(&mut self, route: usize, n: usize) {
        let at = self.fresh_time(route);
        let instance = 1 + self.rng.u32(..2);
        let event = if self.rng.u32(..3) == 0 {
            started(route, instance, at)
        } else {
            completed(route, instance, at)
        };
        let ip = if instance == 2 { NEW } else { OLD };
        self.newest.insert(route, (at, ip));
        self.tell(event, Fate::Settled, n);
    }

    /// Tells an earlier event again, perhaps in another form.
    fn again(&mut self, n: usize) {
        let nth = self.rng.usize(..self.told.len());
        let (event, fate) = self.told[nth].clone();
        self.tell(event, fate, n);
    }

    /// A failover from before the newest one, that nobody has heard of yet.
    fn old(&mut self, route: usize, n: usize) {
        let newest = self.now(route);
        let mut at = newest - 1 - self.rng.i64(0..30_000);
        while !self.times.insert((route, at)) {
            at -= 1;
        }
        let instance = 1 + self.rng.u32(..2);
        self.tell(completed(route, instance, at), Fate::Settled, n);
    }

    fn malformed(&mut self, route: usize, n: usize) {
        let body = match self.rng.u32(..3) {
            0 => format!("no JSON at all {n}"),
            1 => format!("{{\"detail-type\": {n}}}"),
            _ => {
                let whole = eventbridge(&completed(route, 2, self.begins), n);
                whole[..whole.len() / 2].to_owned()
            }
        };
        let body = body.replace(ACCOUNT, &self.account);
        let fate = Fate::Malformed;
        self.messages.push(Message { route, body, fate });
    }

    fn now(&self, route: usize) -> i64 {
        self.newest.get(&route).map_or(self.begins, |(at, _)| *at)
    }

    /// A time after every one that was told of this route, the future apart.
    fn fresh_time(&mut self, route: usize) -> i64 {
        let mut at = self.now(route) + 1 + self.rng.i64(0..20_000);
        while !self.times.insert((route, at)) {
            at += 1;
        }
        at
    }

    fn tell(&mut self, event: Event, fate: Fate, nonce: usize) {
        let body = match self.rng.u32(..3) {
            0 => eventbridge(&event, nonce),
            1 => notification(&event),
            _ => envelope(&event, nonce),
        };
        let route = event.route;
        let body = body.replace(ACCOUNT, &self.account);
        self.messages.push(Message { route, body, fate });
        self.told.push((event, fate));
    }
}

fn completed(route: usize, instance: u32, at: i64) -> Event {
    let source = source(route);
    let text = format!("Completed RDS initiated failover to DB instance: {source}-instance-{instance}");
    Event { route, id: 71, at, text }
}

fn started(route: usize, instance: u32, at: i64) -> Event {
    let source = source(route);
    let text = format!("Started cross AZ failover to DB instance: {source}-instance-{instance}");
    Event { route, id: 73, at, text }
}

fn arn(route: usize) -> String {
    format!("arn:aws:rds:us-east-1:{ACCOUNT}:cluster:{}", source(route))
}

/// As EventBridge delivers it.
fn eventbridge(event: &Event, nonce: usize) -> String {
    json!({
        "version": "0",
        "id": format!("event-{nonce}"),
        "detail-type": "RDS DB Cluster Event",
        "source": "aws.rds",
        "time": Timestamp::from_millis(event.at).to_string(),
        "resources": [arn(event.route)],
        "detail": {
            "SourceType": "CLUSTER",
            "SourceArn": arn(event.route),
            "Date": Timestamp::from_millis(event.at).to_string(),
            "Message": event.text,
            "SourceIdentifier": source(event.route),
            "EventID": format!("RDS-EVENT-{:04}", event.id),
        }
    })
    .to_string()
}

/// As RDS tells a topic, delivered raw.
fn notification(event: &Event) -> String {
    let at = Timestamp::from_millis(event.at).to_string();
    json!({
        "Event Source": "db-cluster",
        "Event Time": at.replace('T', " ").replace('Z', ""),
        "Source ID": source(event.route),
        "Source ARN": arn(event.route),
        "Event ID": format!("http://docs.aws.amazon.com/USER_Events.html#RDS-EVENT-{:04}", event.id),
        "Event Message": event.text,
    })
    .to_string()
}

/// The same in the envelope of SNS.
fn envelope(event: &Event, nonce: usize) -> String {
    json!({
        "Type": "Notification",
        "MessageId": format!("message-{nonce}"),
        "TopicArn": format!("arn:aws:sns:us-east-1:{ACCOUNT}:rds-failover"),
        "Message": notification(event),
    })
    .to_string()
}
