//! What the ledger's reads ask for: a stand-in is always consistent, and cannot show a read that is not.

use aws_sdk_dynamodb::Client;
use serde_json::Value;
use writerlink_aws::dynamodb::{DynamoLedger, TableNames};
use writerlink_core::evidence::event::EventKey;
use writerlink_core::model::ids::Hash;
use writerlink_core::model::names::RouteName;
use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::{AuditQuery, AuditReader as _, Ledger as _};

use crate::support::Account;
use crate::support::stub::{Answer, Stub};

/// A ledger without items and records, behind an endpoint that keeps what it is asked.
async fn scripted() -> (DynamoLedger, Stub) {
    let stub = Stub::answering(Answer::sqs("{}"));
    let sdk = Account::fresh().config(&stub.endpoint()).await;
    let ledger = DynamoLedger::new(Client::new(&sdk), TableNames::default());
    (ledger, stub)
}

fn asked(stub: &Stub) -> Vec<Value> {
    let bodies = stub.asked();
    let parsed = bodies.iter().map(|body| serde_json::from_str(body));
    parsed.map(Result::unwrap).collect()
}

fn orders() -> RouteName {
    RouteName::new("orders").unwrap()
}

/// An event that was just settled looks new to a stale read, and a route looks free.
#[tokio::test]
async fn every_read_of_a_route_and_of_an_event_is_consistent() {
    let (ledger, stub) = scripted().await;
    let key = EventKey::parse(&Hash::of("an event").to_string()).unwrap();
    assert_eq!(ledger.peek(&orders()).await.unwrap(), None);
    assert_eq!(ledger.event(&key).await.unwrap(), None);
    ledger.load(&orders()).await.unwrap_err();
    let reads: Vec<Value> = asked(&stub).into_iter().filter(|body| body.get("Key").is_some()).collect();
    assert_eq!(reads.len(), 4, "load reads before and after it creates");
    for read in reads {
        assert_eq!(read["ConsistentRead"], true, "{read}");
    }
}

/// Whoever loses the race for a route's item reads what the winner wrote.
#[tokio::test]
async fn an_item_that_another_worker_made_first_is_read_and_no_error() {
    for code in ["DuplicateItemException", "ConditionalCheckFailedException"] {
        let stub = Stub::scripted(vec![("INSERT", Answer::dynamodb_error(code)), ("", Answer::sqs("{}"))]);
        let sdk = Account::fresh().config(&stub.endpoint()).await;
        let ledger = DynamoLedger::new(Client::new(&sdk), TableNames::default());
        let error = ledger.load(&orders()).await.unwrap_err();
        // The script has no item to read.
        assert_eq!((error.call, stub.asked().len()), ("GetItem", 3), "{error}");
    }
}

#[tokio::test]
async fn every_read_of_a_chain_is_consistent_and_in_the_order_it_promises() {
    let (route, seq, day) = (orders(), 7, Timestamp::EPOCH.day());
    let (at, record) = (Timestamp::EPOCH, None);
    let chain = AuditQuery::Chain { route: route.clone(), from_seq: 1, to_seq: None };
    let newest_from = AuditQuery::NewestFrom { route: route.clone(), seq };
    let key = EventKey::parse(&Hash::of("an event").to_string()).unwrap();
    // Whether it is of the table, which alone can be read consistently, and whether the oldest comes first.
    let expected = [
        (chain, true, true),
        (AuditQuery::Newest { route }, true, false),
        (newest_from, true, false),
        (AuditQuery::Day { day: day.clone() }, false, false),
        (AuditQuery::DayBefore { day, at, record }, false, false),
        (AuditQuery::Event { key }, false, true),
    ];
    for (query, of_the_table, oldest_first) in expected {
        let (ledger, stub) = scripted().await;
        ledger.page(&query, 10, None).await.unwrap();
        let asked = asked(&stub).remove(0);
        let consistent = asked["ConsistentRead"].as_bool().unwrap_or(false);
        assert_eq!(consistent, of_the_table, "{query:?}");
        assert_eq!(asked.get("IndexName").is_none(), of_the_table, "{query:?}");
        let forward = asked["ScanIndexForward"].as_bool().unwrap_or(true);
        assert_eq!(forward, oldest_first, "{query:?}");
        assert_eq!(asked["Limit"], 10, "{query:?}");
    }
}
