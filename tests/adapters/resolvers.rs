//! Several name servers: which of them is believed, and what each of them keeps for how long.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use hickory_resolver::proto::op::ResponseCode;
use writerlink_aws::dns::names::{Families, Names, Patience};
use writerlink_aws::dns::no_address::NoAddress;
use writerlink_core::model::policy::DiscoverySource;
use writerlink_core::model::route::Route;
use writerlink_engine::ports::CallError;
use writerlink_engine::ports::installation::Installation;

use super::dns::{ENDPOINT, at_home, route};
use super::installation;
use crate::support::Account;
use crate::support::dns::NameServer;

/// How often a question is asked whose answer must not depend on who is faster.
const TIMES: usize = 10;

/// The port of a server that does not run: nobody listens there while the test holds it, and nobody answers.
struct Dead(UdpSocket);

impl Dead {
    fn silent() -> Self {
        Self(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }
}

/// A server by which the cluster's endpoint leads to this instance, which is at this address.
fn leads_to(instance: &str, ip: &str) -> NameServer {
    let server = NameServer::start();
    server.alias(ENDPOINT, &at_home(instance));
    server.addresses(&at_home(instance), &[ip]);
    server
}

/// The resolver whose cache is stale: it answers at once, from memory.
fn stale() -> NameServer {
    leads_to("db-1", "10.0.1.10")
}

fn fresh() -> NameServer {
    leads_to("db-2", "10.0.2.10")
}

fn asking(servers: &[SocketAddr]) -> Names {
    let patience = Patience { attempt: Duration::from_secs(1), ..Patience::default() };
    Names::of(servers, patience).unwrap()
}

async fn found(names: &Names) -> Result<IpAddr, NoAddress> {
    let found = names.look_up(ENDPOINT, Families::V4).await;
    found.map(|found| found.ip)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[tokio::test]
async fn the_first_server_is_believed_though_the_second_is_faster() {
    let (first, second) = (fresh(), stale());
    first.slow(ENDPOINT);
    let names = asking(&[first.address(), second.address()]);
    for _ in 0..TIMES {
        assert_eq!(found(&names).await, Ok(ip("10.0.2.10")));
    }
    assert_eq!(second.asked(), []);
}

#[tokio::test]
async fn the_second_server_is_asked_when_the_first_fails_to_answer() {
    for code in [ResponseCode::ServFail, ResponseCode::Refused, ResponseCode::NotImp] {
        let (first, second) = (stale(), fresh());
        first.code(ENDPOINT, code);
        let names = asking(&[first.address(), second.address()]);
        assert_eq!(found(&names).await, Ok(ip("10.0.2.10")), "{code}");
    }
    let silent = Dead::silent();
    let names = asking(&[silent.address(), fresh().address()]);
    assert_eq!(found(&names).await, Ok(ip("10.0.2.10")), "silent");
    // Nobody has the port, so the machine itself refuses the question.
    let refused = silent.address();
    drop(silent);
    let names = asking(&[refused, fresh().address()]);
    assert_eq!(found(&names).await, Ok(ip("10.0.2.10")), "not running");
}

#[tokio::test]
async fn the_third_server_still_has_the_time_to_answer() {
    let (silent, silent_too) = (Dead::silent(), Dead::silent());
    let third = fresh();
    let servers = [silent.address(), silent_too.address(), third.address()];
    let names = Names::of(&servers, Patience::default()).unwrap();
    assert_eq!(found(&names).await, Ok(ip("10.0.2.10")));
}

#[tokio::test]
async fn that_a_name_does_not_exist_is_an_answer_of_the_first_server() {
    let (first, second) = (NameServer::start(), fresh());
    let names = asking(&[first.address(), second.address()]);
    let unknown = NoAddress::Unknown(ENDPOINT.to_owned());
    assert_eq!(found(&names).await, Err(unknown));
    first.addresses(ENDPOINT, &[]);
    let empty = NoAddress::Empty(ENDPOINT.to_owned());
    assert_eq!(found(&names).await, Err(empty));
    assert_eq!(second.asked(), []);
}

#[tokio::test]
async fn servers_that_all_fail_are_named_each_with_its_reason() {
    let (first, second) = (NameServer::start(), NameServer::start());
    first.code(ENDPOINT, ResponseCode::ServFail);
    second.code(ENDPOINT, ResponseCode::Refused);
    let (one, other) = (first.address(), second.address());
    let names = asking(&[one, other]);
    assert_eq!(
        found(&names).await.unwrap_err().to_string(),
        format!("no answer for {ENDPOINT}: {one} answers SERVFAIL; {other} answers REFUSED")
    );
    // Where all say the same it is what they say.
    second.code(ENDPOINT, ResponseCode::ServFail);
    let error = CallError::from(found(&names).await.unwrap_err());
    assert_eq!(error.code, "SERVFAIL");
}

#[tokio::test]
async fn the_name_that_does_not_exist_is_told_and_not_the_one_that_leads_to_it() {
    let server = NameServer::start();
    server.alias("db.example.com", ENDPOINT);
    server.alias(ENDPOINT, &at_home("db-9"));
    let names = asking(&[server.address()]);
    for asked in ["db.example.com", ENDPOINT] {
        let error = names.look_up(asked, Families::V4).await.unwrap_err();
        assert_eq!(error, NoAddress::Unknown(at_home("db-9")), "{asked}");
    }
    server.addresses(&at_home("db-9"), &[]);
    let error = names.look_up(ENDPOINT, Families::V4).await.unwrap_err();
    assert_eq!(error, NoAddress::Empty(at_home("db-9")));
}

#[tokio::test]
async fn an_answer_tells_how_long_each_name_on_the_way_may_be_kept() {
    let server = fresh();
    server.ttls(&[299]);
    let names = asking(&[server.address()]);
    let found = names.look_up(ENDPOINT, Families::V4).await.unwrap();
    let told: Vec<_> = found.names.iter().map(|alias| (alias.name.as_str(), alias.ttl.as_secs())).collect();
    assert_eq!(told, [(ENDPOINT, 299), (at_home("db-2").as_str(), 299)]);
}

#[tokio::test]
async fn each_server_can_be_asked_by_itself() {
    let (first, second, silent) = (fresh(), stale(), Dead::silent());
    let servers = [first.address(), silent.address(), second.address()];
    let names = asking(&servers);
    let said = names.look_up_at_each(ENDPOINT, Families::V4).await.unwrap();
    let said: Vec<_> =
        said.into_iter().map(|(server, found)| (server, found.ok().map(|found| found.ip))).collect();
    assert_eq!(
        said,
        [
            (first.address(), Some(ip("10.0.2.10"))),
            (silent.address(), None),
            (second.address(), Some(ip("10.0.1.10"))),
        ]
    );
}

/// What `check` sees of the resolvers: which one, where the endpoint leads by it, and for how many seconds it keeps that.
async fn seen(servers: &[SocketAddr], route: &Route) -> Vec<(SocketAddr, Option<(IpAddr, u64)>)> {
    let sdk = Account::fresh().config("http://127.0.0.1:9").await;
    let installation = installation::of(&sdk, Some(asking(servers)));
    let seen = installation.names(route).await.unwrap().into_iter();
    seen.map(|name| {
        let answer = name.answer.ok();
        let answer = answer.map(|answer| (answer.ip, answer.kept.as_secs()));
        (name.resolver, answer)
    })
    .collect()
}

#[tokio::test]
async fn a_raised_ttl_is_seen_in_the_first_answer_or_the_second() {
    let (old, new) = (ip("10.0.1.10"), ip("10.0.2.10"));
    let route = route(&[DiscoverySource::Dns]);
    // unbound raises every answer; dnsmasq those of its cache alone, and the first comes from elsewhere.
    let (fresh, unbound, dnsmasq) = (fresh(), stale(), stale());
    fresh.ttls(&[5]);
    unbound.ttls(&[299, 298]);
    dnsmasq.ttls(&[5, 300]);
    let servers = [fresh.address(), unbound.address(), dnsmasq.address()];
    assert_eq!(
        seen(&servers, &route).await,
        [(servers[0], Some((new, 5))), (servers[1], Some((old, 299))), (servers[2], Some((old, 300))),]
    );
}

#[tokio::test]
async fn a_resolver_of_the_list_that_is_down_is_seen_before_it_is_needed() {
    let (fresh, silent) = (fresh(), Dead::silent());
    let servers = [fresh.address(), silent.address()];
    let seen = seen(&servers, &route(&[DiscoverySource::Dns])).await;
    assert!(seen[0].1.is_some());
    assert_eq!(seen[1], (silent.address(), None));
}

#[tokio::test]
async fn a_route_whose_map_says_it_all_asks_no_resolver() {
    let server = fresh();
    assert_eq!(seen(&[server.address()], &route(&[])).await, []);
    assert_eq!(server.asked(), []);
}
