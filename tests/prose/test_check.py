"""What the prose check finds, and what it lets pass: `python3 -m unittest discover tests/prose`."""

import textwrap
import unittest

import check

LONG = " ".join(["Word"] * 36)


def wrapped(text):
    return "\n".join(textwrap.wrap(text, 80))


def messages(text):
    return [message for _, message in check.check_markdown(text)]


class Findings(unittest.TestCase):
    def test_a_sentence_of_more_than_35_words_is_found(self):
        self.assertIn("a sentence of 36 words", messages(wrapped(f"Short. {LONG}."))[0])
        self.assertEqual(messages(wrapped(" ".join(["word"] * 35) + ". Next one.")), [])

    def test_a_colon_and_a_bold_end_separate_sentences(self):
        half = " ".join(["word"] * 20)
        self.assertEqual(messages(wrapped(f"**{half}.** It {half}: {half}.")), [])

    def test_a_banned_word_is_found_with_its_replacement(self):
        self.assertIn('replaced by "source"', messages("The witness says so.")[0])
        self.assertEqual(messages("The column `witness` is code."), [])

    def test_a_line_that_is_too_wide_is_found_and_wrapped(self):
        wide = "One sentence ends here. " * 6
        self.assertIn("columns", messages(wide)[0])
        self.assertEqual(messages(check.wrapped(wide)), [])

    def test_code_and_tables_may_be_wide_and_cells_are_read(self):
        self.assertEqual(messages(f"```\n{LONG}\n```\n"), [])
        self.assertIn("a sentence of 36 words", messages(f"| a | {LONG} |")[0])

    def test_a_link_to_nothing_is_found(self):
        here = check.ROOT / "README.md"
        there = "[a](docs/deploy.md) [b](docs/deploy.md#update) [c](https://example.com/x)"
        self.assertEqual(check.broken_links(here, there), [])
        missing = check.broken_links(here, "[a](docs/none.md)\n[b](docs/deploy.md#none)")
        self.assertEqual([number for number, _ in missing], [1, 2])

    def test_wrapping_keeps_a_lists_indent(self):
        item = "- " + "One sentence ends here. " * 6
        self.assertTrue(check.wrapped(item).splitlines()[1].startswith("  "))

    def test_help_texts_are_read_paragraph_by_paragraph(self):
        comment = list(check.doc_comments("/// The brake\n/// of it.\nfn f() {}\n/// Other.\n"))
        self.assertEqual(comment, [(1, "The brake of it."), (4, "Other.")])

    def test_the_tree_has_documents_and_help_texts_to_check(self):
        self.assertGreater(len(list(check.documents())), 10)
        for path in check.helps():
            self.assertTrue(list(check.doc_comments(path.read_text())), path)


if __name__ == "__main__":
    unittest.main()
