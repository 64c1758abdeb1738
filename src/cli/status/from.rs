//! Which installation is shown, under which configuration, and whether a worker has the same one.

use std::io::{self, Write};
use std::time::Duration;

use crate::cli::render::{clean, pairs, span};
use writerlink_core::model::provenance::Provenance;
use writerlink_engine::survey::Survey;
use writerlink_engine::survey::view::WorkerView;

/// Writes the lines above everything else.
pub(super) fn write(survey: &Survey, reader: &Provenance, out: &mut dyn Write) -> io::Result<()> {
    let worker = match WorkerView::of(survey, reader) {
        Some(worker) => of_worker(&worker, reader),
        None if survey.routes.iter().any(|route| route.records.is_err()) => {
            "the worker's is not known, since not all records could be read".to_owned()
        }
        None => "no worker has recorded anything of these routes yet".to_owned(),
    };
    let facts = [
        ("installation".to_owned(), reader.installation.to_string()),
        ("configuration".to_owned(), format!("{}; {worker}", reader.config)),
    ];
    pairs(&facts, out)
}

fn of_worker(worker: &WorkerView, reader: &Provenance) -> String {
    let ago = span(Duration::from_millis(worker.age_ms));
    let record = clean(&format!("{}, {ago} ago", worker.record));
    let (Some(name), Some(hash)) = (&worker.installation, &worker.config_hash) else {
        return format!("the worker's newest record ({record}) names none");
    };
    if *name != reader.installation.as_str() {
        return format!(
            "the worker runs as another installation, {name} with {hash} (its newest record: {record}); set \
             worker.installation alike"
        );
    }
    if *hash != reader.config.as_str() {
        return format!(
            "the worker runs another configuration, {hash} (its newest record: {record}), or has recorded nothing since \
             it was given this one"
        );
    }
    format!("the worker's newest record ({record}) has the same")
}
