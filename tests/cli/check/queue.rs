//! The queue of events.

use std::time::Duration;

use writerlink::preflight::CheckStatus::{Fail, Pass, Skipped, Unknown, Warn};
use writerlink_engine::ports::ErrorKind;
use writerlink_engine::ports::installation::{DeadLetters, Encryption, Unseen};

use super::seen::{Case, unseen};

#[test]
fn a_standard_queue_keeps_no_order() {
    let mut case = Case::good();
    assert_eq!(case.says("FIFO"), Pass);
    case.queue().fifo = false;
    assert_eq!(case.says("FIFO"), Fail);
}

#[test]
fn eventbridge_needs_content_based_deduplication() {
    let mut case = Case::good();
    assert_eq!(case.says("content-based deduplication"), Pass);
    case.queue().content_based_deduplication = false;
    assert_eq!(case.says("content-based deduplication"), Fail);
}

#[test]
fn a_visibility_timeout_must_outlast_the_lease_of_a_dead_worker() {
    for (seconds, verdict) in [(24, Warn), (25, Pass), (30, Pass)] {
        let mut case = Case::good();
        case.queue().visibility = Some(Duration::from_secs(seconds));
        assert_eq!(case.says("visibility timeout"), verdict, "{seconds}");
    }
    let mut case = Case::good();
    case.queue().visibility = None;
    assert_eq!(case.says("visibility timeout"), Unknown);
}

#[test]
fn a_queue_without_a_dead_letter_queue_or_with_a_standard_one_fails() {
    let mut case = Case::good();
    assert_eq!(case.says("dead-letter queue"), Pass);
    let redrive = case.queue().redrive.as_mut().unwrap();
    redrive.seen = Ok(DeadLetters { fifo: false, messages: 0 });
    assert_eq!(case.says("dead-letter queue"), Fail);
    let redrive = case.queue().redrive.as_mut().unwrap();
    redrive.seen = Err(unseen(ErrorKind::Missing));
    assert_eq!(case.says("dead-letter queue"), Fail);
    case.queue().redrive = None;
    assert_eq!(case.says("dead-letter queue"), Fail);
}

#[test]
fn dead_letters_are_told_as_long_as_they_lie_there() {
    let mut case = Case::good();
    assert_eq!(case.says("dead letters"), Pass);
    let redrive = case.queue().redrive.as_mut().unwrap();
    redrive.seen = Ok(DeadLetters { fifo: true, messages: 2 });
    assert_eq!(case.says("dead letters"), Warn);
}

#[test]
fn sqs_takes_no_message_away_before_the_worker_has_made_its_attempts() {
    // Six attempts unless configured otherwise.
    for (receives, verdict) in [(6, Fail), (7, Warn), (119, Warn), (120, Pass), (1000, Pass)] {
        let mut case = Case::good();
        case.queue().redrive.as_mut().unwrap().receives_max = receives;
        assert_eq!(case.says("maxReceiveCount"), verdict, "{receives}");
    }
}

#[test]
fn a_key_unknown_to_eventbridge_fails_and_one_unknown_to_us_is_a_warning() {
    let key = |name: &str| Encryption::Kms(name.to_owned());
    for (encryption, verdict) in [
        (key("alias/aws/sqs"), Fail),
        (key("arn:aws:kms:us-east-1:123456789012:alias/aws/sqs"), Fail),
        (key("alias/writerlink"), Pass),
        (Encryption::Sqs, Warn),
        (Encryption::Nothing, Pass),
    ] {
        let mut case = Case::good();
        case.queue().encryption = Ok(encryption.clone());
        assert_eq!(case.says("encryption"), verdict, "{encryption:?}");
    }
    let mut case = Case::good();
    case.queue().encryption = Err(Unseen::NotHere("no keys"));
    assert_eq!(case.says("encryption"), Skipped);
}

#[test]
fn somebody_has_to_let_eventbridge_send() {
    let statement = |who: &str, action: &str, effect: &str| {
        Some(format!(
            r#"{{"Statement":{{"Effect":"{effect}","Principal":{{"Service":["{who}"]}},"Action":["{action}"],"Resource":"*"}}}}"#
        ))
    };
    for (policy, verdict) in [
        (statement("events.amazonaws.com", "SQS:SendMessage", "Allow"), Pass),
        (statement("events.amazonaws.com", "sqs:*", "Allow"), Pass),
        (statement("events.amazonaws.com", "sqs:SendMessage", "Deny"), Fail),
        (statement("events.amazonaws.com", "sqs:ReceiveMessage", "Allow"), Fail),
        (statement("sns.amazonaws.com", "sqs:SendMessage", "Allow"), Fail),
        (Some("no JSON".to_owned()), Fail),
        (None, Fail),
    ] {
        let mut case = Case::good();
        case.queue().policy = Ok(policy.clone());
        assert_eq!(case.says("policy"), verdict, "{policy:?}");
    }
}

#[test]
fn a_rule_that_sends_with_a_role_needs_no_policy() {
    let mut case = Case::good();
    case.queue().policy = Ok(None);
    let mut second = case.rule().targets[0].clone();
    second.role = Some("arn:aws:iam::123456789012:role/events".to_owned());
    case.rule().targets = vec![second.clone()];
    assert_eq!(case.says("policy"), Pass);
    second.role = None;
    case.rule().targets.push(second);
    assert_eq!(case.says("policy"), Fail);
}
