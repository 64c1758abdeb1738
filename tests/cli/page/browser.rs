//! The page in a real browser, where there is one: nothing is blocked, nothing complains, and what it looks like.
//!
//! `make page` insists on one, and leaves pictures in `target/page/`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::http::elsewhere;
use super::world::Shown;
use crate::rig::say;

/// What Chromium is called where.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Set by `make page`: there, no browser is a failure.
const REQUIRED: &str = "PAGE_IN_CHROMIUM";

/// What the schemes are called in `--blink-settings`.
const SCHEMES: [(&str, &str); 2] = [("light", "preferredColorScheme=1"), ("dark", "preferredColorScheme=0")];

fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut places = NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    places.find(|place| place.is_file())
}

/// A browser with a profile of its own, which is gone with it.
struct Browser {
    program: PathBuf,
    profile: tempfile::TempDir,
}

impl Browser {
    fn found() -> Option<Self> {
        let Some(program) = chromium() else {
            assert!(std::env::var_os(REQUIRED).is_none(), "no {NAMES:?} on the PATH");
            say("page: skipped in a browser, since there is no Chromium here (make page)\n");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        Some(Self { program, profile })
    }

    /// Its answer to a command line; on a thread of its own.
    async fn does(&self, arguments: &[String]) -> Output {
        let mut command = Command::new(&self.program);
        command
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
            .args(["--disable-dev-shm-usage", "--enable-logging=stderr"])
            // What it asks its maker for would only fail here, noisily.
            .args(["--disable-background-networking", "--disable-component-update", "--no-first-run"])
            .arg(format!("--user-data-dir={}", self.profile.path().display()))
            .args(arguments);
        elsewhere(move || command.output()).await.unwrap()
    }

    /// The document as the browser has understood it, once it has nothing to say against it.
    async fn document(&self, url: &str) -> String {
        let output = self.does(&["--dump-dom".to_owned(), url.to_owned()]).await;
        let complaints = complaints(&output);
        assert!(complaints.is_empty(), "{url}: {complaints:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    async fn picture(&self, url: &str, (width, height): (u32, u32), to: &Path, scheme: &str) {
        let arguments = [
            format!("--screenshot={}", to.display()),
            format!("--window-size={width},{height}"),
            format!("--blink-settings={scheme}"),
            url.to_owned(),
        ];
        let output = self.does(&arguments).await;
        assert!(to.is_file(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// What the browser has said of a page, on its console: refusals by the page's own policy among it.
fn complaints(output: &Output) -> Vec<String> {
    let log = String::from_utf8_lossy(&output.stderr);
    let of_console = log.lines().filter(|line| line.contains(":CONSOLE"));
    of_console.map(str::to_owned).collect()
}

fn pictures() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../page");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[tokio::test(start_paused = true)]
async fn a_browser_has_nothing_to_say_against_the_pages() {
    let Some(browser) = Browser::found() else {
        return;
    };
    let told = browser
        .does(&["--dump-dom".to_owned(), "data:text/html,<script>console.log(1)</script>".to_owned()])
        .await;
    assert_eq!(complaints(&told).len(), 1, "it is heard: {told:?}");
    let shown = Shown::after_a_day().await;
    let hostile = shown.transition_with(0, "onerror").await;
    let first = shown.transition_with(0, "Started cross AZ").await;
    let fixed = ["/", "/routes/billing", "/transitions"].map(str::to_owned);
    for path in fixed.into_iter().chain([format!("/transitions/{first}")]) {
        let document = browser.document(&shown.client.url(&path)).await;
        assert!(document.contains("writerlink</title>"), "{document}");
    }
    let document = browser.document(&shown.client.url(&format!("/transitions/{hostile}"))).await;
    assert!(!document.contains("<script") && !document.contains("<img"), "{document}");
    assert!(!document.contains("<title>owned"), "{document}");
}

#[tokio::test(start_paused = true)]
async fn the_pages_are_pictured_for_who_wants_to_look() {
    if std::env::var_os(REQUIRED).is_none() {
        return;
    }
    let browser = Browser::found().unwrap();
    let shown = Shown::after_a_day().await;
    let hostile = shown.transition_with(0, "onerror").await;
    let first = shown.transition_with(0, "Started cross AZ").await;
    let paths = [
        ("routes", "/".to_owned()),
        ("route", "/routes/billing".to_owned()),
        ("transitions", "/transitions?since=30d".to_owned()),
        ("transition", format!("/transitions/{first}")),
        ("hostile", format!("/transitions/{hostile}")),
    ];
    for (name, path) in &paths {
        let url = shown.client.url(path);
        for (scheme, setting) in SCHEMES {
            for (size, width, height) in [("wide", 1280, 1500), ("phone", 400, 2600)] {
                let to = pictures().join(format!("{name}-{size}-{scheme}.png"));
                browser.picture(&url, (width, height), &to, setting).await;
            }
        }
    }
}
