//! The state table as it was at one moment, and back to it: what a point-in-time recovery of that table alone does.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::trial::Trial;

const STATE: &str = "writerlink-state";

type Item = HashMap<String, AttributeValue>;

/// What the table held: the emulator answers a scan whole, with nothing in between.
pub(crate) struct Backup(Vec<Item>);

impl Backup {
    pub(crate) async fn taken(trial: &Trial) -> Self {
        let scan = trial.dynamodb().scan().table_name(STATE).send();
        let scan = scan.await.unwrap();
        assert!(scan.last_evaluated_key.is_none(), "more than a page");
        Self(scan.items.unwrap_or_default())
    }

    /// Puts the table back. Gives how many items were gone or changed by it.
    pub(crate) async fn restore(&self, trial: &Trial) -> usize {
        let now = Self::taken(trial).await;
        let dynamodb = trial.dynamodb();
        let mut changed = 0;
        for item in now.0.iter().filter(|item| !self.0.contains(item)) {
            let key = ["pk"].map(|name| (name.to_owned(), item[name].clone()));
            let delete = dynamodb.delete_item().table_name(STATE);
            delete.set_key(Some(HashMap::from(key))).send().await.unwrap();
            changed += 1;
        }
        for item in self.0.iter().filter(|item| !now.0.contains(item)) {
            let put = dynamodb.put_item().table_name(STATE);
            put.set_item(Some(item.clone())).send().await.unwrap();
        }
        changed
    }
}
