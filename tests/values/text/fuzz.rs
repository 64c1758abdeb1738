//! Spoiled deliveries: by proptest in every run, and by the million when asked.
//!
//! `WRITERLINK_FUZZ_CASES=10000000 cargo test --test values text:: -- --ignored` prints one line of figures.

use std::io::Write as _;
use std::panic::catch_unwind;
use std::time::Instant;

use proptest::prelude::*;
use serde_json::json;
use writerlink_engine::wire::{CALL_RECORDED, DETAIL_TYPES, Parsed, parse, parse_bytes};

use super::mutation::Mutation;
use super::{corpus, oracle, samples};

/// How many inputs the long run makes when nobody says otherwise.
const CASES: u64 = 100_000;

/// Where the long run's numbers begin; the same seed makes the same inputs.
const SEED: u64 = 0x5eed;

fn spoiled(text: &str, mutations: &[Mutation]) -> Vec<u8> {
    let mut body = text.as_bytes().to_vec();
    for mutation in mutations {
        mutation.apply(&mut body);
    }
    body
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(!matches!(parse_bytes(&body), Ok(Parsed::Events(_))));
    }

    #[test]
    fn arbitrary_text_never_panics_and_its_error_is_printable(body in any::<String>()) {
        if let Err(malformed) = parse(&body) {
            prop_assert!(!malformed.to_string().contains(char::is_control));
        }
    }

    #[test]
    fn no_other_detail_type_is_ever_an_event_or_a_dead_letter(
        detail_type in prop_oneof![
            any::<String>(),
            Just(CALL_RECORDED.to_owned()),
            "(RDS|rds) (DB )?(Cluster|Instance|Proxy) ?(Event|Events|event)?",
        ],
        detail in prop_oneof![Just(json!(null)), Just(json!({"SourceType": 7})), Just(json!([]))],
    ) {
        prop_assume!(!DETAIL_TYPES.contains(&detail_type.as_str()));
        let mut body = samples::eventbridge();
        body["detail-type"] = json!(detail_type);
        prop_assert!(matches!(parse(&body.to_string()), Ok(Parsed::Ignored(_))), "{}", body);
        body["detail"] = detail;
        let Ok(Parsed::Ignored(reason)) = parse(&body.to_string()) else {
            return Err(TestCaseError::fail(body.to_string()));
        };
        prop_assert!(reason.contains("detail-type"), "{reason}");
        prop_assert!(!reason.contains(char::is_control), "{reason}");
    }

    #[test]
    fn a_spoiled_delivery_never_says_more_than_stands_in_it(
        which in any::<prop::sample::Index>(),
        mutations in prop::collection::vec(Mutation::any(), 1..6),
    ) {
        let corpus = corpus::all();
        let (_, text) = which.get(&corpus);
        let body = spoiled(text, &mutations);
        if let Ok(Parsed::Events(events)) = parse_bytes(&body) {
            oracle::check(&body, &events);
        }
    }
}

#[test]
fn an_unspoiled_delivery_passes_the_second_reading() {
    for (name, text) in corpus::all() {
        if let Ok(Parsed::Events(events)) = parse(&text) {
            oracle::check(text.as_bytes(), &events);
        } else {
            assert!(parse(&text).is_ok(), "{name}");
        }
    }
}

/// Sebastiano Vigna's splitmix64: a few lines, so that the long run needs no feature of the crate.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn mutation(&mut self) -> Mutation {
        Mutation::from_numbers(std::array::from_fn(|_| self.next()))
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 1).unwrap_or(0) % bound
    }
}

#[derive(Default)]
struct Figures {
    inputs: u64,
    parsed: u64,
    ignored: u64,
    malformed: u64,
    panics: u64,
}

impl Figures {
    /// Reads one input. A panic of the parser or of the second reading is counted, told, and not the end.
    fn take(&mut self, body: &[u8]) {
        self.inputs += 1;
        let read = catch_unwind(|| {
            let parsed = parse_bytes(body);
            if let Ok(Parsed::Events(events)) = &parsed {
                oracle::check(body, events);
            }
            parsed
        });
        match read {
            Ok(Ok(Parsed::Events(_) | Parsed::Drill(_))) => self.parsed += 1,
            Ok(Ok(Parsed::Ignored(_))) => self.ignored += 1,
            Ok(Err(_)) => self.malformed += 1,
            Err(_) => {
                self.panics += 1;
                say(&format!("panicked on {:?}", String::from_utf8_lossy(body)));
            }
        }
    }
}

/// Says it past the test harness, which keeps what `eprintln!` says of a test that passes.
fn say(line: &str) {
    let mut out = std::io::stderr().lock();
    writeln!(out, "{line}").unwrap();
}

#[test]
#[ignore = "long: WRITERLINK_FUZZ_CASES says how many inputs"]
#[expect(
    clippy::disallowed_methods,
    reason = "a long run is asked for by the environment and measured by the real clock"
)]
fn millions_of_mutated_deliveries_never_panic_nor_claim_what_is_not_there() {
    let asked = std::env::var("WRITERLINK_FUZZ_CASES").ok();
    let cases = asked.map_or(CASES, |text| text.parse().unwrap());
    let corpus = corpus::all();
    let mut numbers = Numbers(SEED);
    let mut figures = Figures::default();
    let began = Instant::now();
    for _ in 0..cases {
        let (_, text) = &corpus[numbers.below(corpus.len())];
        let mutations: Vec<Mutation> = (0..=numbers.below(4)).map(|_| numbers.mutation()).collect();
        figures.take(&spoiled(text, &mutations));
    }
    let seconds = began.elapsed().as_secs_f64();
    let Figures { inputs, parsed, ignored, malformed, panics } = figures;
    say(&format!(
        "inputs {inputs}, parsed {parsed}, ignored {ignored}, malformed {malformed}, panics {panics}, \
         seconds {seconds:.1}"
    ));
    assert_eq!(panics, 0);
    assert!(parsed > 0 && ignored > 0 && malformed > 0, "inputs that all end alike prove nothing");
}
