//! export, and what was exported verified without the table.

use std::fs;

use super::archive::{done, ids, more, moved, numbered, overwrite, redacted, remove};
use crate::desk::Desk;

/// A folder with a file that an export goes to.
struct Shelf {
    _folder: tempfile::TempDir,
    path: String,
}

impl Shelf {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.export").display().to_string();
        Self { _folder: folder, path }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    async fn verified(&self, desk: &Desk) -> crate::desk::Said {
        let said = desk.says(&format!("audit verify --file {}", self.path)).await;
        crate::desk::Said {
            out: said.out.replace(&self.path, "FILE"),
            err: said.err.replace(&self.path, "FILE"),
            ..said
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_export_looks_like_this() {
    let desk = moved(&["orders"], 1).await;
    let said = done(desk.says("audit export --route orders").await);
    insta::assert_snapshot!(redacted(&said.out), @r#"
    {"hash":"HASH","record":{"after":[],"at":"2026-05-06T23:02:31.000Z","attempt":1,"before":[],"cause":"event","changes":{"desired":{"additional_targets":[],"at":"2026-05-06T23:02:31.000Z","instance":"orders-2","key":"HASH","mode":"swap","rank":2,"target":"10.0.2.11:3306"},"event":{"attempts":1,"first_seen":"2026-05-06T23:02:31.000Z","source_arn":"arn:aws:rds:us-east-1:123456789012:cluster:orders"},"moved":true},"desired":{"instance":"orders-2","ip":"10.0.2.11","port":3306},"event":{"at":"2026-05-06T23:02:31.000Z","id":"RDS-EVENT-0071","kind":"CLUSTER","message":"Completed failover to DB instance: orders-2","source":"orders","source_arn":"arn:aws:rds:us-east-1:123456789012:cluster:orders"},"event_key":"HASH","format":2,"generation":1,"kind":"started","note":"moves to orders-2 at 10.0.2.11:3306","owner":"w","prev_hash":"HASH","route":"orders","seq":1,"steps":[],"target_group":"arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/orders/HASH","transition":"TRANSITION","version":"VERSION"}}
    {"hash":"HASH","record":{"after":[{"availability_zone":"us-east-1a","health":"draining","ip":"10.0.1.11","port":3306,"reason":"Target.DeregistrationInProgress"},{"availability_zone":"us-east-1b","health":"initial","ip":"10.0.2.11","port":3306,"reason":"Elb.RegistrationInProgress"}],"at":"2026-05-06T23:02:31.000Z","attempt":1,"before":[{"availability_zone":"us-east-1a","health":"healthy","ip":"10.0.1.11","port":3306},{"availability_zone":"us-east-1b","health":"initial","ip":"10.0.2.11","port":3306,"reason":"Elb.RegistrationInProgress"}],"cause":"event","changes":{"event":{"attempts":1,"first_seen":"2026-05-06T23:02:31.000Z","source_arn":"arn:aws:rds:us-east-1:123456789012:cluster:orders"},"health_watch":{"instance":"orders-2","key":"HASH","moved_at":"2026-05-06T23:02:31.000Z","old_targets":["10.0.1.11:3306"],"serving_state":"awaited","since":"2026-05-06T23:02:31.000Z","target":"10.0.2.11:3306","transition":"TRANSITION"}},"desired":{"instance":"orders-2","ip":"10.0.2.11","port":3306},"event":{"at":"2026-05-06T23:02:31.000Z","id":"RDS-EVENT-0071","kind":"CLUSTER","message":"Completed failover to DB instance: orders-2","source":"orders","source_arn":"arn:aws:rds:us-east-1:123456789012:cluster:orders"},"event_key":"HASH","format":2,"generation":1,"kind":"finished","note":"the group holds orders-2 at 10.0.2.11:3306 and no other writer","outcome":"Moved","owner":"w","prev_hash":"HASH","reason":"WriterMoved","route":"orders","seq":2,"steps":[{"name":"Begin","start_us":0,"took_us":0},{"name":"RegisterTargets","request_id":"req-000001","start_us":0,"took_us":0},{"name":"DescribeTargetHealth","request_id":"req-000002","start_us":0,"took_us":0},{"name":"DeregisterTargets","request_id":"req-000003","start_us":0,"took_us":0},{"name":"DescribeTargetHealth","request_id":"req-000004","start_us":0,"took_us":0}],"target_group":"arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/orders/HASH","transition":"TRANSITION","version":"VERSION"}}
    "#);
    insta::assert_snapshot!(said.err, @"2 records written; go on with --after orders/2");
    let said = done(desk.says("audit export --all --output csv").await);
    insta::assert_snapshot!(redacted(&said.out), @r#"
    at,route,seq,kind,outcome,reason,cause,instance,target,took_ms,attempt,generation,owner,version,installation,config_hash,event_id,evidence_at,event_source,event_key,transition,hash,intact,note
    2026-05-06T23:02:31.000Z,orders,1,started,,,event,orders-2,10.0.2.11:3306,0,1,1,w,VERSION,,,RDS-EVENT-0071,2026-05-06T23:02:31.000Z,orders,HASH,TRANSITION,HASH,true,moves to orders-2 at 10.0.2.11:3306
    2026-05-06T23:02:31.000Z,orders,2,finished,Moved,WriterMoved,event,orders-2,10.0.2.11:3306,0,1,1,w,VERSION,,,RDS-EVENT-0071,2026-05-06T23:02:31.000Z,orders,HASH,TRANSITION,HASH,true,the group holds orders-2 at 10.0.2.11:3306 and no other writer
    "#);
    let said = desk.says("audit export --all --output json").await;
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    insta::assert_snapshot!(said.err, @r#"
    error: audit export does not write json
      why: it writes records as it reads them, and that form needs all of them at once
      fix: write --output jsonl, or csv
    "#);
}

#[tokio::test(start_paused = true)]
async fn an_export_holds_every_record_to_the_byte() {
    let desk = moved(&["orders"], 60).await;
    let said = done(desk.says("audit export --route orders").await);
    let chain = desk.rig.chain(0).await;
    let lines: Vec<String> =
        chain.iter().map(|s| format!("{{\"hash\":\"{}\",\"record\":{}}}", s.hash, s.canonical)).collect();
    assert_eq!(said.out.lines().collect::<Vec<_>>(), lines);
}

#[tokio::test(start_paused = true)]
async fn a_file_goes_on_after_its_last_whole_line_wherever_it_was_torn() {
    let desk = moved(&["orders", "billing"], 3).await;
    for form in ["jsonl", "csv"] {
        let shelf = Shelf::new();
        let line = format!("audit export --all --output {form} --to {}", shelf.path);
        done(desk.says(&line).await);
        let whole = shelf.text();
        let ends: Vec<usize> = whole.match_indices('\n').map(|(at, _)| at).collect();
        let around_ends = ends.iter().flat_map(|at| [*at, at + 1, at + 2]);
        let cuts: Vec<usize> = around_ends.chain((0..whole.len()).step_by(397)).collect();
        for cut in cuts.into_iter().filter(|cut| *cut <= whole.len()) {
            fs::write(&shelf.path, &whole.as_bytes()[..cut]).unwrap();
            let said = done(desk.says(&line).await);
            assert_eq!(shelf.text(), whole, "{form} cut at {cut}");
            let torn = cut > 0 && !whole[..cut].ends_with('\n');
            assert_eq!(said.err.contains("dropped a torn line"), torn, "{cut}: {}", said.err);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_export_of_all_routes_takes_what_each_has_since() {
    let desk = moved(&["orders", "billing"], 2).await;
    let shelf = Shelf::new();
    let line = format!("audit export --all --to {}", shelf.path);
    let said = done(desk.says(&line).await);
    insta::assert_snapshot!(said.err.replace(&shelf.path, "FILE"), @"8 records written to FILE; the same command goes on from there");
    more(&desk, 0, 2).await;
    more(&desk, 1, 1).await;
    done(desk.says(&line).await);
    let expected = [
        numbered("orders", 1..=4),
        numbered("billing", 1..=4),
        numbered("orders", 5..=8),
        numbered("billing", 5..=6),
    ];
    assert_eq!(ids(&shelf.text()), expected.concat());
    let verified = done(shelf.verified(&desk).await);
    insta::assert_snapshot!(redacted(&verified.out), @r#"
    ROUTE    RECORDS  VERDICT  HEAD
    billing  6        intact   6 HASH…
    orders   8        intact   8 HASH…
    "#);
    let said = done(desk.says(&line).await);
    assert!(said.err.starts_with("0 records written"), "{}", said.err);
}

#[tokio::test(start_paused = true)]
async fn what_is_passed_to_go_on_is_said_and_goes_on() {
    let desk = moved(&["orders", "billing"], 2).await;
    let said = done(desk.says("audit export --all").await);
    let (_, after) = said.err.trim().rsplit_once("; go on with ").unwrap();
    assert_eq!(after, "--after billing/4,orders/4");
    more(&desk, 1, 1).await;
    let rest = done(desk.says(&format!("audit export --all {after}")).await);
    assert_eq!(ids(&rest.out), numbered("billing", 5..=6));
    let rest = done(desk.says("audit export --route orders --after 3 --output csv").await);
    assert_eq!(rest.out.lines().count(), 1, "no second heading: {}", rest.out);
    let said = desk.says("audit export --all --after 3").await;
    assert_eq!(said.code, 2);
    insta::assert_snapshot!(said.err, @r#"
    error: there is no such record to go on after
      why: a number says nothing about several routes
      fix: write --after ROUTE/SEQ,ROUTE/SEQ, as it was printed by the command that ended there
    "#);
}

#[tokio::test(start_paused = true)]
async fn two_exports_join_at_a_time_without_gap_or_repetition() {
    let desk = moved(&["orders"], 12).await;
    let chain = desk.rig.chain(0).await;
    for seq in 1..=chain.len() {
        let at = chain[seq - 1].record.entry.at;
        let early = done(desk.says(&format!("audit export --all --until {at}")).await);
        let late = done(desk.says(&format!("audit export --all --since {at}")).await);
        let mut joined = ids(&early.out);
        joined.extend(ids(&late.out));
        assert_eq!(joined, numbered("orders", 1..=24), "{at}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_export_that_is_stopped_says_how_to_go_on() {
    let desk = moved(&["orders"], 1).await;
    desk.stop.send_replace(1);
    let said = desk.says("audit export --route orders --after 1").await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    insta::assert_snapshot!(said.err, @r#"
    0 records written; go on with --after orders/1
    error: the export was stopped
      why: somebody asked for it
      fix: repeat the command to go on, with what is said above
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_was_tampered_with_is_exported_and_told() {
    let desk = moved(&["orders"], 4).await;
    overwrite(&desk, ("orders", 3), "outcome", "Failed").await;
    let said = desk.says("audit export --all").await;
    assert_eq!((said.code, ids(&said.out)), (3, numbered("orders", 1..=8)));
    insta::assert_snapshot!(said.err, @r#"
    8 records written; go on with --after orders/8
    error: records are not as they were written, from orders/3 on
      why: somebody with access to the tables changed or removed them: writerlink cannot
           orders/3: expected the columns that its text has
           orders/3: found    others in outcome
      fix: find who wrote to the tables (CloudTrail data events), and compare with a backup
    "#);
    remove(&desk, "orders", 2).await;
    overwrite(&desk, ("orders", 5), "record", "{}").await;
    let said = desk.says("audit export --all").await;
    assert_eq!((said.code, ids(&said.out)), (3, numbered("orders", [1, 3, 4, 6, 7, 8])));
    assert!(said.err.contains("from orders/2 on"), "{}", said.err);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_the_table_does_not_continue_is_told() {
    let desk = moved(&["orders"], 2).await;
    let shelf = Shelf::new();
    let line = format!("audit export --all --to {}", shelf.path);
    done(desk.says(&line).await);
    let forged = shelf.text().replace("orders-3", "orders-2");
    fs::write(&shelf.path, forged).unwrap();
    more(&desk, 0, 1).await;
    let said = desk.says(&line).await;
    assert_eq!(said.code, 3);
    insta::assert_snapshot!(redacted(&said.err.replace(&shelf.path, "FILE")), @r"
    2 records written to FILE; the same command goes on from there
    error: records are not as they were written, from orders/5 on
      why: the table does not continue what the file ends with: one of the two was changed
           orders/5: expected prev_hash HASH
           orders/5: found    prev_hash HASH
      fix: verify both, writerlink audit verify ROUTE and audit verify --file FILE; if both are intact one of them was replaced as a whole: keep the file, and compare with a backup and CloudTrail
    ");
    overwrite(&desk, ("orders", 6), "outcome", "Failed").await;
    fs::remove_file(&shelf.path).unwrap();
    let said = desk.says(&line).await;
    assert!(said.err.contains("changed or removed them"), "{}", said.err);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_no_export_is_left_as_it_is() {
    let desk = moved(&["orders"], 1).await;
    let shelf = Shelf::new();
    for form in ["jsonl", "csv"] {
        let text = "name,date\nada,today\nno end of line";
        fs::write(&shelf.path, text).unwrap();
        let said = desk.says(&format!("audit export --all --output {form} --to {}", shelf.path)).await;
        assert_eq!((said.code, shelf.text().as_str()), (1, text));
    }
    let said = desk.says("audit export --all --to /nowhere/audit.jsonl").await;
    assert_eq!(said.code, 1);
    insta::assert_snapshot!(said.err, @r#"
    error: the export cannot go on in /nowhere/audit.jsonl
      why: No such file or directory (os error 2)
      fix: name a file that `writerlink audit export` wrote in the same form, or a new one; nothing was changed
    "#);
}

#[tokio::test(start_paused = true)]
async fn every_way_to_tamper_with_a_file_is_found_at_its_first_record() {
    let desk = moved(&["orders"], 4).await;
    let shelf = Shelf::new();
    done(desk.says(&format!("audit export --all --to {}", shelf.path)).await);
    let whole = shelf.text();
    let lines: Vec<&str> = whole.lines().collect();
    let hash_of = |n: usize| &lines[n][9..73];
    let with = |n: usize, line: &str| {
        let mut lines = lines.clone();
        lines[n] = line;
        lines.join("\n") + "\n"
    };
    let another = lines[3].replace("orders-3", "orders-2");
    let other_hash = lines[3].replace(hash_of(3), hash_of(2));
    let without: Vec<&str> = [&lines[..3], &lines[4..]].concat();
    let swapped: Vec<&str> = [&lines[..3], &[lines[4], lines[3]], &lines[5..]].concat();
    for (seq, text) in [
        (4, with(3, &another)),
        (4, with(3, &other_hash)),
        (4, with(3, lines[2])),
        (4, without.join("\n") + "\n"),
        (4, swapped.join("\n") + "\n"),
    ] {
        fs::write(&shelf.path, text).unwrap();
        let said = shelf.verified(&desk).await;
        assert_eq!(said.code, 3, "{seq}: {}", said.out);
        assert!(said.err.contains(&format!("from orders/{seq} on")), "{}", said.err);
    }
    for text in [with(3, "{}"), with(3, "what?")] {
        fs::write(&shelf.path, text).unwrap();
        let said = shelf.verified(&desk).await;
        assert_eq!(said.code, 3);
        assert!(said.err.contains("line 4 of FILE is no record"), "{}", said.err);
    }
    fs::write(&shelf.path, with(3, &another)).unwrap();
    let said = shelf.verified(&desk).await;
    insta::assert_snapshot!(redacted(&said.out), @r#"
    ROUTE   RECORDS  VERDICT                                                   HEAD
    orders  3        BROKEN: record 4 was changed after it was written (hash)  3 HASH…
    "#);
    insta::assert_snapshot!(redacted(&said.err), @r#"
    error: records are not as they were written, from orders/4 on
      why: the file is not what was exported, or what was exported had been tampered with
           orders/4: expected hash HASH
           orders/4: found    hash HASH
      fix: export the records again, and ask the table: writerlink audit verify ROUTE
    "#);
    fs::write(&shelf.path, &whole[..whole.len() - 7]).unwrap();
    let said = shelf.verified(&desk).await;
    assert_eq!(said.code, 3);
    insta::assert_snapshot!(said.err, @r#"
    error: line 8 of FILE is torn
      why: the file does not end with the end of a line: an export was interrupted
      fix: repeat the export with --to FILE: it drops the line and goes on after the one before it
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_chain_is_verified_as_far_as_it_goes() {
    let desk = moved(&["orders"], 4).await;
    let shelf = Shelf::new();
    let said = done(desk.says("audit export --route orders --after 3").await);
    fs::write(&shelf.path, said.out).unwrap();
    let said = done(shelf.verified(&desk).await);
    insta::assert_snapshot!(redacted(&said.out), @r#"
    ROUTE   RECORDS  VERDICT             HEAD
    orders  5        intact from 4 to 8  8 HASH…
    "#);
}
