//! What a relay reports of its routes, as the JSON text of an attribute.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use writerlink_core::actuation::relay::AppliedRoute;
use writerlink_core::evidence::event::EventKey;
use writerlink_core::model::names::{InstanceId, RouteName};
use writerlink_core::model::time::Timestamp;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AppliedText {
    at: String,
    event_key: String,
    instance: String,
}

/// The text: about 150 bytes a route.
#[must_use]
pub fn text(routes: &BTreeMap<RouteName, AppliedRoute>) -> String {
    let text = |applied: &AppliedRoute| AppliedText {
        at: applied.at.to_string(),
        event_key: applied.event.to_string(),
        instance: applied.instance.to_string(),
    };
    let routes: BTreeMap<&str, AppliedText> =
        routes.iter().map(|(name, applied)| (name.as_str(), text(applied))).collect();
    serde_json::to_string(&routes).unwrap_or_default()
}

/// Reads it; nothing when it is no text that [`text`] writes.
#[must_use]
pub fn read(text: &str) -> Option<BTreeMap<RouteName, AppliedRoute>> {
    let routes: BTreeMap<String, AppliedText> = serde_json::from_str(text).ok()?;
    let read = |(name, applied): (String, AppliedText)| {
        let applied = AppliedRoute {
            instance: InstanceId::new(&applied.instance).ok()?,
            event: EventKey::parse(&applied.event_key)?,
            at: Timestamp::parse(&applied.at)?,
        };
        Some((RouteName::new(&name).ok()?, applied))
    };
    routes.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_as_it_was_written_and_nothing_else_does() {
        let applied = AppliedRoute {
            instance: InstanceId::new("orders-2").unwrap(),
            event: EventKey::parse(&"ab".repeat(32)).unwrap(),
            at: Timestamp::from_millis(1_778_108_400_123),
        };
        let routes = BTreeMap::from([(RouteName::new("orders").unwrap(), applied)]);
        let written = text(&routes);
        assert!(written.len() < 180, "{written}");
        assert_eq!(read(&written), Some(routes));
        for odd in ["", "[]", "{\"orders\":{}}", &written.replace("orders-2", "-")] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}
