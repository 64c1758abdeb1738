//! The tape of a night: what somebody who is on call asks, and which command answers. The README shows it, and this
//! test is what played it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where a step fails")]

use std::fmt::Write as _;
use std::time::Duration;

use crate::desk::Desk;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// What a call takes: that of a control plane in the same Region, or a little less.
const ROUND_TRIP: Duration = Duration::from_millis(12);

/// Where the tape stands in the README.
const BEGIN: &str = "<!-- tests/night.rs plays this tape: begin -->\n";
const END: &str = "<!-- end -->";

/// What happens and what is typed, as it is shown.
struct Tape<'a> {
    desk: &'a Desk,
    text: String,
}

impl Tape<'_> {
    /// Nobody types this.
    fn happens(&mut self, what: &str) {
        let now = self.desk.rig.fleet.world.fabric.time.now().to_string();
        let clock = &now[11..19];
        writeln!(self.text, "\n# {clock}  {what}").unwrap();
    }

    /// A question, and the command that answers it.
    async fn asks(&mut self, question: &str, line: &str, code: u8) {
        let said = self.desk.says(line).await;
        assert_eq!(said.code, code, "{line}: {}{}", said.out, said.err);
        writeln!(self.text, "\n# {question}\n$ writerlink {line}").unwrap();
        writeln!(self.text, "{}{}", said.err, said.out.trim_end()).unwrap();
    }

    /// The same with the beginning of the answer.
    async fn begins(&mut self, question: &str, line: &str, lines: usize) {
        let said = self.desk.says(line).await;
        assert_eq!(said.code, 0, "{line}: {}{}", said.out, said.err);
        writeln!(self.text, "\n# {question}\n$ writerlink {line}").unwrap();
        for line in said.out.lines().take(lines) {
            let head: String = line.chars().take(98).collect();
            let more = if head.len() < line.len() { "…" } else { "" };
            writeln!(self.text, "{head}{more}").unwrap();
        }
        writeln!(self.text, "…").unwrap();
    }

    /// What a command says in JSON, for the next command.
    async fn finds(&self, line: &str, pointer: &str) -> String {
        let said = self.desk.says(&format!("{line} --output json")).await;
        let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        let found = json.pointer(pointer).and_then(serde_json::Value::as_str);
        found.unwrap_or_else(|| panic!("{pointer}: {json}")).to_owned()
    }
}

/// The night: a failover, an event that comes seven minutes late, and a person who wants it to hold still.
async fn night(desk: &Desk) -> String {
    let mut tape = Tape { desk, text: String::new() };
    let deliver = |n, at| desk.rig.fleet.world.deliver(&desk.rig.completed(0, n, at));
    desk.rig.every_call_takes(ROUND_TRIP);
    let worker = desk.rig.start("worker");
    desk.pass(MINUTE).await;
    desk.rig.fleet.world.deliver(&desk.rig.completed(1, 2, 60));
    desk.pass(6 * MINUTE + 45 * SECOND).await;
    tape.happens("the writer of orders fails over to orders-2; the event arrives");
    deliver(2, 465);
    desk.pass(40 * SECOND).await;
    tape.happens("a partner calls: the replication has stopped");
    tape.asks("Where are we?", "status", 0).await;
    tape.asks("What happened?", "audit list --since 10m", 0).await;
    tape.asks("How, exactly?", "audit show orders/2", 0).await;
    desk.pass(6 * MINUTE).await;
    tape.happens("an event of 23:06 arrives, seven minutes late: it names orders-1");
    deliver(1, 360);
    desk.pass(10 * SECOND).await;
    let key = tape.finds("audit list --limit 1", "/records/0/event_key").await;
    let why = format!("explain {key}");
    tape.asks("Why did it not go back?", &why, 0).await;
    tape.asks("What will it do next?", "plan orders", 0).await;
    let stop = "pause orders --for 1h --reason \"the DBA works on orders-2\" --yes";
    tape.asks("How do I stop it?", stop, 0).await;
    desk.pass(2 * MINUTE).await;
    tape.happens("orders fails over again, to orders-3");
    deliver(3, 995);
    desk.pass(20 * SECOND).await;
    tape.asks("Does it obey? What is waiting?", "status orders", 0).await;
    let go = "resume orders --reason \"the DBA is done\" --yes";
    tape.asks("Go on.", go, 0).await;
    desk.pass(5 * MINUTE).await;
    tape.asks("Is all well now?", "status --detailed-exitcode", 0).await;
    tape.asks("Is the record whole?", "audit verify", 0).await;
    let keep = "audit export --route orders --since 2026-05-06 --output csv";
    tape.begins("What do I take to the post-mortem?", keep, 3).await;
    drop(worker);
    tape.text
}

#[tokio::test(start_paused = true)]
async fn the_readme_shows_the_tape_of_this_night() {
    let desk = Desk::with(&["orders", "users"]).await;
    let played = format!("```console\n{}```\n", night(&desk).await.trim_start());
    let readme = include_str!("../../README.md");
    let shown =
        readme.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).map_or("", |(shown, _)| shown);
    let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/night.md");
    if shown != played {
        std::fs::write(path, &played).unwrap();
    }
    assert!(shown == played, "the README shows another night; this one is in {path}:\n{played}");
}
