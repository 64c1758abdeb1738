//! Which installation and configuration `status` says it shows, and what it says of the worker's.

use std::time::Duration;

use writerlink_core::model::provenance::{ConfigHash, InstallationName, Provenance};

use crate::desk::Desk;

/// A desk whose worker has moved `orders` in the name of this installation and configuration, ten minutes ago.
async fn moved_under(installation: &str, config: impl Fn(&str) -> String) -> Desk {
    let mut desk = Desk::with(&["orders", "users"]).await;
    let text = std::fs::read_to_string(desk.file()).unwrap();
    desk.rig.fleet.provenance = Some(Provenance {
        installation: InstallationName::new(installation).unwrap(),
        config: ConfigHash::of(&config(&text)),
    });
    let worker = desk.rig.start("w1");
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 0));
    desk.pass(Duration::from_mins(10)).await;
    drop(worker);
    desk
}

/// The heading, with the hash of the desk's own file by a word.
fn heading(desk: &Desk, said: &crate::desk::Said) -> String {
    let text = std::fs::read_to_string(desk.file()).unwrap();
    said.heading.replace(ConfigHash::of(&text).as_str(), "HASH-OF-MINE")
}

#[tokio::test(start_paused = true)]
async fn a_worker_with_the_same_file_is_said_to_have_it() {
    let desk = moved_under("writerlink", str::to_owned).await;
    let said = desk.says("status").await;
    insta::assert_snapshot!(heading(&desk, &said), @"
    installation   writerlink
    configuration  HASH-OF-MINE; the worker's newest record (orders/4, 4m59s ago) has the same
    ");
    let alone = desk.says("status orders").await;
    assert_eq!(heading(&desk, &alone), heading(&desk, &said));
}

#[tokio::test(start_paused = true)]
async fn a_worker_with_another_file_is_said_to_run_it() {
    let desk = moved_under("writerlink", |text| format!("# older\n{text}")).await;
    let said = desk.says("status").await;
    let text = std::fs::read_to_string(desk.file()).unwrap();
    let other = ConfigHash::of(&format!("# older\n{text}"));
    let shown = heading(&desk, &said).replace(other.as_str(), "HASH-OF-ELSE");
    insta::assert_snapshot!(shown, @"
    installation   writerlink
    configuration  HASH-OF-MINE; the worker runs another configuration, HASH-OF-ELSE (its newest record:
                   orders/4, 4m59s ago), or has recorded nothing since it was given this one
    ");
    let json: serde_json::Value = serde_json::from_str(&desk.says("status --output json").await.out).unwrap();
    assert_eq!(json["installation"], "writerlink");
    assert_eq!(json["config_hash"], ConfigHash::of(&text).as_str());
    let worker = &json["worker"];
    assert_eq!(worker["config_hash"], other.as_str());
    assert_eq!(worker["installation"], "writerlink");
    assert_eq!((&worker["same"], &worker["owner"]), (&false.into(), &"w1".into()));
    assert_eq!(said.code, 0, "another configuration is no fault of the routes");
}

#[tokio::test(start_paused = true)]
async fn a_worker_of_another_installation_is_named() {
    let desk = moved_under("orders-prod", str::to_owned).await;
    let shown = heading(&desk, &desk.says("status").await);
    insta::assert_snapshot!(shown, @"
    installation   writerlink
    configuration  HASH-OF-MINE; the worker runs as another installation, orders-prod with HASH-OF-MINE
                   (its newest record: orders/4, 4m59s ago); set worker.installation alike
    ");
}

#[tokio::test(start_paused = true)]
async fn a_persons_record_says_nothing_of_the_workers_configuration() {
    let desk = moved_under("writerlink", |text| format!("# older\n{text}")).await;
    let pause = desk.says("pause orders --reason maintenance --yes").await;
    assert_eq!(pause.code, 0, "{}", pause.err);
    let json: serde_json::Value = serde_json::from_str(&desk.says("status --output json").await.out).unwrap();
    assert_eq!(json["worker"]["same"], false, "{}", json["worker"]);
    let chain = desk.rig.chain(0).await;
    let newest = &chain.last().unwrap().record.entry;
    let text = std::fs::read_to_string(desk.file()).unwrap();
    let of_person = newest.provenance.as_ref().unwrap();
    assert_eq!(of_person.config, ConfigHash::of(&text));
    assert_eq!(of_person.installation.as_str(), "writerlink");
}

#[tokio::test(start_paused = true)]
async fn records_that_name_no_configuration_are_said_to_name_none() {
    let desk = Desk::with(&["orders"]).await;
    let nothing = heading(&desk, &desk.says("status").await);
    insta::assert_snapshot!(nothing, @r#"
    installation   writerlink
    configuration  HASH-OF-MINE; no worker has recorded anything of these routes yet
    "#);
    let worker = desk.rig.start("w1");
    desk.rig.fleet.world.deliver(&desk.rig.completed(0, 2, 0));
    desk.pass(Duration::from_secs(10)).await;
    drop(worker);
    let old = heading(&desk, &desk.says("status").await);
    insta::assert_snapshot!(old, @r#"
    installation   writerlink
    configuration  HASH-OF-MINE; the worker's newest record (orders/2, 10s ago) names none
    "#);
    let verified = desk.says("audit verify").await;
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
}
