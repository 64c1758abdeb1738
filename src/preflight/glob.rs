//! Texts with wildcards, as EventBridge's patterns and IAM's policies write them.

/// One place of such a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    /// This character.
    Is(char),
    /// Any one character.
    One,
    /// Any number of characters.
    Many,
}

/// A text with wildcards.
pub(super) struct Glob(Vec<Token>);

impl Glob {
    /// EventBridge's `wildcard`: `*` alone, and a backslash before a `*` or a backslash that is meant as
    /// such. `None` when a backslash stands before anything else, which EventBridge does not accept.
    pub(super) fn of_pattern(text: &str) -> Option<Self> {
        let mut tokens = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            tokens.push(match character {
                '*' => Token::Many,
                '\\' => match characters.next() {
                    Some(escaped @ ('*' | '\\')) => Token::Is(escaped),
                    Some(_) | None => return None,
                },
                plain => Token::Is(plain),
            });
        }
        Some(Self(tokens))
    }

    /// IAM's: `*` and `?`.
    pub(super) fn of_policy(text: &str) -> Self {
        let token = |character| match character {
            '*' => Token::Many,
            '?' => Token::One,
            plain => Token::Is(plain),
        };
        Self(text.chars().map(token).collect())
    }

    /// Whether the whole of `text` fits. A `*` takes as little as it can, and one character more each time
    /// that the rest does not fit: only the last `*` has to be tried again.
    pub(super) fn fits(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut place, mut at) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while let Some(character) = text.get(at) {
            match self.0.get(place) {
                Some(Token::Many) => {
                    place += 1;
                    retry = Some((place, at));
                }
                Some(Token::One) => (place, at) = (place + 1, at + 1),
                Some(Token::Is(wanted)) if wanted == character => {
                    (place, at) = (place + 1, at + 1);
                }
                Some(Token::Is(_)) | None => {
                    let Some((after, taken)) = retry else {
                        return false;
                    };
                    (place, at) = (after, taken + 1);
                    retry = Some((place, at));
                }
            }
        }
        self.0.iter().skip(place).all(|rest| *rest == Token::Many)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_take_what_they_need_and_no_more() {
        for (glob, text, fits) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("a*", "a", true),
            ("a*b", "axxb", true),
            ("a*b", "axxbc", false),
            ("*ab*ab", "abab", true),
            ("*ab*ab", "ab", false),
            ("a*bc*d", "abcbcbe", false),
            ("a*bc*d", "abcbcbd", true),
            ("*orders*", "rds:orders-1", true),
        ] {
            assert_eq!(Glob::of_policy(glob).fits(text), fits, "{glob} {text}");
            let pattern = Glob::of_pattern(glob).unwrap();
            assert_eq!(pattern.fits(text), fits, "{glob} {text}");
        }
    }

    #[test]
    fn only_iam_knows_the_question_mark_and_only_eventbridge_the_backslash() {
        assert!(Glob::of_policy("a?c").fits("abc"));
        assert!(!Glob::of_policy("a?c").fits("ac"));
        assert!(!Glob::of_pattern("a?c").unwrap().fits("abc"));
        assert!(Glob::of_pattern(r"a\*\\c").unwrap().fits(r"a*\c"));
        assert!(!Glob::of_pattern(r"a\*c").unwrap().fits("abc"));
        assert!(Glob::of_pattern(r"a\c").is_none());
        assert!(Glob::of_pattern("a\\").is_none());
    }
}
