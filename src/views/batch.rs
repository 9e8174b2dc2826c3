//! A run of consecutive records, read once for all views: only the fields a view uses, the rest skipped.
//!
//! Whatever a record holds, it takes its place in the batch: types from the future and bytes that do not parse (a record
//! emptied by an elimination, damage that the audit reports) are counted and passed over, so that one record can never
//! stop the views.

use super::Cursor;
use crate::clock::parse_record_time;
use crate::package::{
    Agency, Delivered, DeliveryAuthorization, DeliveryRequested, Eliminated, EliminationCompleted, Modified,
    RECORD_BYTES_MAX, ReferentialChange, Scope, TokenRevoked, Transmission,
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use time::OffsetDateTime;

/// Consecutive entries and the cursor after the last of them.
#[derive(Debug)]
pub struct Batch {
    first: u64,
    entries: Vec<Entry>,
    end: Cursor,
    behind: u64,
    tally: Tally,
}

/// What a batch, or everything followed so far, was made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records of all kinds.
    pub records: u64,
    /// Deposits among them.
    pub deposits: u64,
    /// Records of a type or version this program does not know.
    pub unknown: u64,
    /// Records whose bytes are not a record.
    pub unreadable: u64,
}

/// One record, as far as views are concerned.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Place in the log.
    pub index: u64,
    /// Unix time in milliseconds; 0 when the record's time does not parse.
    pub time_ms: u64,
    /// The agency the record belongs to.
    pub agency: Box<str>,
    /// What happened.
    pub event: Event,
}

/// What happened, as far as views are concerned.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Documents were archived.
    Deposit(Box<Deposited>),
    /// An agency was registered or renamed.
    Agency(Agency),
    /// A token was issued.
    TokenIssued(Box<Issued>),
    /// A token was revoked.
    TokenRevoked(TokenRevoked),
    /// A list of reference data was changed.
    Referential(Box<ReferentialChange>),
    /// Archives were asked for.
    DeliveryRequested(Box<DeliveryRequested>),
    /// The control authority answered.
    DeliveryAuthorization(Box<DeliveryAuthorization>),
    /// Archives were given.
    Delivered(Box<Delivered>),
    /// The title or the rules of an archive changed.
    Modified(Box<Modified>),
    /// Archives were eliminated.
    Eliminated(Box<Eliminated>),
    /// Their bytes are no more.
    EliminationCompleted(EliminationCompleted),
    /// A transmission was received or changed state.
    Transmission(Box<Transmitted>),
    /// Nothing for any view: refusals, types from the future, unreadable bytes.
    Nothing,
}

/// A transmission's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmitted {
    /// What happened.
    pub body: Transmission,
    /// The archives it is about.
    pub references: Vec<String>,
}

/// A deposit, as far as views are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deposited {
    /// Title.
    pub title: Box<str>,
    /// Code of the document type.
    pub document_type: Box<str>,
    /// The producer's own identifier.
    pub external_id: Option<Box<str>>,
    /// Digest of agency and idempotency key.
    pub idempotency: Option<[u8; 32]>,
    /// Digest of what was asked.
    pub content: [u8; 32],
    /// When the document was made, `YYYYMMDD` as a number.
    pub created: Option<u32>,
    /// SHA-256 of every payload, in order.
    pub sha256: Box<[[u8; 32]]>,
    /// The SEDA transfer it is, or is a unit of.
    pub operation: Option<Box<str>>,
    /// What its producer's fields are found by.
    pub terms: Box<[String]>,
}

/// An issued token with its fields checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Issued {
    /// Public name.
    pub token: String,
    /// SHA-256 of the secret or certificate.
    pub hash: [u8; 32],
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// Free label.
    pub label: String,
    /// When it ends.
    pub expires: Option<OffsetDateTime>,
    /// SHA-256 of the client certificate it needs.
    pub certificate: Option<[u8; 32]>,
}

impl Batch {
    /// Reads `records`, which start at index `first`; `root` is that of the log after the last of them, and `head_size`
    /// the size of the whole log, so that views know whether they are catching up.
    pub fn parse(first: u64, records: &[Bytes], root: [u8; 32], head_size: u64) -> Self {
        let mut tally = Tally::default();
        let entries: Vec<Entry> =
            (first..).zip(records).map(|(index, record)| read(index, record, &mut tally)).collect();
        let size = first + tally.records;
        Self { first, entries, end: Cursor { size, root }, behind: head_size.saturating_sub(size), tally }
    }

    /// Index of the first record.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The cursor after the last record.
    pub fn end(&self) -> Cursor {
        self.end
    }

    /// How many records of the log came after this batch when it was read.
    pub fn behind(&self) -> u64 {
        self.behind
    }

    /// What the batch is made of.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// The entries a view of `size` has not taken in yet; `None` when the batch starts beyond it.
    pub fn after(&self, size: u64) -> Option<&[Entry]> {
        let skip = usize::try_from(size.checked_sub(self.first)?).unwrap_or(usize::MAX);
        Some(self.entries.get(skip..).unwrap_or_default())
    }
}

impl Tally {
    /// Adds another tally to this one.
    pub fn add(&mut self, other: Self) {
        self.records += other.records;
        self.deposits += other.deposits;
        self.unknown += other.unknown;
        self.unreadable += other.unreadable;
    }
}

/// The fields common to all records. The body is left as text until its type is known: types from the future may use the
/// same member names for something else.
#[derive(Deserialize)]
struct Envelope<'a> {
    v: u64,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    agency: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
    #[serde(default)]
    references: Vec<String>,
}

#[derive(Deserialize)]
struct DepositBody<'a> {
    #[serde(borrow)]
    title: Cow<'a, str>,
    #[serde(borrow)]
    document_type: Cow<'a, str>,
    #[serde(borrow, default)]
    external_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    idempotency: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content: Cow<'a, str>,
    #[serde(borrow, default)]
    dates: DatesBody<'a>,
    #[serde(borrow)]
    payloads: Vec<PayloadBody<'a>>,
    #[serde(borrow, default)]
    unit: Option<UnitBody<'a>>,
    #[serde(borrow, default)]
    transfer: Option<TransferBody<'a>>,
    #[serde(default)]
    produced: Option<crate::package::Produced>,
}

#[derive(Deserialize)]
struct UnitBody<'a> {
    #[serde(borrow)]
    transfer: Cow<'a, str>,
}

#[derive(Deserialize)]
struct TransferBody<'a> {
    #[serde(borrow)]
    operation: Cow<'a, str>,
}

#[derive(Deserialize, Default)]
struct DatesBody<'a> {
    #[serde(borrow, default)]
    created: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct PayloadBody<'a> {
    #[serde(borrow)]
    sha256: Cow<'a, str>,
}

fn read(index: u64, record: &[u8], tally: &mut Tally) -> Entry {
    tally.records += 1;
    let envelope =
        if record.len() > RECORD_BYTES_MAX { None } else { serde_json::from_slice::<Envelope<'_>>(record).ok() };
    let Some(envelope) = envelope else {
        tally.unreadable += 1;
        return Entry { index, time_ms: 0, agency: "".into(), event: Event::Nothing };
    };
    let event = match read_event(&envelope) {
        Reading::Known(event) => event,
        Reading::Unknown => {
            tally.unknown += 1;
            Event::Nothing
        }
        Reading::Unreadable => {
            tally.unreadable += 1;
            Event::Nothing
        }
    };
    tally.deposits += u64::from(matches!(event, Event::Deposit(_)));
    Entry { index, time_ms: unix_ms(&envelope.time), agency: envelope.agency.into(), event }
}

enum Reading {
    Known(Event),
    Unknown,
    Unreadable,
}

fn read_event(envelope: &Envelope<'_>) -> Reading {
    if envelope.v != 1 {
        return Reading::Unknown;
    }
    let body = envelope.body.map_or("null", RawValue::get);
    let event = match &*envelope.kind {
        "deposit" => read_deposit(body).map(|d| Event::Deposit(Box::new(d))),
        "refusal" => Some(Event::Nothing),
        "agency-registered" => serde_json::from_str(body).ok().map(Event::Agency),
        "token-issued" => read_issued(body).map(|t| Event::TokenIssued(Box::new(t))),
        "token-revoked" => serde_json::from_str(body).ok().map(Event::TokenRevoked),
        "referential-changed" => serde_json::from_str(body).ok().map(|change| Event::Referential(Box::new(change))),
        "delivery-requested" | "elimination-requested" => {
            serde_json::from_str(body).ok().map(|asked| Event::DeliveryRequested(Box::new(asked)))
        }
        "modified" => serde_json::from_str(body).ok().map(|change| Event::Modified(Box::new(change))),
        "eliminated" => serde_json::from_str(body).ok().map(|gone| Event::Eliminated(Box::new(gone))),
        "elimination-completed" => serde_json::from_str(body).ok().map(Event::EliminationCompleted),
        "delivery-authorization" | "elimination-authorization" => {
            serde_json::from_str(body).ok().map(|answer| Event::DeliveryAuthorization(Box::new(answer)))
        }
        "delivered" => serde_json::from_str(body).ok().map(|given| Event::Delivered(Box::new(given))),
        "transmission" => serde_json::from_str(body)
            .ok()
            .map(|body| Event::Transmission(Box::new(Transmitted { body, references: envelope.references.clone() }))),
        _ => return Reading::Unknown,
    };
    event.map_or(Reading::Unreadable, Reading::Known)
}

fn read_deposit(body: &str) -> Option<Deposited> {
    let body: DepositBody<'_> = serde_json::from_str(body).ok()?;
    Some(Deposited {
        title: body.title.into(),
        document_type: body.document_type.into(),
        external_id: body.external_id.map(Into::into),
        idempotency: match body.idempotency {
            Some(text) => Some(digest_from_hex(&text)?),
            None => None,
        },
        content: digest_from_hex(&body.content)?,
        // A date that is none costs the archive its date, not its place in the view.
        created: body.dates.created.as_deref().and_then(day_number),
        sha256: body.payloads.iter().map(|p| digest_from_hex(&p.sha256)).collect::<Option<_>>()?,
        operation: body.transfer.map(|t| t.operation).or(body.unit.map(|u| u.transfer)).map(Into::into),
        terms: body.produced.map(|produced| produced.terms().into()).unwrap_or_default(),
    })
}

/// A token with a scope from the future or an end that does not parse is no token: what is unclear gives no access.
fn read_issued(body: &str) -> Option<Issued> {
    let body: crate::package::TokenIssued = serde_json::from_str(body).ok()?;
    let expires = match body.expires {
        Some(text) => Some(parse_record_time(&text)?),
        None => None,
    };
    let hash = digest_from_hex(&body.hash)?;
    let certificate = match body.certificate {
        Some(text) => Some(digest_from_hex(&text)?),
        None => None,
    };
    Some(Issued { token: body.token, hash, scopes: body.scopes, label: body.label, expires, certificate })
}

fn digest_from_hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    hex::decode_to_slice(text, &mut digest).ok()?;
    Some(digest)
}

fn unix_ms(text: &str) -> u64 {
    parse_record_time(text).and_then(|at| u64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()).unwrap_or(0)
}

/// `2026-11-23` → `20261123`. The record was admitted with valid dates; here only the form matters.
fn day_number(text: &str) -> Option<u32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let digits = bytes.iter().enumerate().filter(|(at, _)| *at != 4 && *at != 7).map(|(_, &b)| b);
    digits.into_iter().try_fold(0, |number, b| b.is_ascii_digit().then(|| number * 10 + u32::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn parse(texts: &[&str]) -> Batch {
        let records: Vec<Bytes> = texts.iter().map(|t| Bytes::copy_from_slice(t.as_bytes())).collect();
        Batch::parse(7, &records, [0; 32], 100)
    }

    #[test]
    fn strange_records_keep_their_place() {
        let batch = parse(&[
            "",
            r#"{"v":2,"time":"x","agency":"a","type":"deposit","body":{}}"#,
            r#"{"v":1,"time":"2026-11-23T20:06:13.042Z","agency":"a","type":"visa","body":{"title":3}}"#,
            r#"{"v":1,"time":"2026-11-23T20:06:13.042Z","agency":"a","type":"deposit","body":{"title":3}}"#,
            r#"{"v":1,"time":"1970-01-01T00:00:01.042Z","agency":"\u0061","type":"token-revoked","body":{"token":"t"}}"#,
        ]);
        assert_eq!(batch.tally(), Tally { records: 5, deposits: 0, unknown: 2, unreadable: 2 });
        assert_eq!((batch.end().size, batch.behind()), (12, 88));
        let last = &batch.after(11).unwrap()[0];
        assert_eq!((last.index, last.time_ms, &*last.agency), (11, 1042, "a"));
        assert_eq!(last.event, Event::TokenRevoked(TokenRevoked { token: "t".into() }));
        assert_eq!(batch.after(12).unwrap(), &[]);
        assert_eq!(batch.after(500).unwrap(), &[]);
        assert!(batch.after(6).is_none());
    }

    #[test]
    fn a_token_with_an_unclear_end_or_scope_gives_no_access() {
        let hash = "ab".repeat(32);
        let issued = |scope: &str, expires: &str| {
            format!(
                r#"{{"v":1,"time":"2026-11-23T20:06:13.042Z","agency":"a","type":"token-issued","body":{{"token":"t",
                "hash":"{hash}","label":"","scopes":["{scope}"],"expires":"{expires}"}}}}"#
            )
        };
        let texts = [
            issued("read", "demain"),
            issued("omnipotence", "2026-11-23T20:06:13.042Z"),
            issued("read", "2026-11-23T20:06:13.042Z"),
        ];
        let batch = parse(&texts.each_ref().map(String::as_str));
        assert_eq!(batch.tally().unreadable, 2);
        assert!(matches!(batch.after(9).unwrap()[0].event, Event::TokenIssued(_)));
    }

    #[test]
    fn days_are_numbers() {
        assert_eq!(day_number("2026-11-23"), Some(20_261_123));
        assert_eq!(day_number("2026-11-2x"), None);
        assert_eq!(day_number("20261123"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_counted_and_passed_over(records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 0..8)) {
            let records: Vec<Bytes> = records.into_iter().map(Bytes::from).collect();
            let batch = Batch::parse(3, &records, [0; 32], 3);
            prop_assert_eq!(batch.end().size, 3 + records.len() as u64);
            prop_assert_eq!(batch.after(3).map(<[Entry]>::len), Some(records.len()));
        }
    }
}
