//! Whether a route's audit ends at the head of its state.

use writerlink::preflight::CheckStatus::{Fail, Pass, Skipped, Unknown, Warn};
use writerlink_core::status::chain_end::{ChainEnd, Continuation};
use writerlink_engine::ports::ErrorKind;
use writerlink_engine::ports::installation::Right;

use super::seen::{Case, unseen};

const END: &str = "state and audit";

fn case(end: ChainEnd) -> Case {
    let mut case = Case::good();
    case.route().chain_end = Ok(Some(end));
    case
}

fn beyond(rows: Continuation) -> ChainEnd {
    ChainEnd::RowsBeyond { head: Some(5), newest: 7, rows }
}

#[test]
fn an_audit_that_does_not_end_at_the_head_is_told_with_its_remedy() {
    assert_eq!(case(ChainEnd::Matches).says(END), Pass);
    let missing = ChainEnd::RowsMissing { head: 7, newest: 5 };
    for (end, verdict, adopts) in [
        (beyond(Continuation::Follows), Warn, false),
        (beyond(Continuation::BreaksAt(6)), Fail, true),
        (beyond(Continuation::NotRead), Unknown, true),
        (missing, Fail, true),
        (ChainEnd::OtherRecord { seq: 7 }, Fail, true),
    ] {
        let case = case(end);
        assert_eq!(case.says(END), verdict, "{end:?}");
        let line = &case.lines(END)[0];
        let remedy = line.remedy.as_deref().unwrap();
        let command = "`writerlink adopt orders --reason TEXT`";
        assert_eq!(remedy.contains(command), adopts, "{remedy}");
        assert_eq!(Some(line.why.clone()), end.difference());
    }
}

#[test]
fn an_end_that_could_not_be_compared_is_not_called_good() {
    let mut case = Case::good();
    case.route().chain_end = Ok(None);
    assert_eq!(case.says(END), Unknown);
    case.route().chain_end = Err(unseen(ErrorKind::Throttled));
    assert_eq!(case.says(END), Unknown);
}

#[test]
fn a_right_that_is_missing_is_not_told_again_for_each_route() {
    for right in [Right::ReadState, Right::ReadAudit] {
        let mut case = Case::good();
        for (of, seen) in &mut case.facts.rights {
            if *of == right {
                *seen = Err(unseen(ErrorKind::Denied));
            }
        }
        case.route().chain_end = Err(unseen(ErrorKind::Denied));
        assert_eq!(case.says(END), Skipped, "{right:?}");
        case.route().chain_end = Err(unseen(ErrorKind::Throttled));
        assert_eq!(case.says(END), Unknown, "another reason");
    }
}
