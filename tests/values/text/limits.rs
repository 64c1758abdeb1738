//! Everything has a limit.

use serde_json::{Value, json};
use writerlink_engine::wire::{BODY_BYTES_MAX, ENVELOPES_MAX, KEPT_TEXT_BYTES_MAX, parse, parse_bytes};

use super::samples::{envelope, event, eventbridge, events, notification, refused, with_detail};

fn wrapped(times: u8) -> Value {
    (0..times).fold(notification(), |inner, _| envelope(&inner.to_string()))
}

#[test]
fn as_many_envelopes_as_allowed_are_opened_and_not_one_more() {
    assert_eq!(event(&wrapped(ENVELOPES_MAX)), event(&notification()));
    let error = refused(&wrapped(ENVELOPES_MAX + 1));
    assert_eq!(error.place, "Message.Message.Message.Message.Message");
    assert_eq!(error.expected, "an event within 4 envelopes of SNS");
}

#[test]
fn a_body_of_the_allowed_size_is_read_and_a_byte_more_is_refused() {
    let body = eventbridge().to_string();
    let full = format!("{body}{}", " ".repeat(BODY_BYTES_MAX - body.len()));
    assert_eq!(events(&full).len(), 1);
    let error = parse(&format!("{full} ")).unwrap_err();
    assert_eq!(error.to_string(), "the body: expected at most 1048576 bytes, found 1048577 bytes");
}

#[test]
fn a_text_too_long_for_the_audit_is_refused() {
    let fits = "m".repeat(KEPT_TEXT_BYTES_MAX);
    assert_eq!(event(&with_detail("Message", json!(fits))).message, fits);
    let error = refused(&with_detail("Message", json!(format!("{fits}m"))));
    assert_eq!(error.expected, "at most 16384 bytes");
    assert!(error.found.len() < 200, "{}", error.found);
}

#[test]
fn endless_nesting_is_skipped_or_refused_and_never_overflows_the_stack() {
    let depth = 400_000;
    let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let body = eventbridge().to_string();
    let beside = body.replacen('{', &format!(r#"{{"x":{deep},"#), 1);
    assert_eq!(events(&beside), [event(&eventbridge())]);
    assert_eq!(parse(&deep).unwrap_err().place, "the body");
    let instead = body.replacen("\"RDS-EVENT-0073\"", &deep, 1);
    assert_eq!(parse(&instead).unwrap_err().place, "detail.EventID");
}

#[test]
fn an_error_quotes_little_and_nothing_that_a_terminal_would_obey() {
    let nasty = "\u{1b}[2J\u{202e}\n".repeat(1000);
    for error in [
        parse(&nasty).unwrap_err(),
        refused(&with_detail("EventID", json!(nasty))),
        refused(&with_detail("SourceIdentifier", json!(nasty))),
    ] {
        let told = error.to_string();
        assert!(told.len() < 1200, "{} bytes", told.len());
        assert!(told.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{told:?}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_place() {
    let mut bytes = eventbridge().to_string().into_bytes();
    assert!(parse_bytes(&bytes).is_ok());
    bytes[10] = 0xff;
    assert_eq!(
        parse_bytes(&bytes).unwrap_err().to_string(),
        "the body: expected UTF-8, found byte 0xff at offset 10"
    );
}
