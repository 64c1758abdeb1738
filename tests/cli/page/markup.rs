//! Whether a page is well formed, and what is in it: enough of a parser for pages that are written by one strict hand.

/// Elements that have no end tag.
const VOID: [&str; 4] = ["meta", "link", "br", "input"];

/// A start tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
}

impl Tag {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let mut found = self.attributes.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| value.as_str())
    }
}

/// Every start tag of a page.
///
/// # Panics
/// When a tag is not closed in its place, an attribute has no quotes, or a `<`, `>` or `&` stands where it may not.
pub(crate) fn tags(page: &str) -> Vec<Tag> {
    let mut rest = page.strip_prefix("<!DOCTYPE html>\n").expect("a doctype");
    let (mut tags, mut open): (Vec<Tag>, Vec<String>) = (Vec::new(), Vec::new());
    while let Some(at) = rest.find('<') {
        is_text(&rest[..at]);
        let end = rest[at..].find('>').expect("an end of the tag") + at;
        let inside = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = inside.strip_prefix('/') {
            let opened = open.pop();
            assert_eq!(opened.as_deref(), Some(name), "closed in its place");
            continue;
        }
        let tag = tag(inside);
        if !VOID.contains(&tag.name.as_str()) {
            open.push(tag.name.clone());
        }
        tags.push(tag);
    }
    is_text(rest);
    assert_eq!(open, [""; 0], "everything is closed");
    tags
}

fn tag(inside: &str) -> Tag {
    let (name, mut rest) = inside.split_once(' ').unwrap_or((inside, ""));
    let plain = |text: &str| {
        let dashes = text.replace('-', "");
        !dashes.is_empty() && dashes.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    assert!(plain(name), "<{inside}>");
    let mut attributes: Vec<(String, String)> = Vec::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").expect("a value in quotes");
        let (value, after) = after.split_once('"').expect("an end of the value");
        assert!(plain(name), "<{inside}>");
        assert!(attributes.iter().all(|(known, _)| known != name), "{name} twice");
        is_text(value);
        attributes.push((name.to_owned(), value.to_owned()));
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    Tag { name: name.to_owned(), attributes }
}

fn is_text(text: &str) {
    assert!(!text.contains(['<', '>']), "{text}");
    for after in text.split('&').skip(1) {
        let known = ["amp;", "lt;", "gt;", "quot;"];
        assert!(known.iter().any(|entity| after.starts_with(entity)), "&{after}");
    }
    let control = |c: char| c.is_control() && c != '\n';
    assert!(!text.contains(control), "{text:?}");
}

#[test]
#[should_panic(expected = "closed in its place")]
fn a_tag_that_is_closed_out_of_its_place_is_found() {
    tags("<!DOCTYPE html>\n<p><b></p></b>");
}

#[test]
#[should_panic(expected = "&copy")]
fn an_ampersand_that_nobody_escaped_is_found() {
    tags("<!DOCTYPE html>\n<p>&copy</p>");
}

#[test]
fn tags_and_attributes_are_read() {
    let tags = tags("<!DOCTYPE html>\n<p class=\"a b\">x<br></p>");
    assert_eq!(tags[0].attribute("class"), Some("a b"));
    assert_eq!(tags[1].name, "br");
}
