//! Names of installations and hashes of configurations.

use writerlink_core::model::provenance::{ConfigHash, InstallationName};

#[test]
fn an_installations_name_is_what_a_dimension_and_a_label_can_hold() {
    let longest = "n".repeat(255);
    for name in ["writerlink", "w", "Orders_prod.2", "-", longest.as_str()] {
        assert_eq!(InstallationName::new(name).unwrap().as_str(), name);
    }
    let too_long = "n".repeat(256);
    for text in ["", "two words", "a:b", "a\"b", "a\nb", "größe", too_long.as_str()] {
        let rule = InstallationName::new(text).unwrap_err();
        assert_eq!(rule, InstallationName::RULE, "{text:?}");
    }
}

#[test]
fn a_configurations_hash_is_what_sha256sum_prints_first() {
    // printf '[[route]]\n' | sha256sum
    let hash = ConfigHash::of("[[route]]\n");
    assert_eq!(hash.as_str(), "c509168e37b9");
    assert_eq!(ConfigHash::parse(hash.as_str()), Some(hash));
}

#[test]
fn a_comment_changes_a_configurations_hash() {
    assert_ne!(ConfigHash::of("a = 1\n"), ConfigHash::of("a = 1 # one\n"));
    assert_ne!(ConfigHash::of("a = 1"), ConfigHash::of("a = 1\n"));
}

#[test]
fn only_twelve_small_hexadecimal_digits_are_a_recorded_hash() {
    for text in ["", "0123456789a", "0123456789abc", "0123456789AB", "0123456789ag", "0123456789é"] {
        assert_eq!(ConfigHash::parse(text), None, "{text:?}");
    }
    assert!(ConfigHash::parse("0123456789ab").is_some());
}
