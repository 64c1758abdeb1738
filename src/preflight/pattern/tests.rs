//! One operator after the other, both ways.

use serde_json::json;

use super::*;

fn event() -> Value {
    json!({
        "source": "aws.rds",
        "resources": ["arn:aws:rds:us-east-1:1:cluster:orders"],
        "address": "10.0.0.7",
        "detail": {
            "SourceArn": "arn:aws:rds:us-east-1:1:cluster:orders",
            "EventID": "RDS-EVENT-0071",
            "count": 7,
        },
    })
}

fn of(pattern: &Value) -> Lets {
    lets(&pattern.to_string(), &event())
}

/// Whether it is let through by what is asked of one field; `None` when that is not understood.
fn asked(path: &str, way: &Value) -> Option<bool> {
    let pattern = match path.split_once('.') {
        Some((over, key)) => json!({over: {key: [way]}}),
        None => json!({path: [way]}),
    };
    match of(&pattern) {
        Lets::Through => Some(true),
        Lets::Not => Some(false),
        Lets::Unknown(_) => None,
    }
}

fn open(fields: &[&str]) -> Lets {
    Lets::Unknown(fields.iter().map(|&field| field.to_owned()).collect())
}

#[test]
fn every_field_of_a_pattern_has_to_fit_and_one_of_its_ways_is_enough() {
    assert_eq!(of(&json!({"source": ["aws.ec2", "aws.rds"]})), Lets::Through);
    assert_eq!(of(&json!({"source": ["aws.rds"], "detail": {"EventID": ["RDS-EVENT-0072"]}})), Lets::Not);
    assert_eq!(of(&json!({})), Lets::Through);
}

#[test]
fn a_field_that_the_event_does_not_have_is_named_and_not_judged() {
    let tags = json!({"detail": {"Tags": {"team": ["db"]}, "EventID": ["RDS-EVENT-0071"]}});
    assert_eq!(of(&tags), open(&["detail.Tags.team"]));
    for way in [json!({"exists": true}), json!({"exists": false}), json!({"anything-but": "x"})] {
        assert_eq!(asked("detail.Missing", &way), None, "{way}");
    }
    // What does not fit anyway does not.
    let tags = json!({"detail": {"Tags": {"team": ["db"]}, "EventID": ["RDS-EVENT-0072"]}});
    assert_eq!(of(&tags), Lets::Not);
    // There is nothing below a text.
    assert_eq!(of(&json!({"source": {"name": ["aws.rds"]}})), Lets::Not);
    assert_eq!(of(&json!({"source": {"name": [{"exists": false}]}})), Lets::Through);
}

#[test]
fn of_a_list_in_the_event_one_element_is_enough() {
    let suffix = json!({"resources": [{"suffix": ":orders"}]});
    assert_eq!(of(&suffix), Lets::Through);
    assert_eq!(of(&json!({"resources": ["other"]})), Lets::Not);
}

#[test]
fn the_operators_that_compare_texts_are_understood() {
    for (way, fits) in [
        (json!("RDS-EVENT-0071"), true),
        (json!({"prefix": "RDS-EVENT-00"}), true),
        (json!({"prefix": "RDS-EVENT-01"}), false),
        (json!({"prefix": {"equals-ignore-case": "rds-"}}), true),
        (json!({"prefix": {"equals-ignore-case": "ec2-"}}), false),
        (json!({"suffix": "71"}), true),
        (json!({"suffix": "72"}), false),
        (json!({"suffix": {"equals-ignore-case": "EVENT-0071"}}), true),
        (json!({"equals-ignore-case": "rds-event-0071"}), true),
        (json!({"equals-ignore-case": "rds-event-0072"}), false),
        (json!({"wildcard": "RDS-*-00*1"}), true),
        (json!({"wildcard": "RDS-*-00*2"}), false),
        (json!({"wildcard": r"RDS-\*"}), false),
        (json!({"exists": true}), true),
        (json!({"exists": false}), false),
    ] {
        assert_eq!(asked("detail.EventID", &way), Some(fits), "{way}");
    }
    assert_eq!(asked("detail.count", &json!({"prefix": "7"})), Some(false));
}

#[test]
fn anything_but_turns_each_of_its_forms_round() {
    for (but, fits) in [
        (json!("RDS-EVENT-0072"), true),
        (json!("RDS-EVENT-0071"), false),
        (json!(["RDS-EVENT-0072", "RDS-EVENT-0071"]), false),
        (json!(71), true),
        (json!({"prefix": "EC2"}), true),
        (json!({"prefix": ["EC2", "RDS"]}), false),
        (json!({"suffix": "71"}), false),
        (json!({"equals-ignore-case": ["rds-event-0071"]}), false),
        (json!({"wildcard": "*-0072"}), true),
    ] {
        let way = json!({"anything-but": but});
        assert_eq!(asked("detail.EventID", &way), Some(fits), "{way}");
    }
}

#[test]
fn numbers_and_ranges_of_addresses_are_compared_as_such() {
    for (way, fits) in [
        (json!(7.0), true),
        (json!({"numeric": [">", 0, "<=", 7]}), true),
        (json!({"numeric": [">", 7]}), false),
        (json!({"numeric": ["=", 7]}), true),
        (json!({"numeric": ["<", 7]}), false),
        (json!({"numeric": [">=", 7]}), true),
        (json!({"anything-but": [7, 8]}), false),
    ] {
        assert_eq!(asked("detail.count", &way), Some(fits), "{way}");
    }
    // Only JSON's own numbers are numbers.
    let numeric = json!({"numeric": ["=", 7]});
    assert_eq!(asked("detail.EventID", &numeric), Some(false));
    for (range, fits) in [("10.0.0.0/24", true), ("10.1.0.0/24", false), ("::/0", false)] {
        assert_eq!(asked("address", &json!({"cidr": range})), Some(fits), "{range}");
    }
    assert_eq!(asked("source", &json!({"cidr": "10.0.0.0/8"})), Some(false));
}

#[test]
fn one_of_several_patterns_is_enough_where_the_pattern_says_or() {
    let or = |id: &str| json!({"$or": [{"source": ["x"]}, {"detail": {"EventID": [id]}}]});
    assert_eq!(of(&or("RDS-EVENT-0071")), Lets::Through);
    assert_eq!(of(&or("RDS-EVENT-0072")), Lets::Not);
    let tags = json!({"$or": [{"source": ["x"]}, {"detail": {"Tags": {"team": ["db"]}}}]});
    assert_eq!(of(&tags), open(&["detail.Tags.team"]));
    // With less than two alternatives it is a field, and an unknown one.
    assert_eq!(of(&json!({"$or": [{"source": ["aws.rds"]}]})), open(&["$or"]));
}

#[test]
fn what_is_not_understood_is_not_taken_for_a_yes_or_a_no() {
    for way in [
        json!({"fuzzy": "x"}),
        json!({"prefix": 7}),
        json!({"prefix": "RDS", "suffix": "71"}),
        json!({"numeric": [">"]}),
        json!({"numeric": ["~", 7]}),
        json!({"cidr": "ten"}),
        json!({"wildcard": r"\R"}),
        json!({"anything-but": {"exists": true}}),
        json!({"anything-but": null}),
        json!(["RDS-EVENT-0071"]),
    ] {
        assert_eq!(asked("detail.EventID", &way), None, "{way}");
    }
    assert!(matches!(lets("no JSON", &event()), Lets::Unknown(_)));
    assert_eq!(of(&json!({"source": "aws.rds"})), open(&["source"]));
}
