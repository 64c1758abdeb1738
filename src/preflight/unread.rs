//! One cause, one line: a read that failed for a reason that another line reports is not reported again.

use std::collections::BTreeMap;

use crate::preflight::caller::{Place, is_elsewhere, place_of};
use writerlink_core::model::names::RouteName;
use writerlink_engine::ports::ErrorKind;
use writerlink_engine::ports::installation::{
    Facts, Right, RouteFacts, RouteGroup, Seen, TableFacts, Unseen,
};

/// The facts; each failure that another line explains refers to that line.
pub(super) struct Explained {
    pub(super) facts: Facts,
    /// The routes of which nothing could be read, and the line that reports why.
    pub(super) routes: BTreeMap<RouteName, &'static str>,
}

/// What makes many calls fail at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Root {
    /// The credentials are invalid.
    Credentials,
    /// Nothing answers.
    OutOfReach,
    /// The calls go to another Region than that of the target groups.
    Region,
    /// The caller is of another account.
    Account,
}

impl Root {
    /// The line that reports it.
    fn at(self) -> &'static str {
        match self {
            Self::Credentials | Self::OutOfReach => "caller: identity",
            Self::Region => "caller: Region",
            Self::Account => "caller: account of the routes",
        }
    }

    /// Whether a call that failed like this failed because of it.
    fn explains(self, kind: ErrorKind) -> bool {
        match (self, kind) {
            (Self::Credentials, ErrorKind::Denied)
            | (Self::OutOfReach, ErrorKind::Unreachable)
            // ELBv2 calls the ARN of another Region invalid.
            | (Self::Region, ErrorKind::Missing | ErrorKind::Invalid)
            | (Self::Account, ErrorKind::Missing | ErrorKind::Invalid | ErrorKind::Denied) => true,
            (Self::Credentials | Self::OutOfReach | Self::Region | Self::Account, _) => false,
        }
    }

    fn explains_seen<T>(self, seen: &Seen<T>) -> bool {
        refusal(seen).is_some_and(|kind| self.explains(kind))
    }

    fn cut<T>(self, seen: &mut Seen<T>) {
        if self.explains_seen(seen) {
            *seen = Err(Unseen::Told(self.at()));
        }
    }
}

fn refusal<T>(seen: &Seen<T>) -> Option<ErrorKind> {
    match seen {
        Err(Unseen::Refused(error)) => Some(error.kind),
        Err(Unseen::NotHere(_) | Unseen::Told(_)) | Ok(_) => None,
    }
}

pub(super) fn explained(facts: &Facts) -> Explained {
    let mut explained = Explained { facts: facts.clone(), routes: BTreeMap::new() };
    if let Some(root) = root_of_all(facts) {
        shared(&mut explained.facts, root);
    }
    for route in &mut explained.facts.routes {
        if let Some(root) = root_of(facts, route) {
            if is_unread(route, root) {
                let name = route.route.name.clone();
                explained.routes.insert(name, root.at());
            }
            of_route(route, root);
        }
        route.groups.iter_mut().for_each(of_group);
        let listener = route.weights.as_ref().and_then(refusal);
        if let Some(rules) = &mut route.listener_rules {
            refer_if_same(rules, listener, "listener");
        }
    }
    rights(&mut explained.facts);
    chain_ends(&mut explained.facts.routes, &facts.rights);
    explained
}

/// The cause that explains the failures of shared resources.
fn root_of_all(facts: &Facts) -> Option<Root> {
    let roots = facts.routes.iter().map(|route| root_of(facts, route));
    let roots: Vec<Option<Root>> = roots.collect();
    match everywhere(facts) {
        Some(root) => Some(root),
        // The queue and the tables may be found for the other routes.
        None if roots.iter().all(Option::is_some) => roots.first().copied().flatten(),
        None => None,
    }
}

fn everywhere(facts: &Facts) -> Option<Root> {
    match (refusal(&facts.identity.arn), refusal(&facts.queue)) {
        // The one call that no policy can deny.
        (Some(ErrorKind::Denied), _) => Some(Root::Credentials),
        (Some(ErrorKind::Unreachable), Some(ErrorKind::Unreachable)) => Some(Root::OutOfReach),
        _ => None,
    }
}

fn root_of(facts: &Facts, route: &RouteFacts) -> Option<Root> {
    let region = facts.environment.region.as_deref();
    let caller = facts.identity.arn.as_deref().ok().and_then(place_of);
    let of_region = |place: Place<'_>| region.is_none_or(|region| place.region == region);
    let of_caller = |place: Place<'_>| caller.is_none_or(|caller| place.account == caller.account);
    match everywhere(facts) {
        Some(root) => Some(root),
        None if is_elsewhere(route, of_region) => Some(Root::Region),
        None if is_elsewhere(route, of_caller) => Some(Root::Account),
        None => None,
    }
}

fn shared(facts: &mut Facts, root: Root) {
    root.cut(&mut facts.queue);
    root.cut(&mut facts.rules);
    for table in [&mut facts.state, &mut facts.audit] {
        root.cut(&mut table.described);
        root.cut(&mut table.recovery);
        root.cut(&mut table.expiry);
    }
    for (right, seen) in &mut facts.rights {
        // This refusal is what the check wants, for every caller. Without credentials it proves nothing.
        let refused = refusal(seen) == Some(ErrorKind::Denied);
        let on_purpose = *right == Right::ChangeAudit && root == Root::Account && refused;
        if !on_purpose {
            root.cut(seen);
        }
    }
}

fn is_unread(route: &RouteFacts, root: Root) -> bool {
    let mut groups = route.groups.iter();
    groups.all(|group| root.explains_seen(&group.facts.described))
}

fn of_route(route: &mut RouteFacts, root: Root) {
    for group in &mut route.groups {
        root.cut(&mut group.facts.described);
        root.cut(&mut group.facts.attributes);
        root.cut(&mut group.observed);
    }
    route.weights.iter_mut().for_each(|seen| root.cut(seen));
    let rules = route.listener_rules.iter_mut();
    rules.for_each(|seen| root.cut(seen));
    route.relays.iter_mut().for_each(|seen| root.cut(seen));
    let balancers = route.balancers.values_mut();
    balancers.for_each(|seen| root.cut(seen));
    root.cut(&mut route.chain_end);
    root.cut(&mut route.members);
    root.cut(&mut route.vpc_networking);
}

fn refer_if_same<T>(seen: &mut Seen<T>, like: Option<ErrorKind>, at: &'static str) {
    let alike = like.is_some() && refusal(seen) == like;
    // A denied call says nothing about another call.
    if alike && like != Some(ErrorKind::Denied) {
        *seen = Err(Unseen::Told(at));
    }
}

fn of_group(group: &mut RouteGroup) {
    let described = refusal(&group.facts.described);
    refer_if_same(&mut group.observed, described, "target group");
}

/// A permission that the caller lacks has its own line; one for each route would repeat it.
fn chain_ends(routes: &mut [RouteFacts], rights: &[(Right, Seen<()>)]) {
    for (right, at) in
        [(Right::ReadState, "caller: may read the state"), (Right::ReadAudit, "caller: may read the audit")]
    {
        let seen = rights.iter().find(|(of, _)| *of == right);
        let Some(kind) = seen.and_then(|(_, seen)| refusal(seen)) else {
            continue;
        };
        for route in &mut *routes {
            if refusal(&route.chain_end) == Some(kind) {
                route.chain_end = Err(Unseen::Told(at));
            }
        }
    }
}

/// A table that is missing or unreachable cannot be read or written either.
fn rights(facts: &mut Facts) {
    let described = |table: &TableFacts| refusal(&table.described);
    let (state, audit) = (described(&facts.state), described(&facts.audit));
    for (right, seen) in &mut facts.rights {
        let tables = match right {
            Right::ReadState | Right::UpdateState | Right::InsertState => [state, None],
            // One transaction of both tables.
            Right::AppendAudit => [audit, state],
            Right::ReadAudit | Right::ReadAuditByDay | Right::ReadAuditByEvent | Right::ChangeAudit => {
                [audit, None]
            }
        };
        for table in tables {
            refer_if_same(seen, table, "its table: is there");
        }
    }
}
