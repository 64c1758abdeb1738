//! The routes whose instances are asked themselves, between the reconcile passes.
//!
//! A pass reads the ledger and the load balancer, so it comes every 30 s. The question to the instances costs neither,
//! so it comes every half second. What is done about an answer is the business of a pass alone: when an answer names
//! another instance than the newest evidence that this worker knows of, the route is due at once, and the pass takes
//! readings of its own. While nothing changes there is no pass, and so no read of the ledger.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::attempt::PassResult;
use crate::timer::{Timer, part_of};
use writerlink_core::evidence::discovery::Discovery;
use writerlink_core::evidence::event::EventKey;
use writerlink_core::evidence::sql::is_without_lag;
use writerlink_core::model::outcome::doubled;
use writerlink_core::model::route::Route;

/// How often instances are asked, unless the configuration says otherwise.
pub const SQL_INTERVAL: Duration = Duration::from_millis(500);

/// No more often than this, however long an answer takes: a server that is slow is not helped by more questions.
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// The loops that ask, one for each route. They end with the timer.
pub(super) struct Probes {
    tasks: JoinSet<()>,
    noticed: UnboundedReceiver<usize>,
    /// Keeps the channel open where there is no loop.
    _notice: UnboundedSender<usize>,
}

impl Probes {
    pub(super) fn start(timer: &Arc<Timer>) -> Self {
        let (notice, noticed) = unbounded_channel();
        let mut tasks = JoinSet::new();
        for n in 0..timer.routes.len() {
            if timer.is_probed(n) {
                tasks.spawn(probe(Arc::clone(timer), n, notice.clone()));
            }
        }
        Self { tasks, noticed, _notice: notice }
    }

    /// The next route that is to be looked at, or the words of a loop that broke off.
    pub(super) async fn next(&mut self) -> Result<usize, String> {
        tokio::select! {
            biased;
            Some(n) = self.noticed.recv() => Ok(n),
            Some(Err(error)) = self.tasks.join_next(), if !self.tasks.is_empty() => Err(error.to_string()),
        }
    }
}

impl Timer {
    /// Whether nobody but its instances says who writes.
    fn is_probed(&self, n: usize) -> bool {
        is_without_lag(&self.routes[n].policy.discovery)
    }

    /// How soon a reading that is news is confirmed, if its source is as fast as that. Half an interval: the probe that
    /// noticed the news has waited for half of one already, on average, and the second reading ends a failover.
    pub(super) fn confirms_after(&self, n: usize, look: &PassResult) -> Option<Duration> {
        let confirms = *look == PassResult::Confirm && self.is_probed(n);
        confirms.then_some(self.settings.sql_interval / 2)
    }

    /// What a route's instances say now, against what this worker knows.
    async fn compared(&self, n: usize, silence: &mut Silence) -> Answer {
        let route = &self.routes[n];
        let discovery = self.databases.ask(route).await.discovery();
        silence.log(route, &discovery, self.clock.monotonic());
        let ip = match discovery {
            Discovery::Members { writer, .. } => writer.ip,
            Discovery::Unclear(_) | Discovery::NoSources => return Answer::Unclear,
        };
        match self.states.newest_evidence(&route.name) {
            Some((_, known)) if known == ip => Answer::Agrees,
            known => Answer::Differs { ip, evidence: known.map(|(event, _)| event) },
        }
    }
}

/// What one question came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// The newest evidence names the same address.
    Agrees,
    /// Nobody, or more than one, says that it writes: nothing is to be done about that.
    Unclear,
    /// Another address than the evidence names.
    Differs { ip: IpAddr, evidence: Option<EventKey> },
}

/// How long answers may be unclear before the log says so: in a failover they are, for seconds.
const UNCLEAR_LOGGED_AFTER: Duration = Duration::from_secs(10);

/// Since when a route's instances have given no clear answer.
#[derive(Debug, Default)]
struct Silence {
    since: Option<Duration>,
    is_logged: bool,
}

/// What is to be logged about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SilenceChange {
    Begun,
    Over,
}

impl Silence {
    fn log(&mut self, route: &Route, discovery: &Discovery, now: Duration) {
        let name = route.name.as_str();
        let why = match discovery {
            Discovery::Unclear(why) => Some(why),
            Discovery::Members { .. } | Discovery::NoSources => None,
        };
        let seconds = UNCLEAR_LOGGED_AFTER.as_secs();
        match (self.change(why.is_some(), now), why) {
            (Some(SilenceChange::Begun), Some(why)) => tracing::warn!(
                event = "sql_unclear",
                route = name,
                "the instances have named no single writer for {seconds} s, so nothing moves by their word: {why}"
            ),
            (Some(SilenceChange::Over), _) => {
                tracing::info!(event = "sql_clear", route = name, "the instances name one writer again");
            }
            _ => {}
        }
    }

    fn change(&mut self, is_unclear: bool, now: Duration) -> Option<SilenceChange> {
        if !is_unclear {
            self.since = None;
            return std::mem::take(&mut self.is_logged).then_some(SilenceChange::Over);
        }
        let since = *self.since.get_or_insert(now);
        let is_due = !self.is_logged && now.saturating_sub(since) >= UNCLEAR_LOGGED_AFTER;
        self.is_logged |= is_due;
        is_due.then_some(SilenceChange::Begun)
    }
}

async fn probe(timer: Arc<Timer>, n: usize, notice: UnboundedSender<usize>) {
    let every = timer.settings.sql_interval;
    let most = timer.settings.interval.unwrap_or(every).max(every);
    let mut noticed = Noticed { every, most, of: None, times: 0, again: Duration::ZERO };
    let mut silence = Silence::default();
    // Not all routes in the same moment.
    timer.clock.sleep(part_of(every, timer.clock.random())).await;
    loop {
        let began = timer.clock.monotonic();
        let answer = timer.compared(n, &mut silence).await;
        let now = timer.clock.monotonic();
        if noticed.is_news(answer, now) && notice.send(n).is_err() {
            return;
        }
        timer.clock.sleep(every.saturating_sub(now.saturating_sub(began)).max(PAUSE_MIN)).await;
    }
}

/// What a loop has noticed last. A difference may stay: a person has pinned the route, a safety rule holds it, or its
/// group is right already and the ledger has no evidence for that yet. The pass for it then comes ever more seldom, and
/// once it would be as seldom as the timer's own, it is left to those.
#[derive(Debug)]
struct Noticed {
    every: Duration,
    most: Duration,
    /// The answer that differed.
    of: Option<Answer>,
    /// How often it was noticed.
    times: u32,
    /// From when on it is noticed again, if it is still there.
    again: Duration,
}

impl Noticed {
    /// Whether a pass is to look at this answer.
    fn is_news(&mut self, answer: Answer, now: Duration) -> bool {
        match answer {
            Answer::Agrees => {
                self.of = None;
                false
            }
            // One lost answer is no end of a difference.
            Answer::Unclear => false,
            Answer::Differs { .. } => {
                if self.of != Some(answer) {
                    (self.of, self.times) = (Some(answer), 0);
                } else if now < self.again {
                    return false;
                }
                self.times = self.times.saturating_add(1);
                let pause = doubled(self.every, self.times);
                self.again = now + pause;
                pause < self.most
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_millis(500);
    const MOST: Duration = Duration::from_secs(30);

    fn differs(last: u8) -> Answer {
        Answer::Differs { ip: [10, 0, 0, last].into(), evidence: None }
    }

    fn nothing() -> Noticed {
        Noticed { every: EVERY, most: MOST, of: None, times: 0, again: Duration::ZERO }
    }

    #[test]
    fn a_difference_is_news_at_once_and_another_one_again() {
        let mut noticed = nothing();
        assert!(!noticed.is_news(Answer::Agrees, Duration::ZERO));
        assert!(noticed.is_news(differs(2), EVERY));
        assert!(noticed.is_news(differs(3), EVERY * 2));
        assert!(!noticed.is_news(Answer::Agrees, EVERY * 3));
        assert!(noticed.is_news(differs(3), EVERY * 4));
    }

    #[test]
    fn a_difference_that_stays_is_left_to_the_timers_own_passes() {
        let mut noticed = nothing();
        let times = (1..=7200).filter(|n| noticed.is_news(differs(2), EVERY * *n)).count();
        assert_eq!(times, 6, "0.5, 1, 2, 4, 8 and 16 s apart");
    }

    #[test]
    fn unclear_answers_are_logged_once_they_last_and_once_they_end() {
        let mut silence = Silence::default();
        let told =
            |silence: &mut Silence, unclear, second| silence.change(unclear, Duration::from_secs(second));
        assert_eq!(told(&mut silence, true, 0), None);
        assert_eq!(told(&mut silence, false, 9), None, "a failover's seconds are no news");
        assert_eq!(told(&mut silence, true, 10), None);
        assert_eq!(told(&mut silence, true, 20), Some(SilenceChange::Begun));
        assert_eq!(told(&mut silence, true, 900), None);
        assert_eq!(told(&mut silence, false, 901), Some(SilenceChange::Over));
        assert_eq!(told(&mut silence, false, 902), None);
    }

    #[test]
    fn an_answer_that_was_lost_in_between_is_no_news() {
        let mut noticed = nothing();
        assert!(noticed.is_news(differs(2), EVERY));
        assert!(!noticed.is_news(Answer::Unclear, EVERY * 2));
        assert!(!noticed.is_news(differs(2), EVERY + EVERY / 2));
    }
}
