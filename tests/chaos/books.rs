//! What the outside says when it is over: the program's own commands, the queues, the groups.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::Value;
use writerlink_core::model::outcome::IN_PROGRESS_FOR;
use writerlink_core::model::time::Timestamp;

use crate::messages::{Fate, ROUTES, Story, source};
use crate::trial::Trial;
use crate::watch::Seen;
use crate::workers::Standstill;

/// How long after it goes on a worker that stood still may have a call on its way: the whole timeout of a call
/// (5 s), and a slow machine.
const LATE_WITHIN: Duration = Duration::from_secs(10);

/// How long before its first record an attempt may have begun.
const RECORDED_WITHIN: Duration = Duration::from_secs(5);

/// How many dead letters one receive brings.
const AT_ONCE: i32 = 10;

/// A record, as `audit list` shows it.
struct Record {
    kind: String,
    cause: String,
    outcome: Option<String>,
    event_key: String,
    transition: String,
    target: String,
    at: Timestamp,
    process: u32,
}

/// The records of every route, newest first.
pub(crate) struct Books(Vec<Vec<Record>>);

impl Books {
    /// Reads them all with the program.
    pub(crate) fn read(trial: &Trial) -> Self {
        let route = |route| {
            let list = format!("audit list --route {} --limit 10000 --output jsonl", source(route));
            let said = trial.says(&list);
            assert_eq!(said.code, 0, "{}", said.err);
            let row = |line: &str| Record::of(&serde_json::from_str(line).unwrap());
            said.out.lines().map(row).collect()
        };
        Self((0..ROUTES).map(route).collect())
    }

    /// How many records there are of this kind.
    pub(crate) fn count(&self, kind: &str) -> usize {
        let all = self.0.iter().flatten();
        all.filter(|record| record.kind == kind).count()
    }

    /// I4: every event has exactly one terminal record, with the outcome that it has to have, and nothing else
    /// has one, what the timer put right apart (`check_the_timer`).
    pub(crate) fn check_ends(&self, story: &Story, wrong: &mut Vec<String>) {
        let mut ends = BTreeMap::<(usize, String), Vec<&str>>::new();
        for (route, records) in self.0.iter().enumerate() {
            for record in records.iter().filter(|record| !record.is_the_timers()) {
                if let Some(outcome) = &record.outcome {
                    let event = (route, record.event_key.clone());
                    ends.entry(event).or_default().push(outcome);
                }
            }
        }
        for (event, fate) in story.events() {
            let found = ends.remove(&event).unwrap_or_default();
            let right = match found.as_slice() {
                ["Rejected"] => fate == Fate::Rejected,
                ["Failed"] => false,
                [_] => fate == Fate::Settled,
                _ => false,
            };
            if !right {
                wrong.push(format!("event {event:?}, to be {fate:?}, ended as {found:?}"));
            }
        }
        wrong.extend(ends.keys().map(|event| format!("nobody told event {event:?}")));
    }

    /// What the timer put right: only where the last attempt had pointed the route, and only if a late call may have
    /// led it astray, or if no message had come for it for long. Gives how many.
    pub(crate) fn check_the_timer(&self, stills: &[Standstill], wrong: &mut Vec<String>) -> usize {
        let mut repairs = 0;
        for (route, records) in self.0.iter().enumerate() {
            for (nth, repair) in records.iter().enumerate() {
                let begins = repair.begins() && repair.is_the_timers();
                if !begins {
                    continue;
                }
                repairs += 1;
                let before = &records[nth + 1..];
                let pointed = before.iter().find(|record| record.begins());
                let is_there = pointed.is_some_and(|last| last.target == repair.target);
                let excused = was_left_alone(before, repair.at)
                    || self.was_led_astray((route, before), stills, repair.at);
                if !(is_there && excused) {
                    wrong.push(format!(
                        "the timer moved {} to {} at {}, for no reason: {}",
                        source(route),
                        repair.target,
                        repair.at,
                        tale(&records[nth..])
                    ));
                }
            }
        }
        repairs
    }

    /// Whether a call of a worker that stood still may have come late, and nobody has looked since.
    fn was_led_astray(
        &self,
        (route, before): (usize, &[Record]),
        stills: &[Standstill],
        then: Timestamp,
    ) -> bool {
        // An attempt that died, or was refused, may not have got so far as to look.
        let ended = |begun: &&Record| {
            let mut same = before.iter().filter(|record| record.transition == begun.transition);
            same.any(|record| record.kind == "finished")
        };
        let begun = before.iter().filter(|record| record.begins());
        let last = begun.filter(ended).map(|record| record.at).next();
        let mut over = stills.iter().filter(|still| still.to <= then);
        over.any(|still| {
            let last = last.unwrap_or(still.to);
            self.may_be_late_after(route, last, still)
        })
    }

    /// Whether a call of the one that stood still may have come after the route's last attempt had begun.
    fn may_be_late_after(&self, route: usize, last: Timestamp, still: &Standstill) -> bool {
        last <= still.to.plus(LATE_WITHIN) && self.in_hand(still).contains(&(route, true))
    }

    /// The routes that a worker had in hand when it began to stand still, and those of them that somebody else
    /// took over before it went on.
    fn in_hand(&self, still: &Standstill) -> Vec<(usize, bool)> {
        let mut routes = Vec::new();
        for (route, records) in self.0.iter().enumerate() {
            let begun = records.iter().filter(|record| {
                record.begins() && record.process == still.process && record.at <= still.from
            });
            let open = begun.into_iter().any(|begun| {
                let ends = |record: &&Record| {
                    record.transition == begun.transition
                        && matches!(record.kind.as_str(), "finished" | "deferred")
                };
                records.iter().find(ends).is_none_or(|end| end.at > still.from)
            });
            let mut meanwhile =
                records.iter().filter(|record| still.from < record.at && record.at < still.to);
            let taken = meanwhile.any(|record| record.process != still.process);
            if open {
                routes.push((route, taken));
            }
        }
        routes
    }

    /// How many of these standstills met a worker with a route in hand, and how many of those routes were taken
    /// over meanwhile.
    pub(crate) fn bites(&self, stills: &[Standstill]) -> (usize, usize) {
        let routes: Vec<_> = stills.iter().map(|still| self.in_hand(still)).collect();
        let taken = routes.iter().flatten().filter(|(_, taken)| *taken).count();
        (routes.iter().filter(|held| !held.is_empty()).count(), taken)
    }

    /// Whether the announced exception may have befallen this route, as it was seen then: no call of the load
    /// balancer can be fenced, so one of a worker that had the route in hand when it stood still may take effect
    /// when the route is another's.
    fn may_be_late_by(&self, route: usize, stills: &[Standstill], then: Timestamp) -> bool {
        let mut near = stills.iter().filter(|still| still.to <= then && then <= still.to.plus(LATE_WITHIN));
        near.any(|still| self.in_hand(still).contains(&(route, true)))
    }

    /// Whether it may have left the route astray in the end: only if the last that was recorded of the group is
    /// that it held the `writer`, and if no attempt has begun since, because every attempt looks again.
    pub(crate) fn may_be_astray(&self, (route, writer): (usize, &str), stills: &[Standstill]) -> bool {
        let mut moves = self.0[route].iter().filter(|record| {
            let outcome = record.outcome.as_deref();
            matches!(outcome, Some("Moved" | "AlreadyThere"))
        });
        let arrived = moves.next().is_some_and(|newest| newest.target == format!("{writer}:3306"));
        let begun = self.0[route].iter().filter(|record| record.begins());
        let last = begun.map(|record| record.at).max();
        arrived
            && last.is_some_and(|last| {
                let mut stills = stills.iter();
                stills.any(|still| self.may_be_late_after(route, last, still))
            })
    }
}

impl Record {
    fn of(row: &Value) -> Self {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        Self {
            kind: text("kind"),
            cause: text("cause"),
            outcome: row["outcome"].as_str().map(str::to_owned),
            event_key: text("event_key"),
            transition: text("transition"),
            target: text("target"),
            at: Timestamp::parse(&text("at")).unwrap(),
            process: process_of(&text("owner")).unwrap(),
        }
    }

    /// Whether an attempt begins with it.
    fn begins(&self) -> bool {
        matches!(self.kind.as_str(), "started" | "resumed")
    }

    /// Whether nobody told it: the timer saw a difference.
    fn is_the_timers(&self) -> bool {
        self.cause == "reconcile"
    }
}

/// Whether no message had brought anything for a route for as long as it is left to its messages.
fn was_left_alone(before: &[Record], then: Timestamp) -> bool {
    let newest = before.iter().find(|record| record.cause == "event");
    newest.is_none_or(|newest| {
        let mut same = before.iter().filter(|record| record.transition == newest.transition);
        let began = same.next_back().map_or(newest.at, |first| first.at);
        then >= began.plus(IN_PROGRESS_FOR.saturating_sub(RECORDED_WITHIN))
    })
}

/// The last few records of a route, newest first, for whoever has to find out.
fn tale(records: &[Record]) -> String {
    let mut tale = String::new();
    for record in records.iter().take(10) {
        let outcome = record.outcome.as_deref().unwrap_or_default();
        let (at, cause, kind) = (record.at, &record.cause, &record.kind);
        let (key, target) = (&record.event_key, &record.target);
        write!(tale, "\n  {at} {cause} {kind} {outcome} {target} {key}").unwrap();
    }
    tale
}

/// The processes that hold a route, as the ledger has it.
pub(crate) async fn holders(trial: &Trial) -> Vec<u32> {
    let scan = trial.dynamodb().scan().table_name("writerlink-state").send();
    let items = scan.await.unwrap().items.unwrap_or_default();
    let owners = items.iter().filter_map(|item| item.get("owner")?.as_s().ok());
    owners.filter_map(|owner| process_of(owner)).collect()
}

/// An owner is `place:process:random`.
fn process_of(owner: &str) -> Option<u32> {
    owner.rsplit(':').nth(1)?.parse().ok()
}

/// How many messages a queue holds, those in flight included.
pub(crate) async fn depth(trial: &Trial, url: &str) -> u64 {
    let asked = trial.sqs().get_queue_attributes().queue_url(url);
    let asked = asked.attribute_names(QueueAttributeName::All).send().await;
    let attributes = asked.unwrap().attributes.unwrap_or_default();
    let counts = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    ];
    let count = |name: &QueueAttributeName| attributes[name].parse::<u64>().unwrap();
    counts.iter().map(count).sum()
}

/// Every dead letter, with how often it is there.
pub(crate) async fn dead_letters(trial: &Trial) -> BTreeMap<String, usize> {
    let sqs = trial.sqs();
    let asked = sqs.get_queue_url().queue_name("writerlink-dlq.fifo").send();
    let url = asked.await.unwrap().queue_url.unwrap();
    let mut letters = BTreeMap::new();
    loop {
        let some = sqs.receive_message().queue_url(&url).max_number_of_messages(AT_ONCE);
        let some = some.send().await.unwrap().messages.unwrap_or_default();
        if some.is_empty() {
            return letters;
        }
        for letter in some {
            let delete = sqs.delete_message().queue_url(&url);
            let delete = delete.receipt_handle(letter.receipt_handle.unwrap());
            delete.send().await.unwrap();
            *letters.entry(letter.body.unwrap()).or_default() += 1;
        }
    }
}

/// Sent = settled + dead letters: the queue is empty, the events are settled (`check_ends`), and the dead letters
/// are those that have to be, each once.
pub(crate) async fn check_dead_letters(trial: &Trial, story: &Story, wrong: &mut Vec<String>) {
    let mut wanted = BTreeMap::<String, usize>::new();
    for message in &story.messages {
        if message.fate != Fate::Settled {
            *wanted.entry(message.body.clone()).or_default() += 1;
        }
    }
    let found = dead_letters(trial).await;
    for body in wanted.keys().chain(found.keys()) {
        let (wanted, found) = (wanted.get(body), found.get(body));
        if wanted != found {
            wrong.push(format!("as dead letters {found:?} instead of {wanted:?} of {body}"));
        }
    }
}

/// I2: the routes whose group does not hold the writer and nothing else, with what it holds.
pub(crate) async fn astray(trial: &Trial, story: &Story) -> Vec<(usize, Vec<String>)> {
    let mut astray = Vec::new();
    for (route, writer) in story.writers().into_iter().enumerate() {
        let holds = trial.holds(&trial.groups[route]).await;
        if holds != [writer] {
            astray.push((route, holds));
        }
    }
    astray
}

/// I1: no group was seen empty but by the announced exception; gives how often that was.
pub(crate) fn check_never_empty(
    (seen, books): (&Seen, &Books),
    stills: &[Standstill],
    wrong: &mut Vec<String>,
) -> usize {
    let mut late = 0;
    for (route, at) in &seen.empty {
        if books.may_be_late_by(*route, stills, *at) {
            late += 1;
        } else {
            wrong.push(format!("the group of {} was empty at {at}", source(*route)));
        }
    }
    late
}

/// I8, I2 and I9 once more, in the program's own words: every target is in place, and a refused event that nothing has
/// answered is shown, and no other.
pub(crate) fn check_with_the_program(trial: &Trial, story: &Story, wrong: &mut Vec<String>) {
    let verify = trial.says("audit verify");
    if verify.code != 0 {
        wrong.push(format!("audit verify ended with {}: {}{}", verify.code, verify.out, verify.err));
    }
    let unresolved = story.unresolved();
    for route in 0..ROUTES {
        let name = source(route);
        let plan = trial.says(&format!("plan {name} --detailed-exitcode --output json"));
        let shown: Value = serde_json::from_str(&plan.out).unwrap_or_default();
        let rows = shown["plan"].as_array().into_iter().flatten();
        let decisions: Vec<_> = rows.filter_map(|row| row["decision"].as_str()).collect();
        let (code, wanted): (i32, &[&str]) =
            if unresolved.contains(&route) { (2, &["InPlace", "Unresolved"]) } else { (0, &["InPlace"]) };
        if plan.code != code || decisions != wanted {
            wrong.push(format!(
                "plan {name} ended with {} instead of {code}, to be {wanted:?}: {}{}",
                plan.code, plan.out, plan.err
            ));
        }
    }
}
