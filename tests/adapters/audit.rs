//! What the audit's reading side makes of a refusal.

use writerlink_aws::dynamodb::{DynamoLedger, TableNames};
use writerlink_core::ledger::state::ChainHead;
use writerlink_core::model::ids::Hash;
use writerlink_core::model::names::RouteName;
use writerlink_engine::audit_chain::verify_newest;
use writerlink_engine::ports::ErrorKind;

use crate::support::Account;
use crate::support::stub::{Answer, Stub};

#[tokio::test]
async fn a_code_that_nobody_listed_is_a_failed_read_and_no_broken_chain() {
    let stub = Stub::answering(Answer::dynamodb_error("SomethingNewException"));
    let sdk = Account::fresh().config(&stub.endpoint()).await;
    let ledger = DynamoLedger::new(aws_sdk_dynamodb::Client::new(&sdk), TableNames::default());
    let head = ChainHead { seq: 2, hash: Hash::of("a record") };
    let route = RouteName::new("orders").unwrap();
    let error = verify_newest(&ledger, route, head).await.unwrap_err();
    assert_eq!(error.code, "SomethingNewException");
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert_eq!(stub.asked().len(), 1, "and it is no reason to ask again");
}
