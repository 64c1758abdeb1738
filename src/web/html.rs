//! The one way to write a page: elements that close themselves, and text that is always escaped.
//!
//! Names of tags and attributes are words of this program (`&'static str`), and there is no method that takes
//! markup: what comes from an event, a person or the load balancer can become text or an attribute's value, and
//! nothing else.

use crate::text::clean;

/// Attributes by name.
pub(super) type Attributes<'a> = &'a [(&'static str, &'a str)];

/// A page that is being written.
#[derive(Debug, Default)]
pub(super) struct Html {
    text: String,
    /// How many bytes it may have when something that can be left out is added.
    room: usize,
}

/// The room of a page if nothing else is said. The rest of [`super::PAGE_BYTES_MAX`] is for what has begun by then.
const ROOM: usize = 80_000;

impl Html {
    /// A whole document.
    pub(super) fn document(title: &str, body: impl FnOnce(&mut Self)) -> String {
        let mut page = Self { text: "<!DOCTYPE html>\n".to_owned(), room: ROOM };
        page.element("html", &[("lang", "en")], |page| {
            page.element("head", &[], |page| {
                page.void("meta", &[("charset", "utf-8")]);
                let viewport = "width=device-width, initial-scale=1";
                page.void("meta", &[("name", "viewport"), ("content", viewport)]);
                page.void("meta", &[("name", "color-scheme"), ("content", "light dark")]);
                page.text_element("title", &[], title);
                page.void("link", &[("rel", "stylesheet"), ("href", super::STYLE_PATH)]);
                page.void("link", &[("rel", "icon"), ("href", super::ICON_PATH)]);
            });
            page.element("body", &[], body);
        });
        page.text.push('\n');
        page.text
    }

    /// From here on, what can be left out is once the page has this many bytes.
    pub(super) fn leave_room(&mut self, room: usize) {
        self.room = room.min(ROOM);
    }

    /// Whether what can be left out had better be. Texts from outside have no sensible bound of their own, so the page
    /// has one.
    pub(super) fn is_full(&self) -> bool {
        self.text.len() >= self.room
    }

    /// An element, with what `inner` writes between its tags.
    pub(super) fn element(
        &mut self,
        tag: &'static str,
        attributes: Attributes<'_>,
        inner: impl FnOnce(&mut Self),
    ) {
        self.open(tag, attributes);
        inner(self);
        self.text.push_str("</");
        self.text.push_str(tag);
        self.text.push('>');
    }

    /// An element with a text and nothing else.
    pub(super) fn text_element(&mut self, tag: &'static str, attributes: Attributes<'_>, text: &str) {
        self.element(tag, attributes, |page| page.text(text));
    }

    /// An element that has no end tag.
    pub(super) fn void(&mut self, tag: &'static str, attributes: Attributes<'_>) {
        self.open(tag, attributes);
    }

    /// A text, whatever is in it.
    pub(super) fn text(&mut self, text: &str) {
        self.escaped(text);
    }

    fn open(&mut self, tag: &'static str, attributes: Attributes<'_>) {
        self.text.push('<');
        self.text.push_str(tag);
        for (name, value) in attributes {
            self.text.push(' ');
            self.text.push_str(name);
            self.text.push_str("=\"");
            self.escaped(value);
            self.text.push('"');
        }
        self.text.push('>');
    }

    /// The same for a text and for a value in double quotes: one rule cannot be taken for the other.
    fn escaped(&mut self, text: &str) {
        for c in clean(text).chars() {
            match c {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                '\'' => self.text.push_str("&#39;"),
                c => self.text.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        let mut page = Html::default();
        let hostile = "</p><script>alert('1')</script>&amp;\u{202E}\u{0}";
        page.element("p", &[("title", "\" onclick=\"x")], |page| {
            page.text(hostile);
        });
        assert_eq!(
            page.text,
            "<p title=\"&quot; onclick=&quot;x\">&lt;/p&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;\
             &amp;amp;\\u{202e}\\u{0}</p>"
        );
    }

    #[test]
    fn elements_close_in_the_order_in_which_they_were_opened() {
        let mut page = Html::default();
        page.element("ul", &[], |page| {
            page.text_element("li", &[], "a");
            page.element("li", &[], |page| page.void("br", &[]));
        });
        assert_eq!(page.text, "<ul><li>a</li><li><br></li></ul>");
    }
}
