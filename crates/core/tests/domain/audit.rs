//! `ChainVerifier`: nothing can be changed or left out unnoticed.

use proptest::prelude::*;
use writerlink_core::ledger::chain::{BrokenChain, ChainVerifier};
use writerlink_core::ledger::state::ChainHead;
use writerlink_core::model::ids::Hash;

/// A record as a reader of the ledger sees it.
#[derive(Clone, Debug, PartialEq)]
struct Link {
    seq: u64,
    prev: Hash,
    hash: Hash,
}

/// A sound chain of `length` records, and its head.
fn chain(length: u64) -> (Vec<Link>, ChainHead) {
    let mut head = ChainHead::default();
    let links = (1..=length).map(|seq| {
        let link =
            Link { seq, prev: head.hash, hash: Hash::of(&format!("record {seq} after {}", head.hash)) };
        head = ChainHead { seq, hash: link.hash };
        link
    });
    let links = links.collect();
    (links, head)
}

fn verify_after(trusted: ChainHead, links: &[Link], head: ChainHead) -> Result<ChainHead, BrokenChain> {
    let mut verifier = ChainVerifier::after(trusted);
    for link in links {
        verifier.take(link.seq, link.prev, link.hash)?;
    }
    verifier.finish(head)
}

fn verify(links: &[Link], head: ChainHead) -> Result<ChainHead, BrokenChain> {
    verify_after(ChainHead::default(), links, head)
}

#[test]
fn a_sound_chain_verifies_from_its_beginning_and_an_empty_one_too() {
    for length in [0, 1, 5] {
        let (links, head) = chain(length);
        assert_eq!(verify(&links, head), Ok(head));
    }
    assert_eq!(ChainVerifier::default(), ChainVerifier::after(ChainHead::default()));
}

#[test]
fn a_chain_verifies_behind_a_record_that_is_trusted() {
    let (links, head) = chain(5);
    let trusted = ChainHead { seq: 3, hash: links[2].hash };
    assert_eq!(verify_after(trusted, &links[3..], head), Ok(head));
    let lying = ChainHead { hash: Hash::of("x"), ..trusted };
    assert_eq!(verify_after(lying, &links[3..], head), Err(BrokenChain::WrongPrevious(4)));
}

#[test]
fn a_missing_record_is_a_gap_and_named() {
    let (mut links, head) = chain(5);
    links.remove(2);
    let broken = verify(&links, head).unwrap_err();
    assert_eq!(broken, BrokenChain::Gap { expected: 3, found: 4 });
    assert_eq!(broken.seq(), 3);
    assert_eq!(broken.to_string(), "record 3 is missing (the next one is 4)");
}

#[test]
fn a_record_that_comes_twice_or_out_of_order_is_a_gap() {
    let (links, head) = chain(3);
    let twice = [links[0].clone(), links[0].clone()];
    assert_eq!(verify(&twice, head), Err(BrokenChain::Gap { expected: 2, found: 1 }));
    let swapped = [links[1].clone(), links[0].clone()];
    assert_eq!(verify(&swapped, head), Err(BrokenChain::Gap { expected: 1, found: 2 }));
}

#[test]
fn a_record_that_continues_another_one_is_found() {
    let (mut links, head) = chain(5);
    links[3].prev = Hash::of("forged");
    let broken = verify(&links, head).unwrap_err();
    assert_eq!(broken, BrokenChain::WrongPrevious(4));
    assert_eq!(broken.seq(), 4);
}

#[test]
fn a_first_record_that_continues_something_is_found() {
    let (mut links, head) = chain(1);
    links[0].prev = Hash::of("an earlier life");
    assert_eq!(verify(&links, head), Err(BrokenChain::WrongPrevious(1)));
}

#[test]
fn a_changed_record_is_found_by_the_next_and_a_changed_last_by_the_head() {
    let (links, head) = chain(4);
    let mut changed = links.clone();
    changed[1].hash = Hash::of("changed");
    assert_eq!(verify(&changed, head), Err(BrokenChain::WrongPrevious(3)));
    let mut changed = links;
    changed[3].hash = Hash::of("changed");
    assert_eq!(verify(&changed, head), Err(BrokenChain::WrongHead(4)));
}

#[test]
fn a_chain_that_ends_before_its_head_is_truncated_and_says_where() {
    let (links, head) = chain(4);
    let broken = verify(&links[..2], head).unwrap_err();
    assert_eq!(broken, BrokenChain::Truncated { expected: 4, found: 2 });
    assert_eq!(broken.seq(), 3);
    assert!(verify(&[], head).is_err(), "an emptied chain");
}

#[test]
fn records_written_since_the_head_was_read_are_no_fault() {
    let (links, head) = chain(5);
    let (_, earlier) = chain(3);
    assert_eq!(verify(&links, earlier), Ok(head));
}

#[test]
fn a_verifier_that_found_a_fault_stays_where_it_was() {
    let (links, _) = chain(2);
    let mut verifier = ChainVerifier::default();
    verifier.take(1, links[0].prev, links[0].hash).unwrap();
    let before = verifier;
    assert!(verifier.take(2, Hash::of("x"), links[1].hash).is_err());
    assert_eq!(verifier, before);
    assert_eq!(verifier.take(2, links[1].prev, links[1].hash), Ok(()));
}

#[test]
fn a_hash_is_read_back_as_it_is_shown() {
    let hash = Hash::of("text");
    assert_eq!(Hash::parse(&hash.to_string()), Some(hash));
    for text in ["", "00", &"g".repeat(64), &"0".repeat(65), &"é".repeat(32)] {
        assert_eq!(Hash::parse(text), None, "{text}");
    }
    assert_eq!(Hash::default().to_string(), "0".repeat(64));
}

proptest! {
    #[test]
    fn no_single_fault_in_any_chain_goes_unnoticed(
        length in 1..20_u64, at in any::<prop::sample::Index>(), fault in 0..5_u8,
    ) {
        let (sound, head) = chain(length);
        let at = at.index(sound.len());
        let mut links = sound.clone();
        match fault {
            0 => { links.remove(at); }
            1 => links[at].prev = Hash::of("forged"),
            2 => links[at].hash = Hash::of("changed"),
            3 => links[at].seq += 1,
            _ => links.insert(at, sound[at].clone()),
        }
        prop_assert!(verify(&links, head).is_err(), "{links:?}");
    }

    #[test]
    fn a_missing_record_is_named_wherever_it_was(
        length in 2..20_u64, at in any::<prop::sample::Index>(),
    ) {
        let (mut links, head) = chain(length);
        let at = at.index(links.len());
        links.remove(at);
        let broken = verify(&links, head).unwrap_err();
        prop_assert_eq!(broken.seq(), u64::try_from(at).unwrap() + 1);
    }
}
