//! The terminal of a tape: a shell as far as the tapes need one.

use serde_json::Value;

use super::stage::Stage;
use crate::desk::Said;

impl Stage {
    /// Types a line; what the terminal shows, with the exit code where that is not 0.
    pub(super) async fn types(&mut self, line: &str) -> String {
        if let Some((name, command)) = line.split_once("=$(") {
            let (command, query) = command.trim_end_matches(')').split_once(" | jq -r ").unwrap();
            let found = self.finds(command, query.trim_matches('\'')).await;
            self.kept.insert(name.to_owned(), found);
            return String::new();
        }
        let (command, filters) = line.split_once(" | ").unwrap_or((line, ""));
        let said = self.run(command).await;
        let mut shown: Vec<String> = said.out.trim_end().lines().map(str::to_owned).collect();
        for filter in filters.split(" | ").filter(|filter| !filter.is_empty()) {
            shown = filtered(shown, filter);
        }
        if said.code != 0 {
            shown.push(format!("[exit code {}]", said.code));
        }
        // A line that ends, as a terminal's do.
        shown.push(String::new());
        said.err + &shown.join("\n")
    }

    async fn run(&self, line: &str) -> Said {
        let typed = self.kept.iter().fold(line.to_owned(), |line, (name, kept)| {
            // A name is a shell's: `$key`.
            line.replace(&format!("${name}"), kept)
        });
        let command = typed.strip_prefix("writerlink ").unwrap_or_else(|| panic!("no such command: {line}"));
        self.desk.says(command).await
    }

    /// A text in what a command says in JSON, by jq's path of it.
    async fn finds(&self, command: &str, query: &str) -> String {
        let said = self.run(command).await;
        let json: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{command}: {said:?}"));
        let pointer = query.replace(['.', '['], "/").replace(']', "");
        let found = json.pointer(&pointer).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("{query}: {json}")).to_owned()
    }
}

/// What `head` and `cut` leave of lines.
fn filtered(lines: Vec<String>, filter: &str) -> Vec<String> {
    if let Some(count) = filter.strip_prefix("head -") {
        return lines.into_iter().take(count.parse().unwrap()).collect();
    }
    if let Some(width) = filter.strip_prefix("cut -c1-") {
        let width = width.parse().unwrap();
        return lines.into_iter().map(|line| line.chars().take(width).collect()).collect();
    }
    panic!("no such filter: {filter}")
}
