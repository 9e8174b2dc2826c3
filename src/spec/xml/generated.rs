//! Documents for the tests, from bytes: well-formed, with the corners that canonical forms turn on. Also used by
//! `tests/xml_canonical.rs`.

/// Choices made by bytes, so that proptest shrinks them.
pub(crate) struct Choices<'b> {
    bytes: std::slice::Iter<'b, u8>,
    /// Whether white space other than spaces stands in attributes, and carriage returns in comments and instructions.
    white: bool,
}

impl<'b> Choices<'b> {
    /// `white`: with white space where it must be normalised and another implementation does not.
    pub(crate) fn new(bytes: &'b [u8], white: bool) -> Self {
        Self { bytes: bytes.iter(), white }
    }

    fn of<'c>(&mut self, among: &[&'c str]) -> &'c str {
        among[usize::from(self.next()) % among.len()]
    }

    fn next(&mut self) -> u8 {
        self.bytes.next().copied().unwrap_or(0)
    }
}

/// A well-formed document without document type.
pub(crate) fn document_of(choices: &mut Choices<'_>) -> String {
    let mut xml = choices.of(&["", "<?xml version='1.0'?>\n", "<!-- a --> \n<?p  q ?>\n<?r?>"]).to_owned();
    element_of(choices, 0, &mut Vec::new(), &mut xml);
    xml + choices.of(&["", "\n<!-- z -->\n", "<?p q?><!--y-->"])
}

const URIS: &[&str] = &["urn:a", "urn:b", "urn:c"];

fn element_of(choices: &mut Choices<'_>, depth: usize, bound: &mut Vec<&'static str>, xml: &mut String) {
    let before = bound.len();
    let mut tag = String::new();
    let mut declared = Vec::new();
    for _ in 0..choices.next() % 4 {
        let prefix = ["", "p", "q", "r"][usize::from(choices.next() % 4)];
        if declared.contains(&prefix) {
            continue;
        }
        declared.push(prefix);
        let uri = if prefix.is_empty() { choices.of(&["", "urn:a", "urn:b"]) } else { choices.of(URIS) };
        let colon = if prefix.is_empty() { "" } else { ":" };
        tag.extend([format!(" xmlns{colon}{prefix}={}", quoted(choices, uri))]);
        bound.push(prefix);
    }
    let prefixed = |choices: &mut Choices<'_>, bound: &[&str], name: &str| {
        let prefix = bound.get(usize::from(choices.next()) % (bound.len() + 1)).copied().unwrap_or("");
        if prefix.is_empty() { name.to_owned() } else { format!("{prefix}:{name}") }
    };
    let name = choices.of(&["a", "b", "élan", "Signature"]).to_owned();
    let name = prefixed(choices, bound, &name);
    for (index, attribute) in ["x", "yy", "z"].into_iter().enumerate().take(usize::from(choices.next() % 4)) {
        // Local names differ, so that no two attributes are the same whatever the prefixes mean.
        let attribute = prefixed(choices, bound, attribute);
        let values = ["", "1", " a  b ", "&lt;&amp;&quot;>'", "&#13;&#10;&#9;", "é\u{80}", "\r\n\t"];
        let value = choices.of(if choices.white { &values } else { &values[..6] }).to_owned();
        tag.extend([format!("{} {attribute} = {}", " ".repeat(index % 2), quoted(choices, &value))]);
    }
    tag += choices.of(&["", "", "", " xml:lang='fr'", " xml:space=\"default\"", " xml:lang='en' xml:space='preserve'"]);
    if depth > 4 || choices.next().is_multiple_of(4) {
        xml.extend([format!("<{name}{tag} />")]);
    } else {
        xml.extend([format!("<{name}{tag}>")]);
        for _ in 0..choices.next() % 5 {
            match choices.next() % 4 {
                0 => *xml += choices.of(&["text", "\r\n", "a\rb", "&gt;&#xD;&amp;>", "é€", "<![CDATA[<&>\"]]>", "]]"]),
                1 => {
                    let asides = ["<!---->", "<?p?>", "<?q <&> ?>", "<!-- a\n -->", "<!-- a\r\nb -->", "<?q  r\r s?>"];
                    *xml += choices.of(if choices.white { &asides } else { &asides[..4] });
                }
                _ => element_of(choices, depth + 1, bound, xml),
            }
        }
        xml.extend([format!("</{name}\n>")]);
    }
    bound.truncate(before);
}

fn quoted(choices: &mut Choices<'_>, value: &str) -> String {
    if value.contains('\'') || choices.next().is_multiple_of(2) { format!("\"{value}\"") } else { format!("'{value}'") }
}
