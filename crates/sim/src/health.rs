//! Health checks of targets, computed from who answered when.
//!
//! Source: ELB User Guide for Network Load Balancers, "Health checks for target groups".

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use writerlink_core::model::target::TargetHealth;

/// Whether an address answers on the health check's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeResponse {
    /// It does.
    Answers,
    /// It does not.
    Silent,
}

/// What the checks ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Probe {
    /// A port that the databases listen on.
    #[default]
    Answered,
    /// A port that nothing listens on. HeatWave's instructions do this on purpose: every target is
    /// unhealthy for ever, and the load balancer serves by failing open.
    NeverAnswered,
}

/// How a group's targets are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthChecks {
    /// What the checks ask.
    pub probe: Probe,
    /// From the end of the registration to the first verdict, whatever the thresholds say.
    pub first_verdict: Duration,
    /// How long a healthy target has to be silent: 2 checks of 30 s by default.
    pub unhealthy_after: Duration,
    /// How long an unhealthy target has to answer: 5 checks of 30 s by default.
    pub healthy_after: Duration,
    /// `target_health_state.unhealthy.draining_interval_seconds`, if connection termination is off.
    pub unhealthy_draining: Option<Duration>,
}

impl Default for HealthChecks {
    fn default() -> Self {
        Self {
            probe: Probe::default(),
            first_verdict: Duration::from_secs(10),
            unhealthy_after: Duration::from_mins(1),
            healthy_after: Duration::from_secs(150),
            unhealthy_draining: None,
        }
    }
}

/// A target's state and its reason code.
pub(super) type Health = (TargetHealth, Option<&'static str>);

/// Which address began or ceased to answer when; one that is not in here answers.
#[derive(Debug, Default)]
pub(super) struct Answers {
    changes: BTreeMap<IpAddr, Vec<(Duration, ProbeResponse)>>,
}

impl Answers {
    pub(super) fn change(&mut self, ip: IpAddr, at: Duration, answer: ProbeResponse) {
        self.changes.entry(ip).or_default().push((at, answer));
    }

    /// The state of an address on which the first verdict is at `first`.
    pub(super) fn health(&self, checks: &HealthChecks, ip: IpAddr, first: Duration, now: Duration) -> Health {
        match self.verdict(checks, ip, first, now) {
            None => (TargetHealth::Initial, Some("Elb.InitialHealthChecking")),
            Some((ProbeResponse::Answers, _)) => (TargetHealth::Healthy, None),
            Some((ProbeResponse::Silent, since)) => {
                let grace = checks.unhealthy_draining.unwrap_or_default();
                let health = if now < since + grace {
                    TargetHealth::UnhealthyDraining
                } else {
                    TargetHealth::Unhealthy
                };
                (health, Some("Target.FailedHealthChecks"))
            }
        }
    }

    /// The verdict now and since when: the first one at once, every later one after its threshold.
    fn verdict(
        &self,
        checks: &HealthChecks,
        ip: IpAddr,
        first: Duration,
        now: Duration,
    ) -> Option<(ProbeResponse, Duration)> {
        if now < first {
            return None;
        }
        if checks.probe == Probe::NeverAnswered {
            return Some((ProbeResponse::Silent, first));
        }
        let changes = self.changes.get(&ip).map(Vec::as_slice).unwrap_or_default();
        let mut verdict = (ProbeResponse::Answers, first);
        for (i, (at, answer)) in changes.iter().enumerate() {
            if *at <= first {
                verdict = (*answer, first);
                continue;
            }
            let until = changes.get(i + 1).map_or(now, |(next, _)| *next);
            let threshold = match answer {
                ProbeResponse::Answers => checks.healthy_after,
                ProbeResponse::Silent => checks.unhealthy_after,
            };
            if *answer != verdict.0 && until.saturating_sub(*at) >= threshold {
                verdict = (*answer, *at + threshold);
            }
        }
        Some(verdict)
    }
}
