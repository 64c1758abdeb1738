//! Which characters can be seen.
//!
//! Not visible are the characters of Unicode's general categories Cc (control), Cf (format), Zl and Zp (line and
//! paragraph separator), and those with the property `Default_Ignorable_Code_Point`, which a font does not draw: fillers,
//! variation selectors, and the whole block of tags, its unassigned places included. Source: `UnicodeData.txt` and
//! `DerivedCoreProperties.txt` of Unicode 16. Some of these have good uses in other languages (ZWJ joins letters and
//! emojis); the texts of RDS are English, and one that is shown with its numbers can still be read.

/// The first and the last character of each run, in order.
const INVISIBLE: [(char, char); 27] = [
    ('\u{0}', '\u{1F}'),
    ('\u{7F}', '\u{9F}'),
    ('\u{AD}', '\u{AD}'),
    ('\u{34F}', '\u{34F}'),
    ('\u{600}', '\u{605}'),
    ('\u{61C}', '\u{61C}'),
    ('\u{6DD}', '\u{6DD}'),
    ('\u{70F}', '\u{70F}'),
    ('\u{890}', '\u{891}'),
    ('\u{8E2}', '\u{8E2}'),
    ('\u{115F}', '\u{1160}'),
    ('\u{17B4}', '\u{17B5}'),
    ('\u{180B}', '\u{180F}'),
    ('\u{200B}', '\u{200F}'),
    ('\u{2028}', '\u{202E}'),
    ('\u{2060}', '\u{206F}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{FE00}', '\u{FE0F}'),
    ('\u{FEFF}', '\u{FEFF}'),
    ('\u{FFA0}', '\u{FFA0}'),
    ('\u{FFF0}', '\u{FFFB}'),
    ('\u{110BD}', '\u{110BD}'),
    ('\u{110CD}', '\u{110CD}'),
    ('\u{13430}', '\u{1343F}'),
    ('\u{1BCA0}', '\u{1BCA3}'),
    ('\u{1D173}', '\u{1D17A}'),
    ('\u{E0000}', '\u{E0FFF}'),
];

/// Whether a character can be seen, a space included.
#[must_use]
pub fn is_visible(c: char) -> bool {
    let runs_before = INVISIBLE.partition_point(|(first, _)| *first <= c);
    let run = runs_before.checked_sub(1).map(|place| INVISIBLE[place]);
    run.is_none_or(|(_, last)| c > last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runs_are_in_order_and_apart() {
        for pair in INVISIBLE.windows(2) {
            assert!(pair[0].1 < pair[1].0, "{pair:?}");
        }
        assert!(INVISIBLE.iter().all(|(first, last)| first <= last));
    }

    #[test]
    fn both_ends_of_every_run_are_invisible_and_their_neighbours_are_seen() {
        let step = |c: char, by: i32| {
            let number = u32::from(c).checked_add_signed(by)?;
            char::from_u32(number)
        };
        for (first, last) in INVISIBLE {
            assert!(!is_visible(first) && !is_visible(last));
            let beside = [step(first, -1), step(last, 1)];
            let mut seen = beside.into_iter().flatten();
            assert!(seen.all(is_visible), "beside {first:?} and {last:?}");
        }
    }

    #[test]
    fn every_kind_of_hidden_character_that_is_known_of_texts_is_there() {
        let hidden = [
            '\u{0}'..='\u{1F}',
            '\u{7F}'..='\u{9F}',
            '\u{200B}'..='\u{200F}',
            '\u{2028}'..='\u{202E}',
            '\u{2060}'..='\u{2064}',
            '\u{2066}'..='\u{2069}',
            '\u{FEFF}'..='\u{FEFF}',
            '\u{E0000}'..='\u{E007F}',
        ];
        assert!(hidden.into_iter().flatten().all(|c| !is_visible(c)));
        let seen = "azAZ09 ~!\u{A0}éß\u{301}数据库עברית🦀";
        assert!(seen.chars().all(is_visible));
    }
}
