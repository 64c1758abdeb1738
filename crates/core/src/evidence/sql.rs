//! What the instances of a route say themselves: the source [`Sql`](DiscoverySource::Sql).
//!
//! Every instance is asked whether it is writable now. No cache stands between the question and the answer, so this
//! source has no lag, and the rules that exist because of lag do not bind it where it is the only source of a route:
//! two agreeing readings suffice, an event of a moment ago does not outrank them, and an endpoint's name that flaps
//! after a move is not read.
//!
//! It is still no proof. A server that answers "writable" may hang in `FLUSH TABLES WITH READ LOCK`, or have lost its
//! storage. `docs/discovery-sql.md` says what the answer proves.

use std::collections::BTreeSet;
use std::fmt;

use crate::evidence::discovery::{Member, STEADY_READINGS, SourceReport};
use crate::model::policy::{DiscoverySource, Role};

/// How many readings in a row have to agree before a source without lag moves a route. One would do if every answer
/// were of the same moment; a second one shows that the first was not taken in the middle of a change.
pub const STEADY_READINGS_WITHOUT_LAG: usize = 2;

/// What one instance answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// It takes writes, as far as it knows.
    Writable,
    /// It refuses writes.
    ReadOnly,
    /// It could not be asked, or did not answer in time: why, in words. This proves nothing about the instance.
    Failed(String),
}

impl fmt::Display for ProbeAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Writable => f.write_str("is writable"),
            Self::ReadOnly => f.write_str("is read-only"),
            Self::Failed(why) => write!(f, "could not be asked ({why})"),
        }
    }
}

/// An instance and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceProbe {
    /// Which instance, and where it was asked.
    pub member: Member,
    /// What it answered.
    pub answer: ProbeAnswer,
}

/// What the answers of one reading say together.
///
/// Exactly one writable instance is the writer. None, or more than one, is unclear and moves nothing.
///
/// An instance that could not be asked may be writable too. The one writable answer counts all the same, since in the
/// usual failover the old writer is dead and never answers: a rule that waits for it would never move a route. This is
/// safe as far as it can be:
///
/// - the answer comes from the instance itself and is fresh, so a promotion did take place (or nothing ever made this
///   instance read-only, which `check` and every earlier reading show as two writable instances);
/// - a second reading has to agree before anything moves ([`STEADY_READINGS_WITHOUT_LAG`]);
/// - Aurora fences the storage of an old writer before it promotes another one, and in the orders of a failover that
///   were run with real servers the old writer refused before the new one was promoted;
/// - if the worker itself is cut off, no instance answers, and that is unclear.
///
/// What remains: a pair without fencing whose old writer still takes writes from others, while the worker cannot reach
/// it. Such a pair has two writers whatever writerlink does, and clients belong with the promoted one.
///
/// Readers are those that answered that they are read-only, for a route that wants readers. For a route that follows
/// the writer there are none: a reader that comes and goes would make each reading differ from the one before.
#[must_use]
pub fn report(role: Role, probes: &[InstanceProbe]) -> SourceReport {
    let with = |answer: &ProbeAnswer| {
        let found = probes.iter().filter(|probe| probe.answer == *answer);
        found.map(|probe| probe.member.clone()).collect::<BTreeSet<Member>>()
    };
    let writable = with(&ProbeAnswer::Writable);
    let mut writers = writable.iter();
    match (writers.next(), writers.next()) {
        (Some(writer), None) => SourceReport::Members {
            writer: writer.clone(),
            readers: match role {
                Role::Writer => Vec::new(),
                Role::Readers => with(&ProbeAnswer::ReadOnly).into_iter().collect(),
            },
        },
        (Some(_), Some(_)) => {
            let names: Vec<String> = writable.iter().map(Member::to_string).collect();
            SourceReport::Unclear(format!("{} instances are writable: {}", names.len(), names.join(" and ")))
        }
        (None, _) if probes.is_empty() => {
            SourceReport::Unclear("no instance is known that could be asked".to_owned())
        }
        (None, _) => {
            let answers: Vec<String> = probes.iter().map(InstanceProbe::to_string).collect();
            SourceReport::Unclear(format!("no instance is writable: {}", answers.join(", ")))
        }
    }
}

impl fmt::Display for InstanceProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.member, self.answer)
    }
}

/// Whether the sources of a route have no lag: the instances themselves are the only ones that are asked. With another
/// source beside them the stricter rules hold, since the two have to agree.
#[must_use]
pub fn is_without_lag(discovery: &BTreeSet<DiscoverySource>) -> bool {
    discovery.len() == 1 && discovery.contains(&DiscoverySource::Sql)
}

/// How many readings in a row have to agree before these sources move a route.
#[must_use]
pub fn steady_readings(discovery: &BTreeSet<DiscoverySource>) -> usize {
    if is_without_lag(discovery) { STEADY_READINGS_WITHOUT_LAG } else { STEADY_READINGS }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::names::InstanceId;
    use proptest::prelude::*;

    fn probe(n: u8, answer: ProbeAnswer) -> InstanceProbe {
        let instance = InstanceId::new(&format!("db-{n}")).ok();
        InstanceProbe { member: Member { instance, ip: [10, 0, 0, n].into() }, answer }
    }

    fn failed() -> ProbeAnswer {
        ProbeAnswer::Failed("no answer within 500 ms".to_owned())
    }

    fn unclear(probes: &[InstanceProbe]) -> String {
        match report(Role::Writer, probes) {
            SourceReport::Unclear(why) => why,
            SourceReport::Members { writer, .. } => panic!("{writer} writes"),
        }
    }

    #[test]
    fn exactly_one_writable_instance_is_the_writer() {
        let probes = [probe(1, ProbeAnswer::ReadOnly), probe(2, ProbeAnswer::Writable)];
        let SourceReport::Members { writer, readers } = report(Role::Readers, &probes) else {
            panic!("one is writable");
        };
        assert_eq!(writer, probes[1].member);
        assert_eq!(readers, [probes[0].member.clone()]);
    }

    #[test]
    fn two_writable_instances_are_unclear() {
        let probes = [1, 2, 3].map(|n| probe(n, ProbeAnswer::Writable));
        assert_eq!(unclear(&probes[..2]), "2 instances are writable: db-1 at 10.0.0.1 and db-2 at 10.0.0.2");
        assert!(unclear(&probes).starts_with("3 instances"));
    }

    #[test]
    fn no_writable_instance_is_unclear_and_says_what_each_answered() {
        let probes = [probe(1, failed()), probe(2, ProbeAnswer::ReadOnly)];
        assert_eq!(
            unclear(&probes),
            "no instance is writable: db-1 at 10.0.0.1 could not be asked (no answer within 500 ms), db-2 at 10.0.0.2 is \
             read-only"
        );
        assert_eq!(unclear(&[]), "no instance is known that could be asked");
    }

    #[test]
    fn one_writable_instance_counts_although_the_old_writer_is_dead() {
        let probes = [probe(1, failed()), probe(2, ProbeAnswer::Writable)];
        let report = report(Role::Writer, &probes);
        assert_eq!(report.writer(), Some(&probes[1].member));
    }

    #[test]
    fn readers_of_a_route_that_follows_the_writer_make_no_difference() {
        let with = |answer| report(Role::Writer, &[probe(1, answer), probe(2, ProbeAnswer::Writable)]);
        assert_eq!(with(ProbeAnswer::ReadOnly), with(failed()));
    }

    #[test]
    fn sql_needs_two_readings_alone_and_three_beside_another_source() {
        let (sql, rds) = (DiscoverySource::Sql, DiscoverySource::Rds);
        assert_eq!(steady_readings(&[sql].into()), 2);
        for others in [BTreeSet::from([sql, rds]), [rds].into(), BTreeSet::new()] {
            assert_eq!(steady_readings(&others), STEADY_READINGS, "{others:?}");
        }
    }

    fn answer() -> impl Strategy<Value = ProbeAnswer> {
        prop_oneof![
            Just(ProbeAnswer::Writable),
            Just(ProbeAnswer::ReadOnly),
            Just(ProbeAnswer::Failed("refused".to_owned())),
        ]
    }

    proptest! {
        /// A failed probe proves nothing: it neither makes a writer nor takes one away. Only a writable answer names one,
        /// and the order of the answers does not matter.
        #[test]
        fn only_the_single_writable_answer_names_a_writer(answers in prop::collection::vec(answer(), 0..6)) {
            let probes: Vec<InstanceProbe> = (1..).zip(answers).map(|(n, answer)| probe(n, answer)).collect();
            let writable: Vec<&InstanceProbe> = probes.iter().filter(|p| p.answer == ProbeAnswer::Writable).collect();
            let expected = match writable.as_slice() {
                [one] => Some(one.member.clone()),
                _ => None,
            };
            let writer = |probes: &[InstanceProbe]| report(Role::Writer, probes).writer().cloned();
            prop_assert_eq!(writer(&probes), expected.clone());
            let reversed: Vec<InstanceProbe> = probes.iter().rev().cloned().collect();
            prop_assert_eq!(writer(&reversed), expected.clone());
            let mut lost = probes.clone();
            for probe in lost.iter_mut().filter(|probe| probe.answer == ProbeAnswer::ReadOnly) {
                probe.answer = ProbeAnswer::Failed("lost".to_owned());
            }
            prop_assert_eq!(writer(&lost), expected);
        }
    }
}
