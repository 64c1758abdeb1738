//! The queue of events: whether it keeps order, loses nothing, and waits for a dead worker's lease.

use std::time::Duration;

use crate::config::Config;
use crate::preflight::caller::name_of;
use crate::preflight::finding::{Check, CheckFindings, Lines, Subject};
use crate::preflight::policy;
use writerlink_core::ledger::lease::LEASE_DURATION;
use writerlink_core::model::time::CLOCK_SKEW_MAX;
use writerlink_engine::ports::installation::{Encryption, Facts, Redrive};

const THERE: Check = Check::ours("is there");
const FIFO: Check = Check::aws("FIFO", "SQS developer guide, \"FIFO queues\"");
const DEDUPLICATION: Check =
    Check::aws("content-based deduplication", "EventBridge API reference, \"SqsParameters\"");
const VISIBILITY: Check = Check::aws("visibility timeout", "SQS developer guide, \"Visibility timeout\"");
const DEAD_LETTERS: Check =
    Check::aws("dead-letter queue", "SQS developer guide, \"Using dead-letter queues in Amazon SQS\"");
const RECEIVES: Check = Check::ours("maxReceiveCount");
const LETTERS: Check = Check::ours("dead letters");
const ENCRYPTION: Check = Check::aws(
    "encryption",
    "EventBridge user guide, \"Amazon EventBridge targets\"; SQS developer guide, \"Key management\"",
);
/// The least visibility: the longest that the lease of a worker which died can block its route, so that the
/// next delivery finds the route free.
const VISIBILITY_MIN: Duration = Duration::from_secs(LEASE_DURATION.as_secs() + CLOCK_SKEW_MAX.as_secs());

/// With this many receives SQS's own redrive is only a backstop: while the ledger is unavailable a message
/// comes back every thirty seconds, so this takes an hour.
const RECEIVES_FOR_AN_HOUR: u32 = 120;

/// The key that SQS creates, whose policy cannot be edited.
const KEY_OF_SQS: &str = "alias/aws/sqs";

pub(super) fn judge(facts: &Facts, config: &Config, findings: &mut CheckFindings) {
    let mut lines = findings.about(Subject::Queue(config.queue.to_string()));
    let Some(queue) = lines.read(THERE, &facts.queue) else { return };
    lines.found(FIFO, kind(queue.fifo).to_owned()).require(
        queue.fifo,
        "a route's events need their order",
        "create a FIFO queue (a standard one cannot be made into one) and name it under [queue]",
    );
    lines.found(DEDUPLICATION, on_off(queue.content_based_deduplication).to_owned()).require(
        queue.content_based_deduplication,
        "EventBridge requires it for a FIFO queue, because a rule sets no deduplication id",
        "set ContentBasedDeduplication of the queue to true",
    );
    visibility(queue.visibility, &mut lines);
    redrive(queue.redrive.as_ref(), config, &mut lines);
    match &queue.encryption {
        Ok(found) => encryption(found, &mut lines),
        Err(unseen) => lines.unseen(ENCRYPTION, unseen),
    }
    policy::judge(queue, facts, &mut lines);
}

fn kind(fifo: bool) -> &'static str {
    if fifo { "a FIFO queue" } else { "a standard queue" }
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn visibility(found: Option<Duration>, lines: &mut Lines<'_>) {
    let Some(found) = found else {
        let fix = "check the queue's VisibilityTimeout by hand";
        return lines.unknown(VISIBILITY, "SQS did not report it", fix);
    };
    let (found, least) = (found.as_secs(), VISIBILITY_MIN.as_secs());
    if found >= least {
        let why = format!("{found} s, longer than a dead worker's lease ({least} s)");
        return lines.pass(VISIBILITY, why);
    }
    lines.warn(
        VISIBILITY,
        format!(
            "{found} s: the lease of a worker that died can block its route for {least} s, so earlier \
             deliveries fail"
        ),
        "set VisibilityTimeout of the queue to 30",
    );
}

fn redrive(redrive: Option<&Redrive>, config: &Config, lines: &mut Lines<'_>) {
    let Some(redrive) = redrive else {
        return lines.fail(
            DEAD_LETTERS,
            "none: a message that always fails would block its route for days",
            "give the queue a redrive policy with a FIFO queue as its dead-letter queue",
        );
    };
    match &redrive.seen {
        Ok(letters) => {
            lines
                .found(DEAD_LETTERS, format!("{}, {}", name_of(&redrive.dead_letters), kind(letters.fifo)))
                .require(
                    letters.fifo,
                    "the dead-letter queue of a FIFO queue has to be a FIFO queue too",
                    "name a FIFO queue in the redrive policy",
                );
            if letters.messages == 0 {
                lines.pass(LETTERS, "none");
            } else {
                lines.warn(
                    LETTERS,
                    format!("about {}: events that failed", letters.messages),
                    "docs/runbook.md, \"Dead-letter queue not empty\": read them, fix the cause, replay them, delete them",
                );
            }
        }
        Err(unseen) => lines.unseen(DEAD_LETTERS, unseen),
    }
    receives(redrive.receives_max, config.worker.max_attempts, lines);
}

fn receives(found: u32, attempts: u32, lines: &mut Lines<'_>) {
    let fix = "set maxReceiveCount of the queue's redrive policy to 1000";
    if found <= attempts {
        lines.fail(
            RECEIVES,
            format!(
                "{found}, and the worker makes {attempts} attempts: SQS would move an event away before its outcome is recorded"
            ),
            fix,
        );
    } else if found < RECEIVES_FOR_AN_HOUR {
        lines.warn(
            RECEIVES,
            format!("{found}: a ledger outage of less than an hour would move every event to the dead-letter queue"),
            fix,
        );
    } else {
        lines.pass(RECEIVES, format!("{found}, a backstop behind {attempts} attempts"));
    }
}

fn encryption(encryption: &Encryption, lines: &mut Lines<'_>) {
    match encryption {
        Encryption::Kms(key) if key.ends_with(KEY_OF_SQS) => lines.fail(
            ENCRYPTION,
            format!("{key}: EventBridge cannot use this key, and its policy cannot be edited, so no event would arrive"),
            "encrypt the queue with a key of your own whose policy lets events.amazonaws.com decrypt and generate data keys",
        ),
        Encryption::Kms(key) => lines.pass(ENCRYPTION, name_of(key)),
        Encryption::Sqs => lines.warn(
            ENCRYPTION,
            "SQS's own key (SSE-SQS): AWS documents that EventBridge cannot use an AWS owned key, but not \
             whether this is one",
            "send a drill through the rule (docs/deploy.md), or encrypt the queue with a key of your own",
        ),
        Encryption::Nothing => lines.pass(ENCRYPTION, "none at rest"),
    }
}
