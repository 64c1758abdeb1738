//! What an agent may answer and push: values, and every order of a few steps.

use std::collections::BTreeMap;
use std::time::Duration;

use writerlink_core::ledger::state::RouteState;
use writerlink_core::model::ids::Generation;
use writerlink_core::model::names::InstanceId;
use writerlink_core::model::route::Route;
use writerlink_core::model::time::Timestamp;
use writerlink_engine::relay::{Answer, Now, RelayAnswers, RelaySwitch};

use super::agents::{Installation, PACE};

/// A reading serves answers for so long.
const YOUNG: Duration = PACE.poll_interval.saturating_mul(2);

/// Each step takes so long, so that all steps of a story are within [`YOUNG`] unless one waits.
const STEP: Duration = Duration::from_millis(1);

/// How many steps the stories have, after both servers have answered once.
const STEPS: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The ledger names the other instance.
    Commit,
    /// The ledger is put back to the state before its newest one.
    Restore,
    /// The agent reads.
    Read,
    /// The push that the newest reading asked for is made.
    Push,
    /// HAProxy asks for one server.
    Poll(usize),
    /// Nothing, for longer than a reading serves.
    Wait,
}

const ALL: [Step; 7] =
    [Step::Commit, Step::Restore, Step::Read, Step::Push, Step::Poll(0), Step::Poll(1), Step::Wait];

/// One relay, one agent, one ledger.
#[derive(Clone)]
struct Story {
    route: Route,
    instances: [InstanceId; 2],
    template: RouteState,
    /// The states that the ledger has had; the last one is its present, unless it was put back.
    named: Vec<usize>,
    present: usize,
    answers: RelayAnswers,
    pending: Option<RelaySwitch>,
    open: BTreeMap<InstanceId, bool>,
    /// The newest state by which one server alone was open.
    applied: usize,
    read: Option<(usize, Duration)>,
    now: Duration,
    steps: Vec<Step>,
}

impl Story {
    async fn new() -> Self {
        let stage = Installation::serving().await;
        let mut route = stage.route().clone();
        let template = stage.rig.fleet.dynamo.glance_at_route(&route.name).unwrap().unwrap();
        let instances = ["orders-1", "orders-2"].map(|name| InstanceId::new(name).unwrap());
        route.instances.retain(|instance, _| instances.contains(instance));
        let answers = RelayAnswers::of(std::slice::from_ref(&route), PACE.poll_interval);
        let open = instances.iter().map(|instance| (instance.clone(), false)).collect();
        let mut story = Self {
            route,
            instances,
            template,
            named: vec![0],
            present: 0,
            answers,
            pending: None,
            open,
            applied: 0,
            read: None,
            now: Duration::ZERO,
            steps: Vec::new(),
        };
        for step in [Step::Read, Step::Poll(0), Step::Poll(1)] {
            story.take(step);
        }
        assert_eq!(story.open_ones(), [&story.instances[0]]);
        story
    }

    /// What the ledger holds.
    fn state(&self) -> RouteState {
        let mut state = self.template.clone();
        let desired = state.control.desired.as_mut().unwrap();
        desired.instance = self.instances[self.named[self.present]].clone();
        desired.event =
            writerlink_core::evidence::event::EventKey::parse(&format!("{:064x}", self.present)).unwrap();
        state.control.generation = Generation(u64::try_from(self.present).unwrap() + 1);
        state
    }

    fn open_ones(&self) -> Vec<&InstanceId> {
        self.open.iter().filter(|(_, open)| **open).map(|(instance, _)| instance).collect()
    }

    fn take(&mut self, step: Step) {
        self.steps.push(step);
        self.now += STEP;
        match step {
            Step::Commit => {
                let other = 1 - self.named[self.present];
                self.named.truncate(self.present + 1);
                self.named.push(other);
                self.present += 1;
            }
            Step::Restore => self.present = self.present.saturating_sub(1),
            Step::Read => {
                self.pending = self.answers.take(&self.state(), self.now);
                self.read = Some((self.present, self.now));
            }
            Step::Push => self.push(),
            Step::Poll(n) => self.poll(n),
            Step::Wait => self.now += YOUNG + STEP,
        }
        self.check(step);
    }

    fn push(&mut self) {
        let Some(switch) = self.pending.take().filter(|switch| self.answers.is_current(switch, self.now))
        else {
            return;
        };
        for (instance, open) in &mut self.open {
            *open = *instance == switch.to;
        }
        self.answers.pushed(&switch, Timestamp::EPOCH.plus(self.now));
    }

    fn poll(&mut self, n: usize) {
        let now = Now { wall: Timestamp::EPOCH.plus(self.now), monotonic: self.now };
        let instance = self.instances[n].clone();
        if let Some(answer) = self.answers.answer(&self.route.name, &instance, now) {
            let (read, at) = self.read.unwrap();
            assert!(self.now <= at + YOUNG, "{:?}: an old reading was answered from", self.steps);
            let named = &self.instances[self.named_at(read)];
            assert_eq!(answer == Answer::Up, instance == *named, "{:?}", self.steps);
            self.open.insert(instance, answer == Answer::Up);
        }
    }

    /// Which instance a state named. States that were put back and written anew have the newest name.
    fn named_at(&self, state: usize) -> usize {
        self.named.get(state).copied().unwrap_or_else(|| 1 - self.named[self.named.len() - 1])
    }

    /// Never back: what is open alone was named by a state that is no older than the one before.
    fn check(&mut self, step: Step) {
        let [only] = self.open_ones()[..] else { return };
        if !matches!(step, Step::Poll(_) | Step::Push) {
            return;
        }
        let (read, _) = self.read.unwrap();
        if self.instances[self.named_at(read)] == *only {
            assert!(read >= self.applied, "{:?}: back from {} to {read}", self.steps, self.applied);
            self.applied = read;
        }
    }

    fn explore(&self, left: usize, seen: &mut usize) {
        if left == 0 {
            *seen += 1;
            return;
        }
        for step in ALL {
            // A second state of the same generation would need a second ledger.
            if step == Step::Commit && self.present + 1 < self.named.len() {
                continue;
            }
            let mut next = self.clone();
            next.take(step);
            next.explore(left - 1, seen);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn in_every_order_of_steps_no_answer_is_old_and_none_goes_back() {
    let mut stories = 0;
    Story::new().await.explore(STEPS, &mut stories);
    assert!(stories > 50_000, "{stories}");
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_grew_old_while_the_agent_stood_still_is_not_pushed() {
    let mut story = Story::new().await;
    for step in [Step::Commit, Step::Read, Step::Wait, Step::Push] {
        story.take(step);
    }
    assert_eq!(story.open_ones(), [&story.instances[0]]);
    for step in [Step::Read, Step::Poll(0), Step::Poll(1)] {
        story.take(step);
    }
    assert_eq!(story.open_ones(), [&story.instances[1]]);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_the_file_does_not_name_is_never_answered_for() {
    let mut story = Story::new().await;
    story.take(Step::Read);
    let now = Now { wall: Timestamp::EPOCH, monotonic: story.now };
    let stranger = InstanceId::new("orders-9").unwrap();
    assert_eq!(story.answers.answer(&story.route.name, &stranger, now), None);
    let mut state = story.state();
    state.control.desired.as_mut().unwrap().instance = stranger;
    assert_eq!(story.answers.take(&state, story.now), None);
    assert_eq!(story.answers.answer(&story.route.name, &story.instances[0], now), None, "and closes nothing");
}
