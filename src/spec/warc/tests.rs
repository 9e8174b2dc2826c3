//! Captures made by hand, good and bad.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use sha1::{Digest as _, Sha1};
use std::io::Write as _;

fn sha1(bytes: &[u8]) -> String {
    format!("sha1:{}", hex::encode(Sha1::digest(bytes)))
}

fn record(kind: &str, more: &str, content_type: &str, block: &[u8]) -> Vec<u8> {
    let mut text = format!(
        "WARC/1.1\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:1>\r\nWARC-Date: 2026-03-31T10:00:00Z\r\n{more}\
         Content-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        block.len()
    )
    .into_bytes();
    text.extend_from_slice(block);
    text.extend_from_slice(b"\r\n\r\n");
    text
}

fn response(http: &[u8], payload: &[u8], digest_of: &[u8]) -> Vec<u8> {
    let block = [http, payload].concat();
    let more = format!(
        "WARC-Target-URI: <http://mairie.example/>\r\nWARC-Block-Digest: {}\r\nWARC-Payload-Digest: {}\r\n",
        sha1(&block),
        sha1(digest_of)
    );
    record("response", &more, "application/http;msgtype=response", &block)
}

fn good() -> Vec<u8> {
    let info = record("warcinfo", "", "application/warc-fields", b"software: essai\r\nisPartOf: mairie\r\n");
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n";
    let page = response(head, b"<p>Bonjour</p>", b"<p>Bonjour</p>");
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let joined = response(chunked, b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde");
    let raw = response(chunked, b"1\r\na\r\n0\r\n\r\n", b"1\r\na\r\n0\r\n\r\n");
    [info, page, joined, raw].concat()
}

/// A gzip member for every record would need their places; whole files in one member are allowed too.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn all(bytes: &[u8]) -> (Vec<Record>, Result<usize, WarcError>) {
    let mut records = Vec::new();
    let outcome = check(bytes, &Limits::default(), &mut |record| records.push(record));
    (records, outcome)
}

#[test]
fn a_good_capture() {
    for bytes in [good(), gzip(&good()), [gzip(&good()), gzip(&good())].concat()] {
        let (records, outcome) = all(&bytes);
        assert_eq!(outcome.unwrap(), records.len());
        assert!(records.iter().all(|record| record.faults.is_empty()), "{records:?}");
        assert_eq!(records[0].info, [("software".into(), "essai".into()), ("ispartof".into(), "mairie".into())]);
        let page = &records[1];
        assert_eq!((page.status, page.media_type.as_deref()), (Some(200), Some("text/html")));
        assert_eq!(page.uri.as_deref(), Some("http://mairie.example/"));
        assert!(records[1..4].iter().all(|record| record.proven));
    }
}

#[test]
fn what_is_altered_is_located() {
    let mut bytes = good();
    let at = memchr::memmem::find(&bytes, b"Bonjour").unwrap();
    bytes[at] = b'b';
    let (records, outcome) = all(&bytes);
    assert_eq!(outcome.unwrap(), 4);
    let faults: Vec<(usize, usize)> = records.iter().map(|record| (record.number, record.faults.len())).collect();
    assert_eq!(faults, [(1, 0), (2, 2), (3, 0), (4, 0)]);
    assert!(records[1].faults.iter().all(Fault::is_grave));
}

#[test]
fn every_cut_is_seen() {
    let bytes = good();
    let ends: Vec<usize> = {
        let mut at = 0;
        let mut ends = Vec::new();
        while let Some(found) = memchr::memmem::find(&bytes[at + 1..], b"WARC/1.1\r\n") {
            at += 1 + found;
            ends.push(at);
        }
        ends
    };
    for cut in 1..bytes.len() {
        let outcome = all(&bytes[..cut]).1;
        if !ends.contains(&cut) {
            assert!(outcome.is_err(), "cut at {cut}");
        }
    }
    let packed = gzip(&bytes);
    for cut in 1..packed.len() {
        assert!(all(&packed[..cut]).1.is_err(), "cut at {cut}");
    }
}

#[test]
fn limits_hold() {
    let bomb = gzip(&record("resource", "WARC-Target-URI: http://x/\r\n", "text/plain", &vec![0; 8 << 20]));
    assert!(matches!(all(&bomb).1, Err(WarcError::Bomb(_))));
    let limits = Limits { records_max: 2, ..Limits::default() };
    assert!(matches!(check(good().as_slice(), &limits, &mut |_| {}), Err(WarcError::TooMany(2))));
    let limits = Limits { bytes_max: 100, ..Limits::default() };
    assert!(matches!(check(good().as_slice(), &limits, &mut |_| {}), Err(WarcError::TooLarge(100))));
    let endless = [b"WARC/1.1\r\nX: ".to_vec(), vec![b'a'; 1 << 17]].concat();
    assert!(matches!(all(&endless).1, Err(WarcError::Malformed { .. })));
}

#[test]
fn the_form_is_judged() {
    assert!(matches!(all(b"PK\x03\x04").1, Err(WarcError::NotWarc)));
    assert!(matches!(all(b"").1, Err(WarcError::NotWarc)));
    assert!(matches!(all(b"WARC/2.0\r\n\r\n").1, Err(WarcError::Malformed { .. })));
    let faults = |bytes: Vec<u8>| all(&bytes).0.remove(0).faults;
    assert_eq!(faults(record("resource", "", "text/plain", b"x")), [Fault::Missing("WARC-Target-URI")]);
    let truncated = record("metadata", "WARC-Truncated: length\r\n", "text/plain", b"x");
    assert_eq!(faults(truncated), [Fault::Truncated("length".into())]);
    let odd = record("metadata", "WARC-Block-Digest: blake3:0\r\n", "text/plain", b"x");
    assert_eq!(faults(odd), [Fault::DigestUnknown { field: "WARC-Block-Digest" }]);
    let headless = record("response", "WARC-Target-URI: http://x/\r\n", "application/http", b"HTTP/1.1 200 OK");
    assert_eq!(faults(headless), [Fault::Http]);
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = all(&bytes);
        let _ = all(&[b"WARC/1.1\r\n".to_vec(), bytes].concat());
    }

    #[test]
    fn any_chunks_of_reading(sizes in proptest::collection::vec(1usize..40, 1..200)) {
        struct Slow<'a>(&'a [u8], std::iter::Cycle<std::vec::IntoIter<usize>>);
        impl std::io::Read for Slow<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let count = self.1.next().unwrap_or(1).min(buffer.len()).min(self.0.len());
                buffer[..count].copy_from_slice(&self.0[..count]);
                self.0 = &self.0[count..];
                Ok(count)
            }
        }
        let bytes = good();
        let mut records = Vec::new();
        let slow = Slow(&bytes, sizes.into_iter().cycle());
        let outcome = check(slow, &Limits::default(), &mut |record| records.push(record));
        prop_assert_eq!(outcome.unwrap(), 4);
        prop_assert!(records.iter().all(|record| record.faults.is_empty()));
    }
}
