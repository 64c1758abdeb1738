//! verify: whole chains, ranges, and what somebody did to them.

use crate::archive::{done, moved, overwrite, redacted, remove};

#[tokio::test(start_paused = true)]
async fn an_intact_chain_looks_like_this() {
    let desk = moved(&["orders", "billing"], 3).await;
    let said = done(desk.says("audit verify").await);
    insta::assert_snapshot!(redacted(&said.out), @"");
    let all = done(desk.says("audit verify --all").await);
    assert_eq!(all.out, said.out);
    let said = done(desk.says("audit verify billing orders --output csv").await);
    insta::assert_snapshot!(redacted(&said.out), @"");
    let said = done(desk.says("audit verify orders --from 3 --to 5").await);
    insta::assert_snapshot!(redacted(&said.out), @"");
}

#[tokio::test(start_paused = true)]
async fn a_broken_chain_looks_like_this() {
    let desk = moved(&["orders", "billing"], 3).await;
    overwrite(&desk, ("orders", 4), "outcome", "Failed").await;
    let text = &desk.rig.chain(1).await[2].canonical;
    overwrite(&desk, ("billing", 3), "record", &text.replace("billing-2", "billing-3")).await;
    let said = desk.says("audit verify").await;
    assert_eq!(said.code, 3);
    insta::assert_snapshot!(redacted(&said.out), @"");
    insta::assert_snapshot!(redacted(&said.err), @"");
    let said = desk.says("audit verify orders --output json").await;
    assert_eq!(said.code, 3);
    insta::assert_snapshot!(redacted(&said.out), @"");
}

#[tokio::test(start_paused = true)]
async fn a_range_finds_what_is_in_it_and_nothing_else() {
    let desk = moved(&["orders"], 5).await;
    overwrite(&desk, ("orders", 4), "outcome", "Failed").await;
    let code = async |options: &str| {
        let said = desk.says(&format!("audit verify orders {options}")).await;
        said.code
    };
    assert_eq!(code("").await, 3);
    assert_eq!(code("--from 5").await, 0);
    assert_eq!(code("--to 3").await, 0);
    assert_eq!(code("--from 4").await, 3);
    assert_eq!(code("--from 2 --to 4").await, 3);
    assert_eq!(code("--from 10 --to 10").await, 0);
    // A range of no records is no intact one.
    assert_eq!(code("--to 11").await, 2);
    assert_eq!(code("--from 6 --to 5").await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_range_has_to_continue_the_record_before_it() {
    let desk = moved(&["orders"], 3).await;
    // Another text with a hash that fits it: only what follows it can tell.
    let text = desk.rig.chain(0).await[2].canonical.replace("orders-2", "orders-3");
    overwrite(&desk, ("orders", 3), "record", &text).await;
    let said = desk.says("audit verify orders --from 4 --output jsonl").await;
    assert_eq!(said.code, 3, "{}", said.out);
    assert!(said.out.contains("\"first_bad_seq\":4"), "{}", said.out);
    remove(&desk, "orders", 3).await;
    let said = desk.says("audit verify orders --from 4 --output jsonl").await;
    assert_eq!(said.code, 3);
    assert!(said.out.contains("\"first_bad_seq\":3"), "{}", said.out);
}

#[tokio::test(start_paused = true)]
async fn a_range_of_several_routes_is_wrong_usage() {
    let desk = moved(&["orders", "billing"], 1).await;
    let said = desk.says("audit verify --from 2").await;
    assert_eq!(said.code, 2);
    insta::assert_snapshot!(said.err, @"");
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_no_record_any_more_is_a_broken_chain_and_no_error() {
    let desk = moved(&["orders"], 3).await;
    overwrite(&desk, ("orders", 4), "record", "{}").await;
    let said = desk.says("audit verify --output jsonl").await;
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.out.contains("\"first_bad_seq\":4"), "{}", said.out);
    remove(&desk, "orders", 4).await;
    let said = desk.says("audit verify --output jsonl").await;
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.out.contains("\"found\":\"record 5\""), "{}", said.out);
}
