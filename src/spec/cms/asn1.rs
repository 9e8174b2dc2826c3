//! Distinguished Encoding Rules (ITU-T X.690), reading and writing, as far as signatures need them.
//!
//! A signature covers bytes as they were received, so this reader hands out slices of its input and never re-encodes.
//! It is strict: definite and minimal lengths, single-byte tags, minimal integers. It never recurses by itself and its
//! cost is linear in what is read, whatever the bytes.

use const_oid::ObjectIdentifier;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// Universal and context-specific tags in use here, as they stand on the wire.
pub mod tag {
    /// BOOLEAN
    pub const BOOLEAN: u8 = 0x01;
    /// INTEGER
    pub const INTEGER: u8 = 0x02;
    /// BIT STRING
    pub const BIT_STRING: u8 = 0x03;
    /// OCTET STRING
    pub const OCTET_STRING: u8 = 0x04;
    /// NULL
    pub const NULL: u8 = 0x05;
    /// OBJECT IDENTIFIER
    pub const OID: u8 = 0x06;
    /// UTF8String
    pub const UTF8_STRING: u8 = 0x0c;
    /// UTCTime
    pub const UTC_TIME: u8 = 0x17;
    /// GeneralizedTime
    pub const GENERALIZED_TIME: u8 = 0x18;
    /// SEQUENCE
    pub const SEQUENCE: u8 = 0x30;
    /// SET
    pub const SET: u8 = 0x31;

    /// `[n]`, constructed.
    pub const fn context(n: u8) -> u8 {
        0xa0 | n
    }

    /// `[n]`, primitive.
    pub const fn context_primitive(n: u8) -> u8 {
        0x80 | n
    }
}

/// Bytes that are not the DER one expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("DER invalide à l'octet {offset} : {expected}")]
pub struct DerError {
    /// Where, counted from the beginning of the input of the outermost reader.
    pub offset: usize,
    /// What should have been there.
    pub expected: &'static str,
}

/// One element: a tag, its content, and both together as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// The identifier octet.
    pub tag: u8,
    /// The content octets.
    pub value: &'a [u8],
    /// Identifier, length and content.
    pub raw: &'a [u8],
    value_offset: usize,
}

/// Reads elements one after the other from a slice.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the beginning of `der`.
    pub fn new(der: &'a [u8]) -> Self {
        Self { rest: der, offset: 0 }
    }

    /// Whether everything was read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Refuses what is left over.
    pub fn finish(&self) -> Result<(), DerError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.error("la fin des données")) }
    }

    /// The tag of the next element, if there is one.
    pub fn peek_tag(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element, whatever its tag.
    pub fn any(&mut self) -> Result<Tlv<'a>, DerError> {
        let (tag, header_len, value_len) = self.header()?;
        let end = header_len.checked_add(value_len).ok_or_else(|| self.error("une longueur raisonnable"))?;
        let raw = self.rest.get(..end).ok_or_else(|| self.error("un élément entier (les données sont tronquées)"))?;
        let element = Tlv { tag, value: &raw[header_len..], raw, value_offset: self.offset + header_len };
        self.rest = &self.rest[end..];
        self.offset += end;
        Ok(element)
    }

    /// The next element, which must have this tag.
    pub fn expect(&mut self, tag: u8, expected: &'static str) -> Result<Tlv<'a>, DerError> {
        if self.peek_tag() == Some(tag) { self.any() } else { Err(self.error(expected)) }
    }

    /// The next element if it has this tag.
    pub fn optional(&mut self, tag: u8) -> Result<Option<Tlv<'a>>, DerError> {
        if self.peek_tag() == Some(tag) { self.any().map(Some) } else { Ok(None) }
    }

    /// A SEQUENCE, entered.
    pub fn sequence(&mut self, expected: &'static str) -> Result<Reader<'a>, DerError> {
        Ok(self.expect(tag::SEQUENCE, expected)?.reader())
    }

    /// The content octets of an OBJECT IDENTIFIER.
    pub fn oid(&mut self, expected: &'static str) -> Result<&'a [u8], DerError> {
        let element = self.expect(tag::OID, expected)?;
        // The last octet of an arc has its high bit clear; an arc does not begin with 0x80 (X.690 8.19.2).
        let mut at_start = true;
        for &octet in element.value {
            if at_start && octet == 0x80 {
                return Err(element.error("un identifiant d'objet minimal"));
            }
            at_start = octet & 0x80 == 0;
        }
        if element.value.is_empty() || !at_start {
            return Err(element.error("un identifiant d'objet entier"));
        }
        Ok(element.value)
    }

    /// The content octets of an INTEGER: two's complement, big-endian, minimal.
    pub fn integer(&mut self, expected: &'static str) -> Result<&'a [u8], DerError> {
        let element = self.expect(tag::INTEGER, expected)?;
        match element.value {
            [] => Err(element.error("un entier non vide")),
            [0x00, next, ..] if next & 0x80 == 0 => Err(element.error("un entier minimal")),
            [0xff, next, ..] if next & 0x80 != 0 => Err(element.error("un entier minimal")),
            value => Ok(value),
        }
    }

    /// A small non-negative INTEGER: a version, a status, a number of seconds.
    pub fn small(&mut self, expected: &'static str) -> Result<u32, DerError> {
        let here = self.error(expected);
        let value = self.integer(expected)?;
        if value[0] & 0x80 != 0 || value.len() > 4 {
            return Err(here);
        }
        Ok(value.iter().fold(0, |number, &octet| number << 8 | u32::from(octet)))
    }

    /// The octets of a BIT STRING that has no unused bits: a key, a signature.
    pub fn bit_string(&mut self, expected: &'static str) -> Result<&'a [u8], DerError> {
        let element = self.expect(tag::BIT_STRING, expected)?;
        match element.value {
            [0, octets @ ..] => Ok(octets),
            _ => Err(element.error("une chaîne de bits en octets entiers")),
        }
    }

    /// An error at the place reached.
    pub fn error(&self, expected: &'static str) -> DerError {
        DerError { offset: self.offset, expected }
    }

    /// Tag, length of the header, length of the content.
    fn header(&self) -> Result<(u8, usize, usize), DerError> {
        let (&tag, rest) = self.rest.split_first().ok_or_else(|| self.error("un élément de plus"))?;
        if tag & 0x1f == 0x1f {
            return Err(self.error("une étiquette d'un seul octet"));
        }
        match rest {
            [] => Err(self.error("une longueur")),
            [short, ..] if short & 0x80 == 0 => Ok((tag, 2, usize::from(*short))),
            [long, octets @ ..] => {
                let count = usize::from(long & 0x7f);
                // 0x80 is the indefinite form, which DER forbids; four octets already count 4 GiB.
                let octets = match count {
                    1..=4 => octets.get(..count),
                    _ => None,
                }
                .ok_or_else(|| self.error("une longueur définie"))?;
                let length = octets.iter().fold(0_usize, |length, &octet| length << 8 | usize::from(octet));
                if octets[0] == 0 || length < 0x80 {
                    return Err(self.error("une longueur minimale"));
                }
                Ok((tag, 2 + count, length))
            }
        }
    }
}

impl<'a> Tlv<'a> {
    /// The only element of `der`.
    pub fn only(der: &'a [u8]) -> Result<Self, DerError> {
        let mut reader = Reader::new(der);
        let element = reader.any()?;
        reader.finish()?;
        Ok(element)
    }

    /// Reads the content.
    pub fn reader(&self) -> Reader<'a> {
        Reader { rest: self.value, offset: self.value_offset }
    }

    /// The element inside an EXPLICIT tag.
    pub fn inner(&self) -> Result<Tlv<'a>, DerError> {
        let mut reader = self.reader();
        let element = reader.any()?;
        reader.finish()?;
        Ok(element)
    }

    /// A UTCTime or GeneralizedTime in UTC, in the forms RFC 5280 § 4.1.2.5 and RFC 3161 § 2.4.2 allow: seconds
    /// present, `Z`, and for GeneralizedTime an optional fraction without a trailing zero.
    pub fn time(&self) -> Result<OffsetDateTime, DerError> {
        let invalid = || self.error("une date en UTC");
        let text = std::str::from_utf8(self.value).map_err(|_| invalid())?.strip_suffix('Z').ok_or_else(invalid)?;
        let (text, century) = match (self.tag, text.get(..2).and_then(digits)) {
            (tag::UTC_TIME, Some(year)) if text.len() == 12 => (text, Some(if year < 50 { 20 } else { 19 })),
            (tag::GENERALIZED_TIME, Some(_)) => (text, None),
            _ => return Err(invalid()),
        };
        let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
        let nanos = fraction.map_or(Some(0), nanoseconds).ok_or_else(invalid)?;
        let (year, rest) = match century {
            Some(century) => (whole.get(..2).and_then(digits).map(|year| century * 100 + year), whole.get(2..)),
            None => (whole.get(..4).and_then(digits), whole.get(4..)),
        };
        let rest = rest.filter(|rest| rest.len() == 10).ok_or_else(invalid)?;
        let field = |at: usize| rest.get(at..at + 2).and_then(digits).and_then(|value| u8::try_from(value).ok());
        let parsed = || {
            let month = Month::try_from(field(0)?).ok()?;
            let date = Date::from_calendar_date(i32::from(year?), month, field(2)?).ok()?;
            let time = Time::from_hms_nano(field(4)?, field(6)?, field(8)?, nanos).ok()?;
            Some(PrimitiveDateTime::new(date, time).assume_utc())
        };
        parsed().ok_or_else(invalid)
    }

    /// An error inside this element.
    pub fn error(&self, expected: &'static str) -> DerError {
        DerError { offset: self.value_offset, expected }
    }
}

/// `tag` over the concatenation of `parts`.
pub fn encode(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut der = Vec::with_capacity(length + 6);
    der.push(tag);
    if length < 0x80 {
        der.extend(length.to_be_bytes().last());
    } else {
        let octets = length.to_be_bytes();
        let skipped = octets.iter().take_while(|&&octet| octet == 0).count();
        let significant = &octets[skipped..];
        der.extend((0x80 | significant.len()).to_be_bytes().last());
        der.extend_from_slice(significant);
    }
    for part in parts {
        der.extend_from_slice(part);
    }
    der
}

/// A SEQUENCE of `parts`.
pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    encode(tag::SEQUENCE, parts)
}

/// A SET OF, its elements in the order DER wants.
pub fn set_of(mut elements: Vec<Vec<u8>>) -> Vec<u8> {
    elements.sort_unstable();
    let parts: Vec<&[u8]> = elements.iter().map(Vec::as_slice).collect();
    encode(tag::SET, &parts)
}

/// A non-negative INTEGER from its big-endian octets.
pub fn unsigned(octets: &[u8]) -> Vec<u8> {
    let skipped = octets.iter().take_while(|&&octet| octet == 0).count();
    match &octets[skipped..] {
        [] => vec![tag::INTEGER, 1, 0],
        significant if significant[0] & 0x80 != 0 => encode(tag::INTEGER, &[&[0], significant]),
        significant => encode(tag::INTEGER, &[significant]),
    }
}

/// An OBJECT IDENTIFIER.
pub fn oid(identifier: &ObjectIdentifier) -> Vec<u8> {
    encode(tag::OID, &[identifier.as_bytes()])
}

/// A GeneralizedTime in UTC with microsecond precision, without trailing zeros (RFC 3161 § 2.4.2).
pub fn generalized_time(at: OffsetDateTime) -> Vec<u8> {
    let at = at.to_offset(UtcOffset::UTC);
    let mut text = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}.{:06}",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.microsecond()
    );
    text.truncate(text.trim_end_matches('0').trim_end_matches('.').len().max(14));
    encode(tag::GENERALIZED_TIME, &[text.as_bytes(), b"Z"])
}

/// A signing time as RFC 5652 § 11.3 wants it: whole seconds, UTCTime from 1950 to 2049.
pub fn signing_time(at: OffsetDateTime) -> Vec<u8> {
    let at = at.to_offset(UtcOffset::UTC).replace_millisecond(0).unwrap_or(at);
    let general = generalized_time(at);
    if (1950..2050).contains(&at.year()) { encode(tag::UTC_TIME, &[&general[4..]]) } else { general }
}

/// An object identifier in dotted form, from its content octets; hexadecimal when an arc does not fit 128 bits.
pub fn dotted(content: &[u8]) -> String {
    let mut arcs: Vec<u128> = Vec::new();
    let mut arc: u128 = 0;
    for &octet in content {
        if arc > u128::MAX >> 7 {
            return hex::encode(content);
        }
        arc = arc << 7 | u128::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            if arcs.is_empty() {
                let root = (arc / 40).min(2);
                arcs.extend([root, arc - 40 * root]);
            } else {
                arcs.push(arc);
            }
            arc = 0;
        }
    }
    arcs.iter().map(u128::to_string).collect::<Vec<_>>().join(".")
}

fn digits(text: &str) -> Option<u16> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn nanoseconds(fraction: &str) -> Option<u32> {
    let written = !fraction.is_empty() && fraction.len() <= 9 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if written && !fraction.ends_with('0') { format!("{fraction:0<9}").parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    #[test]
    fn lengths_are_definite_and_minimal() {
        for (der, good) in [
            (&[0x04, 0x01, 0xaa][..], true),
            (&[0x04, 0x81, 0x01, 0xaa], false),
            (&[0x04, 0x80, 0xaa, 0, 0], false),
            (&[0x04, 0x82, 0x00, 0x80], false),
            (&[0x04, 0x84, 0xff, 0xff, 0xff, 0xff], false),
            (&[0x04, 0x85, 0, 0, 0, 0, 1, 0xaa], false),
            (&[0x1f, 0x01, 0x00], false),
            (&[0x04, 0x02, 0xaa], false),
            (&[0x04, 0x01, 0xaa, 0x00], false),
            (&[], false),
        ] {
            assert_eq!(Tlv::only(der).is_ok(), good, "{der:02x?}");
        }
    }

    #[test]
    fn integers_are_minimal() {
        for (der, good) in [(&[2, 1, 0][..], true), (&[2, 2, 0, 1], false), (&[2, 2, 0, 0x80], true), (&[2, 0], false)]
        {
            assert_eq!(Reader::new(der).integer("").is_ok(), good, "{der:02x?}");
        }
        assert_eq!(Reader::new(&[2, 2, 1, 0]).small(""), Ok(256));
        assert!(Reader::new(&[2, 1, 0xff]).small("").is_err());
    }

    #[test]
    fn times() {
        let general = |text: &str| Tlv::only(&encode(tag::GENERALIZED_TIME, &[text.as_bytes()])).unwrap().time();
        let utc = |text: &str| Tlv::only(&encode(tag::UTC_TIME, &[text.as_bytes()])).unwrap().time();
        assert_eq!(general("20260203040506.07Z"), Ok(datetime!(2026-02-03 04:05:06.07 UTC)));
        assert_eq!(utc("490203040506Z"), Ok(datetime!(2049-02-03 04:05:06 UTC)));
        assert_eq!(utc("500203040506Z"), Ok(datetime!(1950-02-03 04:05:06 UTC)));
        for wrong in
            ["20260203040506", "20260203040506.0Z", "20260203040506.Z", "2026020304Z", "20261303040506Z", "é", "Z"]
        {
            assert!(general(wrong).is_err(), "{wrong}");
        }
        assert!(utc("2602030405Z").is_err());
    }

    #[test]
    fn times_written_have_no_trailing_zero() {
        let written = |at| String::from_utf8(generalized_time(at)[2..].to_vec()).unwrap();
        assert_eq!(written(datetime!(2026-02-03 04:05:10 UTC)), "20260203040510Z");
        assert_eq!(written(datetime!(2000-10-10 00:00:00 UTC)), "20001010000000Z");
        assert_eq!(written(datetime!(2026-02-03 04:05:10.120 UTC)), "20260203040510.12Z");
        assert_eq!(written(datetime!(2026-02-03 04:05:10.000_005 UTC)), "20260203040510.000005Z");
        assert_eq!(signing_time(datetime!(2026-02-03 04:05:10.120 UTC)), b"\x17\x0d260203040510Z");
    }

    #[test]
    fn object_identifiers_in_dotted_form() {
        let written = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1");
        assert_eq!(dotted(written.as_bytes()), "1.3.6.1.4.1.32473.1");
        assert_eq!(dotted(&[0x88, 0x37, 0x01]), "2.999.1");
        assert!(!dotted(&[0xff; 40]).is_empty());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(content in proptest::collection::vec(any::<u8>(), 0..70_000)) {
            let der = encode(tag::OCTET_STRING, &[&content]);
            prop_assert_eq!(Tlv::only(&der).unwrap().value, &content[..]);
        }

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = Reader::new(&bytes);
            while let Ok(element) = reader.any() {
                let _ = (element.time(), element.inner(), Reader::new(element.raw).integer(""), Reader::new(element.raw).oid(""));
            }
            let _ = dotted(&bytes);
        }

        #[test]
        fn milliseconds_survive(ms in 0_i64..4_102_444_800_000) {
            let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).unwrap();
            prop_assert_eq!(Tlv::only(&generalized_time(at)).unwrap().time().unwrap(), at);
        }
    }
}
