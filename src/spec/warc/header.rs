//! The header of a record: a version, named fields, an empty line (ISO 28500:2017, 4).

use super::Fault;
use super::digest::Declared;

/// Fields of a header, names in lower case.
#[derive(Debug, Clone, Default)]
pub(super) struct Header {
    fields: Vec<(String, String)>,
    /// A field with this name was given twice.
    twice: bool,
}

impl Header {
    /// Reads the lines after the version. A line that begins with a space continues the one before (1.0).
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let mut header = Self::default();
        let text = String::from_utf8_lossy(text);
        for line in text.split('\n').map(|line| line.trim_end_matches('\r')) {
            if line.is_empty() {
                continue;
            }
            if line.starts_with([' ', '\t']) {
                let (_, value) = header.fields.last_mut()?;
                value.push(' ');
                value.push_str(line.trim());
                continue;
            }
            let (name, value) = line.split_once(':')?;
            let name = name.trim().to_ascii_lowercase();
            // This one alone may be given again (5.7).
            header.twice |= name != "warc-concurrent-to" && header.get(&name).is_some();
            header.fields.push((name, value.trim().to_owned()));
        }
        Some(header)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn length(&self) -> Option<u64> {
        let text = self.get("content-length")?;
        text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    }

    pub(super) fn uri(&self) -> Option<&str> {
        self.get("warc-target-uri").map(|uri| uri.trim_start_matches('<').trim_end_matches('>'))
    }

    /// A declared digest; a fault when it is not known how to compute it.
    pub(super) fn digest(&self, name: &str, field: &'static str, faults: &mut Vec<Fault>) -> Option<Declared> {
        let text = self.get(name)?;
        let declared = Declared::parse(text);
        if declared.is_none() {
            faults.push(Fault::DigestUnknown { field });
        }
        declared
    }

    /// What the standard requires of every header, and of those of a type.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (name, field) in
            [("warc-record-id", "WARC-Record-ID"), ("warc-date", "WARC-Date"), ("warc-type", "WARC-Type")]
        {
            if self.get(name).is_none_or(str::is_empty) {
                faults.push(Fault::Missing(field));
            }
        }
        if self.get("warc-date").is_some_and(|date| !date.is_empty() && !is_date(date)) {
            faults.push(Fault::Malformed("WARC-Date"));
        }
        let kind = self.get("warc-type").unwrap_or_default();
        let about_a_target = ["response", "request", "resource", "revisit", "conversion", "continuation"];
        if about_a_target.contains(&kind) && self.uri().is_none_or(str::is_empty) {
            faults.push(Fault::Missing("WARC-Target-URI"));
        }
        if let Some(reason) = self.get("warc-truncated") {
            faults.push(Fault::Truncated(reason.chars().filter(|c| !c.is_control()).take(40).collect()));
        }
        if self.twice {
            faults.push(Fault::Malformed("champ donné deux fois"));
        }
        faults
    }
}

/// `AAAA[-MM[-JJ[Thh:mm[:ss[.s…]]Z]]]` (W3CDTF in UTC, ISO 28500:2017, 5.4).
fn is_date(text: &str) -> bool {
    let number = |range: std::ops::Range<usize>, min: u32, max: u32| {
        let part = text.get(range).filter(|part| part.bytes().all(|b| b.is_ascii_digit()));
        part.and_then(|part| part.parse::<u32>().ok()).is_some_and(|n| (min..=max).contains(&n))
    };
    let sep = |at: usize, byte: u8| text.as_bytes().get(at) == Some(&byte);
    let year = number(0..4, 0, 9999);
    let month = || sep(4, b'-') && number(5..7, 1, 12);
    let day = || sep(7, b'-') && number(8..10, 1, 31);
    match text.len() {
        4 => year,
        7 => year && month(),
        10 => year && month() && day(),
        _ => {
            let minutes = year
                && month()
                && day()
                && sep(10, b'T')
                && number(11..13, 0, 23)
                && sep(13, b':')
                && number(14..16, 0, 59);
            match text.len() {
                17 => minutes && sep(16, b'Z'),
                20.. => {
                    let fraction = text.get(19..text.len() - 1).unwrap_or("x");
                    let fraction_ok = fraction.is_empty()
                        || (fraction.len() <= 10
                            && fraction.starts_with('.')
                            && fraction.len() > 1
                            && fraction.bytes().skip(1).all(|b| b.is_ascii_digit()));
                    minutes && sep(16, b':') && number(17..19, 0, 60) && fraction_ok && text.ends_with('Z')
                }
                _ => false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_date;

    #[test]
    fn dates() {
        for good in [
            "2026",
            "2026-03",
            "2026-03-31",
            "2026-03-31T10:00Z",
            "2026-03-31T10:00:01Z",
            "2026-03-31T10:00:01.123456Z",
        ] {
            assert!(is_date(good), "{good}");
        }
        for bad in [
            "",
            "26",
            "2026-13",
            "2026-03-31T10:00:01",
            "2026-03-31 10:00:01Z",
            "2026-03-31T10:00:01.Z",
            "2026-03-31T25:00:01Z",
            "é026-03-3é",
        ] {
            assert!(!is_date(bad), "{bad}");
        }
    }
}
