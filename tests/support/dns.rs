//! A name server in this process: what no stand-in for AWS has, and no real one says on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use hickory_resolver::proto::op::{Message, Query, ResponseCode};
use hickory_resolver::proto::rr::rdata::{CNAME, SOA};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

/// How long every answer may be used again, refusals too, unless a test says otherwise: an hour, in which any cache would
/// show.
const TTL: u32 = 3_600;

/// The longest message: a query of ours is far shorter.
const BUFFER: usize = 4_096;

/// What is known of a name.
#[derive(Clone)]
enum Entry {
    Alias(String),
    Addresses(Vec<IpAddr>),
    Code(ResponseCode),
    Silence,
    /// What the next entry says, from the second time on that it is asked for.
    Slow(Box<Entry>),
}

/// A running name server, which resolves aliases as the VPC's resolver does. It answers NXDOMAIN for what it
/// was not told of.
pub struct NameServer {
    address: SocketAddr,
    zone: Arc<Mutex<BTreeMap<String, Entry>>>,
    asked: Arc<Mutex<Vec<(String, RecordType)>>>,
    ttls: Arc<Mutex<Vec<u32>>>,
}

impl NameServer {
    /// One that knows nothing yet.
    pub fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let server = Self {
            address: socket.local_addr().expect("it has an address"),
            zone: Arc::default(),
            asked: Arc::default(),
            ttls: Arc::new(Mutex::new(vec![TTL])),
        };
        let (zone, asked) = (Arc::clone(&server.zone), Arc::clone(&server.asked));
        let ttls = Arc::clone(&server.ttls);
        thread::spawn(move || {
            let mut buffer = [0; BUFFER];
            let mut lost = BTreeSet::new();
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let asking = Message::from_vec(&buffer[..length]).expect("hickory writes DNS");
                let query = asking.queries.first().expect("a query asks").clone();
                lock(&asked).push((plain(query.name()), query.query_type()));
                let slow = matches!(lock(&zone).get(&plain(query.name())), Some(Entry::Slow(_)));
                // A question that is sent again keeps its number.
                if slow && lost.insert(asking.metadata.id) {
                    continue;
                }
                let ttl = next(&mut lock(&ttls));
                if let Some(answer) = answer(&lock(&zone), &asking, (query, ttl)) {
                    let bytes = answer.to_vec().expect("an answer of ours can be written");
                    socket.send_to(&bytes, from).expect("loopback takes it");
                }
            }
        });
        server
    }

    /// Where to find it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, `name` is an alias of `target`.
    pub fn alias(&self, name: &str, target: &str) {
        self.set(name, Entry::Alias(target.to_owned()));
    }

    /// From now on, `name` has these addresses; with none, it exists and has none.
    pub fn addresses(&self, name: &str, ips: &[&str]) {
        let ips = ips.iter().map(|ip| ip.parse().expect("a test knows addresses"));
        self.set(name, Entry::Addresses(ips.collect()));
    }

    /// From now on, this is the answer to every question for `name`.
    pub fn code(&self, name: &str, code: ResponseCode) {
        self.set(name, Entry::Code(code));
    }

    /// From now on, there is no answer for `name`.
    pub fn silence(&self, name: &str) {
        self.set(name, Entry::Silence);
    }

    /// From now on, the first of two questions for `name` is lost, as if this server had to ask another one first. Call
    /// it after what it answers was said.
    pub fn slow(&self, name: &str) {
        let mut zone = lock(&self.zone);
        let entry = zone.remove(name).expect("a slow name has an answer");
        zone.insert(name.to_owned(), Entry::Slow(Box::new(entry)));
    }

    /// From now on, answers may be used again for so many seconds: each question takes the next of these, and the last
    /// one is for all that follow.
    pub fn ttls(&self, seconds: &[u32]) {
        *lock(&self.ttls) = seconds.to_vec();
    }

    /// What it was asked so far. A question may come twice: an answer that is slow is asked for again.
    pub fn asked(&self) -> Vec<(String, RecordType)> {
        lock(&self.asked).clone()
    }

    fn set(&self, name: &str, entry: Entry) {
        lock(&self.zone).insert(name.to_owned(), entry);
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().expect("nobody panics while holding it")
}

/// The first of several, which the next one follows; the last one stays.
fn next(ttls: &mut Vec<u32>) -> u32 {
    if ttls.len() > 1 { ttls.remove(0) } else { ttls[0] }
}

fn plain(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    text.trim_end_matches('.').to_owned()
}

fn absolute(name: &str) -> Name {
    Name::from_ascii(format!("{name}.")).expect("a test knows names")
}

fn answer(zone: &BTreeMap<String, Entry>, asking: &Message, (query, ttl): (Query, u32)) -> Option<Message> {
    let mut answer = Message::response(asking.metadata.id, asking.metadata.op_code);
    answer.metadata.recursion_desired = true;
    answer.metadata.recursion_available = true;
    let family = query.query_type();
    let mut name = query.name().clone();
    answer.add_query(query);
    loop {
        let entry = match zone.get(&plain(&name)) {
            Some(Entry::Slow(entry)) => Some(entry.as_ref()),
            entry => entry,
        };
        match entry {
            Some(Entry::Silence | Entry::Slow(_)) => return None,
            Some(Entry::Code(code)) => answer.metadata.response_code = *code,
            Some(Entry::Addresses(ips)) => {
                let records = ips.iter().map(|ip| RData::from(*ip));
                let of_family = records.filter(|data| data.record_type() == family);
                answer.add_answers(of_family.map(|data| Record::from_rdata(name.clone(), ttl, data)));
            }
            Some(Entry::Alias(target)) => {
                let target = absolute(target);
                let alias = RData::CNAME(CNAME(target.clone()));
                answer.add_answer(Record::from_rdata(name, ttl, alias));
                name = target;
                continue;
            }
            None => answer.metadata.response_code = ResponseCode::NXDomain,
        }
        if answer.answers.is_empty() {
            answer.add_authority(for_an_hour());
        }
        return Some(answer);
    }
}

/// What a refusal brings with it: for how long it may be used again.
fn for_an_hour() -> Record {
    let zone = absolute("amazonaws.com");
    let hour = i32::try_from(TTL).expect("an hour is short");
    let soa = SOA::new(zone.clone(), zone.clone(), 1, hour, hour, hour, TTL);
    Record::from_rdata(zone, TTL, RData::SOA(soa))
}
