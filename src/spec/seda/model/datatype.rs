//! The simple types the schemas use, told valid or not by their lexical form (XML Schema Part 2).

/// A simple type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datatype {
    /// `xsd:string`.
    Text,
    /// `xsd:token`, possibly empty.
    Token,
    /// A token of at least one character.
    NonEmpty,
    /// `xsd:date`.
    Date,
    /// `xsd:dateTime`.
    DateTime,
    /// `xsd:boolean`.
    Boolean,
    /// `xsd:boolean` with a default: may be empty.
    BooleanOrEmpty,
    /// `true` or `false`, without digits.
    TrueFalse,
    /// `xsd:int`.
    Int,
    /// `xsd:integer`.
    Integer,
    /// `xsd:positiveInteger`.
    Positive,
    /// `xsd:decimal`.
    Decimal,
    /// `xsd:anyURI`.
    Uri,
    /// `xsd:language`.
    Language,
    /// `xsd:language`, possibly empty (`xml:lang`).
    LanguageOrEmpty,
    /// A language code of two or three letters. The code list itself (7,707 entries in 1.0) is not held here.
    LanguageCode,
    /// `xsd:base64Binary`.
    Base64,
    /// `xsd:base64Binary` or `xsd:hexBinary`.
    Binary,
    /// A date in any of its seven forms, from `xsd:gDay` to `xsd:dateTime`.
    AnyDate,
    /// `xsd:duration`.
    Duration,
    /// A PRONOM identifier; the lists of 0.2 and 1.0 themselves (158 and 367 entries) are not held here.
    Puid,
    /// `xsd:ID`.
    Id,
    /// `xsd:IDREF`.
    IdRef,
}

impl Datatype {
    /// The type a notation's short name stands for.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "s" => Self::Text,
            "t" => Self::Token,
            "T" => Self::NonEmpty,
            "d" => Self::Date,
            "dt" => Self::DateTime,
            "b" => Self::Boolean,
            "b0" => Self::BooleanOrEmpty,
            "bool" => Self::TrueFalse,
            "i" => Self::Int,
            "I" => Self::Integer,
            "P" => Self::Positive,
            "D" => Self::Decimal,
            "u" => Self::Uri,
            "l" => Self::Language,
            "lang0" => Self::LanguageOrEmpty,
            "lang3" => Self::LanguageCode,
            "b64" => Self::Base64,
            "H" => Self::Binary,
            "DATE" => Self::AnyDate,
            "duration" => Self::Duration,
            "puid" => Self::Puid,
            "ID" => Self::Id,
            "REF" => Self::IdRef,
            _ => return None,
        })
    }

    /// What it is, for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Text => "texte",
            Self::Token => "texte court",
            Self::NonEmpty => "texte non vide",
            Self::Date => "date AAAA-MM-JJ",
            Self::DateTime => "date et heure AAAA-MM-JJThh:mm:ss",
            Self::Boolean | Self::BooleanOrEmpty => "booléen",
            Self::TrueFalse => "true ou false",
            Self::Int | Self::Integer => "nombre entier",
            Self::Positive => "nombre entier strictement positif",
            Self::Decimal => "nombre décimal",
            Self::Uri => "URI",
            Self::Language | Self::LanguageOrEmpty | Self::LanguageCode => "code de langue",
            Self::Base64 => "base64",
            Self::Binary => "hexadécimal ou base64",
            Self::AnyDate => "date",
            Self::Duration => "durée ISO 8601",
            Self::Puid => "identifiant PRONOM",
            Self::Id => "identifiant XML",
            Self::IdRef => "référence à un identifiant XML",
        }
    }

    /// Whether `value`, as written, is of this type; white space is collapsed first except in texts.
    pub fn accepts(self, value: &str) -> bool {
        let value = if self == Self::Text { value } else { value.trim_matches(SPACES) };
        match self {
            Self::Text | Self::Token => true,
            Self::BooleanOrEmpty | Self::LanguageOrEmpty if value.is_empty() => true,
            Self::NonEmpty => !value.is_empty(),
            Self::Date => date(value),
            Self::DateTime => date_time(value),
            Self::Boolean | Self::BooleanOrEmpty => matches!(value, "true" | "false" | "1" | "0"),
            Self::TrueFalse => matches!(value, "true" | "false"),
            Self::Int => integer(value) && value.strip_prefix('+').unwrap_or(value).parse::<i32>().is_ok(),
            Self::Integer => integer(value),
            Self::Positive => {
                let digits = value.strip_prefix('+').unwrap_or(value);
                !digits.is_empty() && all_digits(digits) && digits.bytes().any(|b| b != b'0')
            }
            Self::Decimal => decimal(value),
            Self::Uri => uri(value),
            Self::Language | Self::LanguageOrEmpty => language(value),
            Self::LanguageCode => (2..=3).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_lowercase()),
            Self::Base64 => base64(value),
            Self::Binary => hex(value) || base64(value),
            Self::AnyDate => any_date(value),
            Self::Duration => duration(value),
            Self::Puid => value.strip_prefix("x-").unwrap_or(value).strip_prefix("fmt/").is_some_and(all_digits_some),
            Self::Id | Self::IdRef => nc_name(value),
        }
    }
}

/// What XML calls white space.
pub(super) const SPACES: [char; 4] = [' ', '\t', '\n', '\r'];

fn all_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn all_digits_some(text: &str) -> bool {
    !text.is_empty() && all_digits(text)
}

fn integer(value: &str) -> bool {
    all_digits_some(value.strip_prefix(['+', '-']).unwrap_or(value))
}

fn decimal(value: &str) -> bool {
    let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    all_digits(whole) && all_digits(part) && !(whole.is_empty() && part.is_empty())
}

fn hex(value: &str) -> bool {
    value.len().is_multiple_of(2) && value.bytes().all(|b| b.is_ascii_hexdigit())
}

fn base64(value: &str) -> bool {
    let (mut count, mut padding) = (0_usize, 0);
    for byte in value.bytes() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {}
            b'=' => padding += 1,
            _ if padding > 0 => return false,
            b'+' | b'/' => count += 1,
            _ if byte.is_ascii_alphanumeric() => count += 1,
            _ => return false,
        }
    }
    (count + padding).is_multiple_of(4) && padding <= 2
}

fn language(value: &str) -> bool {
    let mut parts = value.split('-');
    let part = |part: &str| (1..=8).contains(&part.len());
    parts.next().is_some_and(|first| part(first) && first.bytes().all(|b| b.is_ascii_alphabetic()))
        && parts.all(|next| part(next) && next.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// What a URI reference cannot be, spaces and other characters that get escaped allowed.
fn uri(value: &str) -> bool {
    let bytes = value.as_bytes();
    let escapes = memchr::memchr_iter(b'%', bytes)
        .all(|at| bytes.get(at + 1..at + 3).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit)));
    let scheme = match value.find([':', '/', '?', '#']) {
        Some(at) if bytes[at] == b':' => {
            let scheme = &value[..at];
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        }
        _ => true,
    };
    escapes && scheme && memchr::memchr_iter(b'#', bytes).count() <= 1
}

pub(super) fn nc_name(value: &str) -> bool {
    let mut characters = value.chars();
    characters.next().is_some_and(|c| c == '_' || c.is_alphabetic())
        && characters.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '\u{B7}'))
}

/// The rest after `count` digits.
fn digits(text: &str, count: usize) -> Option<(u32, &str)> {
    let (number, rest) = text.split_at_checked(count)?;
    all_digits_some(number).then(|| number.parse().ok()).flatten().map(|number| (number, rest))
}

/// The year, four digits or more, and the rest.
fn year(text: &str) -> Option<(u32, &str)> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let length = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    if !(4..=9).contains(&length) || length > 4 && unsigned.starts_with('0') {
        return None;
    }
    digits(unsigned, length).filter(|(year, _)| *year != 0)
}

fn zone(text: &str) -> bool {
    match text {
        "" | "Z" => true,
        _ => (|| {
            let (hour, rest) = digits(text.strip_prefix(['+', '-'])?, 2)?;
            let (minute, rest) = digits(rest.strip_prefix(':')?, 2)?;
            Some(rest.is_empty() && (hour < 14 && minute < 60 || hour == 14 && minute == 0))
        })()
        .unwrap_or(false),
    }
}

fn days(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

fn day(text: &str) -> Option<&str> {
    let (year, rest) = year(text)?;
    let (month, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = digits(rest.strip_prefix('-')?, 2)?;
    ((1..=12).contains(&month) && (1..=days(year, month)).contains(&day)).then_some(rest)
}

fn date(value: &str) -> bool {
    day(value).is_some_and(zone)
}

fn date_time(value: &str) -> bool {
    (|| {
        let (hour, rest) = digits(day(value)?.strip_prefix('T')?, 2)?;
        let (minute, rest) = digits(rest.strip_prefix(':')?, 2)?;
        let (second, mut rest) = digits(rest.strip_prefix(':')?, 2)?;
        let mut fraction_zero = true;
        if let Some(fraction) = rest.strip_prefix('.') {
            let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
            if length == 0 {
                return None;
            }
            fraction_zero = fraction[..length].bytes().all(|b| b == b'0');
            rest = &fraction[length..];
        }
        let midnight = hour == 24 && minute == 0 && second == 0 && fraction_zero;
        Some(zone(rest) && (hour < 24 && minute < 60 && second < 60 || midnight))
    })()
    .unwrap_or(false)
}

fn any_date(value: &str) -> bool {
    let month_day = |text: &str| -> Option<bool> {
        let (month, rest) = digits(text, 2)?;
        if let Some(rest) = rest.strip_prefix('-')
            && let Some((day, rest)) = digits(rest, 2)
        {
            return Some((1..=12).contains(&month) && (1..=days(4, month)).contains(&day) && zone(rest));
        }
        Some((1..=12).contains(&month) && (zone(rest) || rest.strip_prefix("--").is_some_and(zone)))
    };
    let year_month = || -> Option<bool> {
        let (_, rest) = year(value)?;
        if zone(rest) {
            return Some(true);
        }
        let (month, rest) = digits(rest.strip_prefix('-')?, 2)?;
        Some((1..=12).contains(&month) && zone(rest))
    };
    if let Some(rest) = value.strip_prefix("---") {
        return digits(rest, 2).is_some_and(|(day, rest)| (1..=31).contains(&day) && zone(rest));
    }
    if let Some(rest) = value.strip_prefix("--") {
        return month_day(rest).unwrap_or(false);
    }
    date(value) || date_time(value) || year_month().unwrap_or(false)
}

fn duration(value: &str) -> bool {
    let Some(body) = value.strip_prefix('-').unwrap_or(value).strip_prefix('P') else { return false };
    let (date, time) = match body.split_once('T') {
        Some((_, "")) => return false,
        Some((date, time)) => (date, time),
        None => (body, ""),
    };
    if date.is_empty() && time.is_empty() {
        return false;
    }
    parts(date, "YMD", false) && parts(time, "HMS", true)
}

fn parts(mut text: &str, mut units: &str, fraction: bool) -> bool {
    while !text.is_empty() {
        let length = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let (number, rest) = text.split_at(length);
        let Some(unit) = rest.chars().next() else { return false };
        let Some(at) = units.find(unit) else { return false };
        let exact = if fraction && unit == 'S' {
            decimal(number) && !number.starts_with('.') && !number.ends_with('.')
        } else {
            all_digits_some(number)
        };
        if !exact {
            return false;
        }
        units = &units[at + 1..];
        text = &rest[unit.len_utf8()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::Datatype;

    fn check(datatype: Datatype, yes: &[&str], no: &[&str]) {
        for value in yes {
            assert!(datatype.accepts(value), "{datatype:?} {value:?}");
        }
        for value in no {
            assert!(!datatype.accepts(value), "{datatype:?} {value:?}");
        }
    }

    #[test]
    fn dates() {
        check(
            Datatype::Date,
            &["2024-02-29", " 2024-01-31Z ", "-0044-03-15", "12024-01-01", "2024-01-01+14:00"],
            &["2023-02-29", "2024-13-01", "24-01-01", "2024-01-01T00:00:00", "2024-01-01+15:00", "", "0000-01-01"],
        );
        check(
            Datatype::DateTime,
            &["2024-01-31T23:59:59.123+02:00", "2024-01-31T24:00:00", "2014-12-01T00:00:00.0000000"],
            &[
                "2024-01-31",
                "2024-01-31T24:00:01",
                "2024-01-31T23:60:00",
                "2024-01-31T23:59:59.",
                "2024-01-31 10:00:00",
            ],
        );
        check(
            Datatype::AnyDate,
            &["2024", "2024-05", "--05", "--05-31", "---31", "2024-05-31", "2024-05-31T10:00:00Z", "2024Z"],
            &["24", "2024-13", "--13", "--02-30", "---32", "31/05/2024", "", "vers 1920"],
        );
        check(Datatype::Duration, &["P10Y", "P1Y2M3DT4H5M6.7S", "PT1S", "-P1D"], &["P", "P1S", "10Y", "PT", "P1Y1Y"]);
    }

    #[test]
    fn the_rest() {
        check(Datatype::Positive, &["1", "+10", "007"], &["0", "-1", "", "1.0", "abc"]);
        check(Datatype::Int, &["-1", "2147483647"], &["2147483648", "1.0", ""]);
        check(Datatype::Decimal, &["1.5", "-.5", "1."], &[".", "", "1,5"]);
        check(Datatype::Binary, &["", "ab12", "YWJj", "YW Jj", "YQ=="], &["YQ=", "zz?", "a"]);
        check(Datatype::Language, &["fr", "fr-FR", "mul"], &["", "français_", "abcdefghi"]);
        check(Datatype::Id, &["ID1", "_a.b-c", "é1"], &["", "1a", "a b", "a:b"]);
        check(Datatype::Uri, &["content/a b.pdf", "http://a/b#c", "", "a%20b"], &["a%2", "a#b#c", "1a:b"]);
        check(Datatype::NonEmpty, &["a"], &["", " \n "]);
        check(Datatype::BooleanOrEmpty, &["", "true", "0"], &["oui"]);
    }
}
