//! A name server in this process: what no stand-in for AWS has, and no real one says on demand.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use hickory_resolver::proto::op::{Message, Query, ResponseCode};
use hickory_resolver::proto::rr::rdata::{CNAME, SOA};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

/// How long every answer may be used again, refusals too: an hour, in which any cache would show.
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
}

/// A running name server, which resolves aliases as the VPC's resolver does. It answers NXDOMAIN for what it
/// was not told of.
pub struct NameServer {
    address: SocketAddr,
    zone: Arc<Mutex<BTreeMap<String, Entry>>>,
    asked: Arc<Mutex<Vec<(String, RecordType)>>>,
}

impl NameServer {
    /// One that knows nothing yet.
    pub fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let server = Self {
            address: socket.local_addr().expect("it has an address"),
            zone: Arc::default(),
            asked: Arc::default(),
        };
        let (zone, asked) = (Arc::clone(&server.zone), Arc::clone(&server.asked));
        thread::spawn(move || {
            let mut buffer = [0; BUFFER];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let asking = Message::from_vec(&buffer[..length]).expect("hickory writes DNS");
                let query = asking.queries.first().expect("a query asks").clone();
                lock(&asked).push((plain(query.name()), query.query_type()));
                if let Some(answer) = answer(&lock(&zone), &asking, query) {
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
        let ips = ips
            .iter()
            .map(|ip| ip.parse().expect("a test knows addresses"));
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

fn plain(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    text.trim_end_matches('.').to_owned()
}

fn absolute(name: &str) -> Name {
    Name::from_ascii(format!("{name}.")).expect("a test knows names")
}

fn answer(zone: &BTreeMap<String, Entry>, asking: &Message, query: Query) -> Option<Message> {
    let mut answer = Message::response(asking.metadata.id, asking.metadata.op_code);
    answer.metadata.recursion_desired = true;
    answer.metadata.recursion_available = true;
    let family = query.query_type();
    let mut name = query.name().clone();
    answer.add_query(query);
    loop {
        match zone.get(&plain(&name)) {
            Some(Entry::Silence) => return None,
            Some(Entry::Code(code)) => answer.metadata.response_code = *code,
            Some(Entry::Addresses(ips)) => {
                let records = ips.iter().map(|ip| RData::from(*ip));
                let of_family = records.filter(|data| data.record_type() == family);
                answer
                    .add_answers(of_family.map(|data| Record::from_rdata(name.clone(), TTL, data)));
            }
            Some(Entry::Alias(target)) => {
                let target = absolute(target);
                let alias = RData::CNAME(CNAME(target.clone()));
                answer.add_answer(Record::from_rdata(name, TTL, alias));
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
