//! `adopt`: a person has the chain continued behind rows that do not verify.

use writerlink_sim::dynamodb::LedgerTable::{Audit, State};

use super::story::{FOREIGN, Story};
use crate::desk;

/// A story whose next place is taken by a row that no worker wrote.
async fn with_a_foreign_row() -> Story {
    let mut story = Story::new().await;
    story.fails_over("w1", 2, 1).await;
    story.gets_a_foreign_row().await;
    story
}

impl Story {
    async fn gets_a_foreign_row(&mut self) {
        let name = self.rig().routes[0].name.clone();
        let next = self.head().seq + 1;
        let dynamo = &self.rig().fleet.dynamo;
        dynamo.put_foreign_row(&name, next, FOREIGN).unwrap();
        self.remembers_its_rows().await;
    }

    /// Adopts, and checks what the plan says before it: the first row that does not verify.
    async fn adopts(&self, first_bad: u64) {
        let before = self.rows().await;
        let plan = self.desk.says("adopt orders --reason restored --dry-run --output json").await;
        assert_eq!(plan.code, 0, "{}{}", plan.out, plan.err);
        let row = plan.rows("adoptions").remove(0);
        assert_eq!(row["action"], "adopt", "{row}");
        let note = row["note"].as_str().unwrap();
        assert!(note.contains(&first_bad.to_string()), "{note}");
        assert_eq!(self.rows().await, before, "a plan writes nothing");
        let adopted = self.desk.says("adopt orders --reason restored --yes --output json").await;
        assert_eq!(adopted.code, 0, "{}{}", adopted.out, adopted.err);
        let done = adopted.rows("adoptions").remove(0);
        assert_eq!(done["record_seq"], row["record_seq"], "as the plan said");
        let record = &self.rows().await[&row["record_seq"].as_u64().unwrap()];
        for part in ["\"kind\":\"adopted\"", desk::WHO, "restored"] {
            assert!(record.contains(part), "{part}: {record}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_adopted_foreign_row_stays_named_and_the_route_moves_again() {
    let story = with_a_foreign_row().await;
    let foreign = story.head().seq + 1;
    story.adopts(foreign).await;
    story.fails_over("w2", 3, 2).await;
    assert_eq!(story.rig().registered(0), [story.rig().target(0, 3)]);
    story.works_again().await;
    let verify = story.desk.says("audit verify --output json").await;
    assert_eq!(verify.code, 3, "{}", verify.out);
    let row = verify.rows("routes").remove(0);
    assert_eq!(row["first_bad_seq"], foreign, "{row}");
    let adopted = format!("record {} adopted that, and from there on the chain is intact", foreign + 1);
    assert!(row["fault"].as_str().unwrap().contains(&adopted), "{row}");
    // What a person has taken on is no alarm any more, and nothing is left to adopt.
    let again = story.desk.says("adopt orders --reason again --yes --output json").await;
    assert_eq!(again.rows("adoptions")[0]["action"], "nothing", "{}", again.out);
    assert_eq!(again.code, 0);
    story.kept_its_rows().await;
}

#[tokio::test(start_paused = true)]
async fn a_foreign_row_after_an_adoption_is_adopted_like_the_first() {
    let mut story = with_a_foreign_row().await;
    story.adopts(story.head().seq + 1).await;
    story.gets_a_foreign_row().await;
    let pause = story.desk.says("pause orders --reason drill --yes").await;
    assert_ne!(pause.code, 0, "nothing is committed on it");
    story.adopts(story.head().seq + 1).await;
    story.works_again().await;
}

#[tokio::test(start_paused = true)]
async fn adoption_takes_on_the_records_that_verify_before_the_foreign_row() {
    let mut story = Story::new().await;
    story.fails_over("w1", 2, 1).await;
    let early = story.backup(State);
    story.fails_over("w2", 3, 20).await;
    let later = story.state().unwrap();
    story.gets_a_foreign_row().await;
    story.restore(&early);
    story.adopts(later.chain.seq + 1).await;
    assert_eq!(story.state().unwrap().control.desired, later.control.desired);
    // I3: what the records that verify show as accepted is not undone by something older.
    story.fails_over("w3", 2, 10).await;
    assert_eq!(story.rig().told.ends().last(), Some(&"Superseded"));
    story.works_again().await;
}

#[tokio::test(start_paused = true)]
async fn adoption_names_the_rows_that_a_restored_audit_lacks() {
    let mut story = Story::new().await;
    story.fails_over("w1", 2, 1).await;
    let early = story.backup(Audit);
    let kept = story.head().seq;
    story.fails_over("w2", 3, 2).await;
    story.restore(&early);
    story.remembers_its_rows().await;
    story.adopts(kept + 1).await;
    story.works_again().await;
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_nothing_is_wrong_with_is_not_adopted() {
    let mut story = Story::new().await;
    story.fails_over("w1", 2, 1).await;
    let early = story.backup(State);
    story.fails_over("w2", 3, 2).await;
    for (restored, says) in [(false, "agree"), (true, "the next commit")] {
        if restored {
            story.restore(&early);
        }
        story.remembers_its_rows().await;
        let said = story.desk.says("adopt orders --reason x --yes --output json").await;
        let row = said.rows("adoptions").remove(0);
        assert_eq!((said.code, row["action"].as_str()), (0, Some("nothing")));
        assert!(row["note"].as_str().unwrap().contains(says), "{row}");
        assert_eq!(story.rows().await, story.rows, "nothing was written");
    }
    let nobody = story.desk.says("adopt orders --reason x").await;
    assert_eq!(nobody.code, 2, "{}", nobody.err);
}

#[tokio::test(start_paused = true)]
async fn an_adoption_is_confirmed_at_a_terminal_and_refused_without_one() {
    let story = with_a_foreign_row().await;
    let before = story.rows().await;
    let no = story.desk.answers("adopt orders --reason x", "n\n").await;
    assert_eq!(no.code, 1, "{}", no.err);
    for part in ["orders-2", "VERIFIED", "Do this?", desk::WHO] {
        assert!(no.err.contains(part), "{part}: {}", no.err);
    }
    let nobody = story.desk.says("adopt orders --reason x").await;
    assert_eq!(nobody.code, 2, "{}", nobody.err);
    assert_eq!(story.rows().await, before);
    let yes = story.desk.answers("adopt orders --reason x", "y\n").await;
    assert_eq!(yes.code, 0, "{}", yes.err);
    story.works_again().await;
}
