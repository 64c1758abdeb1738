//! The deliveries in `tests/corpus`: those of the AWS documentation, real ones from public repositories
//! (account numbers and names replaced), five of one failover, and two that somebody's rule brought besides
//! (`CloudTrail`'s record of a call, a blue/green switchover by the guide's wording).

use std::fs;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// One delivery.
pub(crate) fn text(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

/// Every delivery, by name.
pub(crate) fn all() -> Vec<(String, String)> {
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() >= 20, "a corpus this small would prove little: {names:?}");
    names.into_iter().map(|name| (name.clone(), text(&name))).collect()
}
