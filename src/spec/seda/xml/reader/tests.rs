//! The events and their places; what is refused.

use super::*;

#[derive(Default)]
struct Log(String);

impl Handler for Log {
    fn start(&mut self, e: &Element<'_>) -> Result<(), Stop> {
        use std::fmt::Write as _;
        _ = write!(self.0, "<{}|{}@{}:{}", e.namespace, e.name, e.position.line, e.position.column);
        for a in e.attributes {
            _ = write!(self.0, " {}|{}={}", a.namespace, a.name, a.value);
        }
        self.0.push('>');
        Ok(())
    }

    fn text(&mut self, text: &str, _: Position) -> Result<(), Stop> {
        self.0.push_str(text);
        Ok(())
    }

    fn end(&mut self, position: Position, _: u64) -> Result<(), Stop> {
        use std::fmt::Write as _;
        _ = write!(self.0, "</{}:{}>", position.line, position.column);
        Ok(())
    }
}

fn events(document: &str) -> Result<String, XmlError> {
    let mut log = Log::default();
    read(document.as_bytes(), &Limits::default(), &mut log)?;
    Ok(log.0)
}

#[test]
fn names_text_and_places() {
    let document = "<?xml version=\"1.0\"?>\n<!-- é -->\n<p:a xmlns:p='u' x='1&amp;2' p:y=\"z\">é<b/>\r\nt&#233;<![CDATA[<]]></p:a>\n";
    assert_eq!(events(document).as_deref(), Ok("<u|a@3:1 |x=1&2 u|y=z>é<|b@3:39></3:43>\nté<</4:21>"));
}

#[test]
fn the_default_namespace_is_scoped() {
    let document = "<a xmlns='u'><b xmlns=''><c/></b><d/></a>";
    assert!(events(document).is_ok_and(|e| e.contains("<u|d") && e.contains("<|c")));
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for (document, line) in [
        ("", 1),
        ("<a>", 1),
        ("<a/><b/>", 1),
        ("<a/>x", 1),
        ("\n<a></b>", 2),
        ("<a>&eacute;</a>", 1),
        ("<a>&#0;</a>", 1),
        ("<a x='1' x='2'/>", 1),
        ("<a x='<'/>", 1),
        ("<p:a/>", 1),
        ("<a>]]></a>", 1),
        ("<a>\u{1}</a>", 1),
        ("<!DOCTYPE a><a/>", 1),
        ("<a xmlns:p='u' xmlns:q='u' p:x='' q:x=''/>", 1),
        ("<1/>", 1),
    ] {
        let error = events(document);
        assert_eq!(error.as_ref().map_err(|e| e.position().unwrap_or_default().line), Err(line), "{document}");
    }
}

#[test]
fn depth_and_attributes_are_bounded() {
    let deep = "<a>".repeat(129);
    assert!(matches!(events(&deep), Err(XmlError::TooDeep { .. })));
    assert!(events(&("<a>".repeat(128) + &"</a>".repeat(128))).is_ok());
    let many = (0..65).fold(String::new(), |all, n| all + &format!(" a{n}=''"));
    assert!(matches!(events(&format!("<a{many}/>")), Err(XmlError::TooManyAttributes { .. })));
}

#[test]
fn foreign_bytes_are_located() {
    let error = read(&b"<a>\n\xE9</a>"[..], &Limits::default(), &mut Log::default());
    assert!(matches!(error, Err(XmlError::Bytes { .. })), "{error:?}");
}
