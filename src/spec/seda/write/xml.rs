//! A document being written.

use std::fmt::Write as _;

/// XML in the making; elements are closed in the order they were opened.
#[derive(Debug)]
pub(super) struct Xml {
    out: String,
    open: Vec<&'static str>,
}

impl Xml {
    /// Begins a document with its root.
    pub(super) fn new(root: &'static str, namespace: &str) -> Self {
        let out = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} xmlns=\"{namespace}\">");
        Self { out, open: vec![root] }
    }

    /// Begins a part of a document, that [`Self::raw`] will take.
    pub(super) fn fragment() -> Self {
        Self { out: String::new(), open: Vec::new() }
    }

    pub(super) fn open(&mut self, name: &'static str) {
        self.open_with(name, &[]);
    }

    pub(super) fn open_with(&mut self, name: &'static str, attributes: &[(&str, &str)]) {
        self.begin(name, attributes);
        self.open.push(name);
    }

    pub(super) fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.out.push_str("</");
            self.out.push_str(name);
            self.out.push('>');
        }
    }

    pub(super) fn leaf(&mut self, name: &'static str, text: &str) {
        self.leaf_with(name, &[], text);
    }

    pub(super) fn leaf_with(&mut self, name: &'static str, attributes: &[(&str, &str)], text: &str) {
        self.open_with(name, attributes);
        escape(&mut self.out, text, false);
        self.close();
    }

    /// A leaf, when there is a text for it.
    pub(super) fn maybe(&mut self, name: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.leaf(name, text);
        }
    }

    /// What is well-formed already.
    pub(super) fn raw(&mut self, fragment: &str) {
        self.out.push_str(fragment);
    }

    pub(super) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.out.push('\n');
        self.out
    }

    fn begin(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.out.push('<');
        self.out.push_str(name);
        for (attribute, value) in attributes {
            self.out.push(' ');
            self.out.push_str(attribute);
            self.out.push_str("=\"");
            escape(&mut self.out, value, true);
            self.out.push('"');
        }
        self.out.push('>');
    }
}

/// A text, as an element's content.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(&mut out, text, false);
    out
}

/// Text as XML has it; characters XML cannot hold become U+FFFD.
fn escape(out: &mut String, text: &str, attribute: bool) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if attribute => out.push_str("&quot;"),
            '\n' | '\t' | '\r' if attribute => _ = write!(out, "&#{};", u32::from(c)),
            '\r' => out.push_str("&#13;"),
            '\n' | '\t' | ' '..='\u{FFFD}' | '\u{10000}'.. => out.push(c),
            _ => out.push('\u{FFFD}'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Xml;

    #[test]
    fn texts_are_escaped_and_elements_closed() {
        let mut xml = Xml::new("a", "u");
        xml.open_with("b", &[("c", "\"<\n")]);
        xml.leaf("d", "1 < 2 & 3 \u{1}");
        let expected = "<a xmlns=\"u\"><b c=\"&quot;&lt;&#10;\"><d>1 &lt; 2 &amp; 3 \u{FFFD}</d></b></a>\n";
        assert!(xml.finish().ends_with(expected));
    }
}
