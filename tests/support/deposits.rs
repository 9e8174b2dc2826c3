//! Deposits made, acknowledged or not, and what must be true of the acknowledged ones whatever happened since.
#![allow(dead_code, unreachable_pub, clippy::panic, clippy::expect_used, clippy::unwrap_used)]

use super::daemon::{AGENCY, Archive};
use archiland::package::{Body, Record, entry_of};
use archiland::receipt::Receipt;
use archiland::sequencer::LogReader;
use archiland::spec::tlog::leaf_hash;
use archiland::spec::tlog::proof::{verify_consistency, verify_inclusion};
use archiland::store::{Backend, open_backend};
use archiland::verify::{self, Outcome, Trust};
use bytes::Bytes;
use reqwest::{Client, StatusCode};
use std::collections::BTreeMap;

/// What a depositor holds.
#[derive(Debug, Clone)]
pub struct Asked {
    pub key: String,
    pub content: Bytes,
}

/// A deposit the archive acknowledged.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    pub asked: Asked,
    /// The receipt's bytes.
    pub receipt: Vec<u8>,
}

/// How one attempt ended.
pub enum Attempt {
    Acknowledged(Vec<u8>),
    /// No answer, or one that says to try again.
    Again(String),
}

impl Asked {
    /// The same bytes for the same number, none alike; most are small, some are over a MiB.
    pub fn number(n: u64) -> Self {
        let len = if n % 23 == 22 { (1 << 20) + 4321 } else { 150 + usize::try_from(n * 7919 % 6000).unwrap() };
        let line = format!("pièce comptable n° {n} ; ");
        let mut content = line.into_bytes().repeat(len / 20 + 1);
        content.truncate(len);
        content.extend_from_slice(&n.to_be_bytes());
        Self { key: format!("depot-{n}"), content: content.into() }
    }

    /// Deposits it once.
    ///
    /// # Panics
    ///
    /// When the archive refuses it for good: nothing in it is wrong.
    pub async fn deposit(&self, client: &Client, archive: &Archive) -> Attempt {
        let answer = client
            .post(archive.url("/v1/deposits"))
            .bearer_auth(&archive.secret)
            .header("idempotency-key", &self.key)
            .header("archiland-title", &self.key)
            .header("archiland-type", "piece-comptable")
            .header("archiland-name", "piece.txt")
            .header("content-type", "text/plain")
            .body(self.content.clone())
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Attempt::Again(error.to_string()),
        };
        let status = answer.status();
        match answer.bytes().await {
            Ok(body) if matches!(status, StatusCode::OK | StatusCode::CREATED) => Attempt::Acknowledged(body.to_vec()),
            Ok(body) if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Attempt::Again(format!("{status} {}", String::from_utf8_lossy(&body)))
            }
            Ok(body) => panic!("refused for good: {status} {}", String::from_utf8_lossy(&body)),
            Err(error) => Attempt::Again(error.to_string()),
        }
    }
}

/// Every acknowledged deposit has a receipt that verifies with no network, against the document itself.
pub fn receipts_verify(archive: &Archive, acknowledged: &[Acknowledged]) {
    let trust = trust(archive);
    for Acknowledged { asked, receipt } in acknowledged {
        let receipt =
            Receipt::parse(receipt).unwrap_or_else(|error| panic!("{}: unreadable receipt: {error}", asked.key));
        let file = archive.path().join("document-to-verify");
        std::fs::write(&file, &asked.content).unwrap();
        let report = verify::file(&file, &receipt, &trust);
        assert_eq!(report.outcome, Outcome::Valid, "{}: {report:?}", asked.key);
    }
}

/// The bucket, read without the daemon: every acknowledged record is at its place, no deposit is there twice, and every
/// checkpoint handed out is a prefix of the log.
pub async fn nothing_is_missing(archive: &Archive, acknowledged: &[Acknowledged]) {
    let objects = open_backend(&Backend::Local(archive.bucket())).unwrap();
    let reader = LogReader::new(objects);
    let published = reader.published().await.expect("a readable log");
    let records = reader.records(0..published.size, published.size).await.expect("readable records");
    let mut keys = BTreeMap::new();
    for (index, bytes) in records.iter().enumerate() {
        let (at, size) = (index as u64, published.size);
        let proof = reader.inclusion(at, size).await.unwrap();
        let leaf = leaf_hash(&entry_of(bytes));
        assert_eq!(verify_inclusion(at, &leaf, size, &proof, &published.root), Ok(()), "entry {index}");
        let record = Record::parse(bytes).unwrap_or_else(|error| panic!("record {index}: {error}"));
        if let Body::Deposit(deposit) = record.body
            && let Some(key) = deposit.idempotency
            && let Some(first) = keys.insert(key, index)
        {
            panic!("the same deposit is archived twice, at {first} and at {index}");
        }
    }
    let mut roots = BTreeMap::new();
    for Acknowledged { asked, receipt } in acknowledged {
        let receipt = Receipt::parse(receipt).unwrap();
        let index = usize::try_from(receipt.index).unwrap();
        let kept = records.get(index).unwrap_or_else(|| panic!("{}: record {index} is missing", asked.key));
        assert_eq!(*kept, receipt.record, "{}: another record stands at {index}", asked.key);
        let checkpoint = receipt.unverified_checkpoint().unwrap();
        let known = roots.entry(checkpoint.size).or_insert(checkpoint.root);
        assert_eq!(*known, checkpoint.root, "two roots of size {}", checkpoint.size);
    }
    for (size, root) in roots {
        let proof = reader.consistency(size, published.size).await.expect("a consistency proof");
        verify_consistency(size, published.size, &proof, &root, &published.root)
            .unwrap_or_else(|error| panic!("the checkpoint of {size} is not a prefix of {}: {error}", published.size));
    }
}

/// The running archive gives back each document and, to a retry, the same receipt's record.
pub async fn documents_come_back(archive: &Archive, acknowledged: &[Acknowledged]) {
    let client = Client::new();
    for Acknowledged { asked, receipt } in acknowledged {
        let receipt = Receipt::parse(receipt).unwrap();
        let ark = receipt.archive.to_string();
        let name = ark.rsplit('/').next().unwrap();
        let url = archive.url(&format!("/v1/archives/{name}/payloads/0"));
        let answer = client.get(url).bearer_auth(&archive.secret).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{}", asked.key);
        assert!(answer.bytes().await.unwrap() == asked.content, "{}: another document comes back", asked.key);
        match asked.deposit(&client, archive).await {
            Attempt::Acknowledged(again) => {
                let again = Receipt::parse(&again).unwrap();
                assert_eq!(
                    (again.index, &again.record),
                    (receipt.index, &receipt.record),
                    "{}: a retry made another archive of {AGENCY}",
                    asked.key
                );
            }
            Attempt::Again(why) => panic!("{}: a healthy archive asks to come back: {why}", asked.key),
        }
    }
}

fn trust(archive: &Archive) -> Trust {
    let text = std::fs::read_to_string(archive.path().join("keys/trust.toml")).expect("trust.toml");
    Trust::parse(&text).expect("a trust file")
}
