use std::sync::Mutex;

use super::*;

/// Keeps the recorded events.
#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl EventSink for Recorder {
    fn record(&self, happening: &WorkerEvent<'_>) {
        self.0.lock().unwrap().push(format!("{happening:?}"));
    }
}

/// A server whose `accept` fails as planned, its recorded events, and the number of calls.
fn server(
    mut plan: impl FnMut() -> io::Error + Send + 'static,
) -> (HttpServer, Arc<Recorder>, Arc<Mutex<usize>>) {
    let (recorded, calls) = (Arc::<Recorder>::default(), Arc::<Mutex<usize>>::default());
    let address = "127.0.0.1:1".parse().unwrap();
    let (limits, observer) = (ConnectionLimits::default(), Arc::clone(&recorded) as _);
    let door = Door { address, app: Router::new(), limits, observer };
    let counted = Arc::clone(&calls);
    let accept = move || {
        *counted.lock().unwrap() += 1;
        let failure = plan();
        async move {
            // As a listener does that has to give way to other tasks.
            tokio::task::yield_now().await;
            Err(failure)
        }
    };
    (HttpServer { address, accepting: tokio::spawn(door.accept_from(accept)) }, recorded, calls)
}

/// `EMFILE`.
fn too_many_open_files() -> io::Error {
    io::Error::from_raw_os_error(24)
}

#[tokio::test(start_paused = true)]
async fn without_files_it_tries_once_a_second_and_records_once_a_minute() {
    let (_server, recorded, calls) = server(too_many_open_files);
    tokio::time::sleep(Duration::from_secs(90)).await;
    let calls = *calls.lock().unwrap();
    assert!((89..=92).contains(&calls), "{calls}");
    let recorded = recorded.0.lock().unwrap();
    assert_eq!(recorded.len(), 2, "{recorded:?}");
    assert!(recorded[0].contains("HttpNotAccepting"), "{recorded:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_connection_that_was_gone_at_once_the_server_does_not_wait() {
    let mut left = 100;
    let (_server, recorded, calls) = server(move || {
        left -= 1;
        if left > 0 { io::ErrorKind::ConnectionAborted.into() } else { too_many_open_files() }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(*calls.lock().unwrap(), 100);
    assert_eq!(recorded.0.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_says_so() {
    let (server, ..) = server(|| panic!("at a test"));
    let why = first_end(&mut [server]).await;
    assert!(why.contains("127.0.0.1:1 ended"), "{why}");
    assert!(why.contains("panicked"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_goes_on_does_not_end() {
    let (server, ..) = server(too_many_open_files);
    let ended = tokio::time::timeout(Duration::from_hours(1), async { first_end(&mut [server]).await });
    assert!(ended.await.is_err());
}

#[test]
fn the_worker_keeps_three_quarters_of_few_files() {
    let connections = |files| ConnectionLimits::for_files(files).connections_max;
    assert_eq!(connections(Some(64)), 8);
    assert_eq!(connections(Some(2)), 1, "the health check needs one");
    for many in [Some(1024), Some(u64::MAX), None] {
        assert_eq!(connections(many), CONNECTIONS_MAX, "{many:?}");
    }
}
