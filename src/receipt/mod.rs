//! What the depositor keeps: the record and everything that proves it is in the log, in one file.
//!
//! A receipt needs nothing else to be checked but the trust file ([`crate::verify`]): no network, no archive. Its JSON
//! form is the whole; the other forms ([`Form`]) are the same proofs as other tools read them.

mod forms;
mod text;
mod zip;

pub use forms::{Form, UnknownForm};
pub(crate) use text::{french_size, french_time, printable};

use crate::package::{Ark, ArkError, RECORD_BYTES_MAX, Record, RecordError};
use crate::spec::tlog::checkpoint::{Checkpoint, CheckpointError};
use crate::spec::tlog::note::Note;
use crate::spec::tlog::proof::PROOF_LEN_MAX;
use crate::spec::tlog::{Hash, decode_hash, encode_hash};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

/// A ZIP file of one small member; `None` when it does not fit the format.
pub(crate) fn zipped(name: &str, content: &[u8]) -> Option<Vec<u8>> {
    let mut zip = zip::Stored::default();
    zip.add(name, content)?;
    zip.finish()
}

/// The longest receipt read, in bytes.
pub const RECEIPT_BYTES_MAX: usize = 1024 * 1024;

/// The most timestamps a receipt carries.
pub const TIMESTAMPS_MAX: usize = 16;

/// Proof that an archive's record is in the log since a known time.
///
/// The timestamps are over the checkpoint's text (origin, size, root: no signature), the seal over the whole signed note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The archive's identifier.
    pub archive: Ark,
    /// Index of the record's entry in the log, from 0.
    pub index: u64,
    /// The record, canonical JSON: the very bytes the log commits to.
    pub record: Bytes,
    /// Inclusion proof, from the leaf's sibling up.
    pub proof: Vec<Hash>,
    /// The checkpoint that the proof leads to: a C2SP signed note.
    pub checkpoint: String,
    /// RFC 3161 responses (DER), at least one.
    pub timestamps: Vec<Bytes>,
    /// CMS SignedData (DER) around the checkpoint.
    pub seal: Bytes,
}

/// Why bytes are no receipt.
#[derive(Debug, Error)]
pub enum ReceiptError {
    /// Longer than [`RECEIPT_BYTES_MAX`].
    #[error("récépissé de {0} octets, au-delà de la limite de {RECEIPT_BYTES_MAX} : ce fichier n'est pas un récépissé")]
    TooLong(usize),
    /// Not JSON of the expected shape.
    #[error("récépissé illisible : {0}")]
    Json(#[from] serde_json::Error),
    /// A format version from the future.
    #[error("version de récépissé {0} inconnue : utilisez une version plus récente d'Archiland")]
    Version(u64),
    /// The identifier is none of ours.
    #[error("champ « archive » : {0}")]
    Archive(#[from] ArkError),
    /// A field that holds something else than it must, by JSON pointer.
    #[error("champ « {pointer} » : {reason}")]
    Field {
        /// JSON pointer.
        pointer: String,
        /// What is wrong, in French.
        reason: &'static str,
    },
}

/// The JSON form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    v: u64,
    archive: String,
    index: u64,
    #[serde(borrow)]
    record: &'a RawValue,
    proof: Vec<String>,
    checkpoint: String,
    timestamps: Vec<String>,
    seal: String,
}

impl Receipt {
    /// Reads the JSON form; says nothing about what it proves. Never panics, whatever the bytes.
    ///
    /// The record may have been reformatted on the way: it is put back in canonical form.
    pub fn parse(json: &[u8]) -> Result<Self, ReceiptError> {
        if json.len() > RECEIPT_BYTES_MAX {
            return Err(ReceiptError::TooLong(json.len()));
        }
        let wire: Wire<'_> = serde_json::from_slice(json)?;
        if wire.v != 1 {
            return Err(ReceiptError::Version(wire.v));
        }
        if wire.proof.len() > PROOF_LEN_MAX {
            return Err(field("/proof", "plus de 64 empreintes"));
        }
        if !(1..=TIMESTAMPS_MAX).contains(&wire.timestamps.len()) {
            return Err(field("/timestamps", "entre 1 et 16 horodatages sont attendus"));
        }
        let hash = |(i, text): (usize, &String)| {
            decode_hash(text).ok_or_else(|| field(format!("/proof/{i}"), "32 octets en base64 sont attendus"))
        };
        let timestamp = |(i, text): (usize, &String)| base64(format!("/timestamps/{i}"), text);
        Ok(Self {
            archive: wire.archive.parse()?,
            index: wire.index,
            record: canonical(wire.record)?,
            proof: wire.proof.iter().enumerate().map(hash).collect::<Result<_, _>>()?,
            checkpoint: wire.checkpoint,
            timestamps: wire.timestamps.iter().enumerate().map(timestamp).collect::<Result<_, _>>()?,
            seal: base64("/seal", &wire.seal)?,
        })
    }

    /// The JSON form, one field a line, so that `sed` finds them (`docs/verify-by-hand.md`).
    pub fn to_json(&self) -> Result<Vec<u8>, ReceiptError> {
        let wire = Wire {
            v: 1,
            archive: self.archive.to_string(),
            index: self.index,
            record: serde_json::from_slice(&self.record)?,
            proof: self.proof.iter().map(encode_hash).collect(),
            checkpoint: self.checkpoint.clone(),
            timestamps: self.timestamps.iter().map(|t| STANDARD.encode(t)).collect(),
            seal: STANDARD.encode(&self.seal),
        };
        let mut json = serde_json::to_vec_pretty(&wire)?;
        json.push(b'\n');
        Ok(json)
    }

    /// The record, as far as this version can read it.
    pub fn record(&self) -> Result<Record, RecordError> {
        Record::parse(&self.record)
    }

    /// What the checkpoint says, whoever signed it: for display; [`crate::verify`] checks it.
    pub fn unverified_checkpoint(&self) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::parse(&Note::parse(&self.checkpoint)?.text)
    }
}

/// The record's canonical bytes.
fn canonical(record: &RawValue) -> Result<Bytes, ReceiptError> {
    let value: serde_json::Value = serde_json::from_str(record.get())?;
    let bytes = serde_json_canonicalizer::to_vec(&value)?;
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(field("/record", "enregistrement de plus de 64 Kio"));
    }
    Ok(bytes.into())
}

fn base64(pointer: impl Into<String>, text: &str) -> Result<Bytes, ReceiptError> {
    STANDARD.decode(text).map(Bytes::from).map_err(|_| field(pointer, "base64 attendu"))
}

fn field(pointer: impl Into<String>, reason: &'static str) -> ReceiptError {
    ReceiptError::Field { pointer: pointer.into(), reason }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// A receipt of the right shape, with nothing in it that proves anything.
    pub(crate) fn shaped() -> Receipt {
        let record = r#"{"actor":"token:t1","agency":"200040475","body":{"content":"ab","document_type":"deliberation","payloads":[{"location":{"length":9,"object":"payload/a.zst","offset":0},"media_type":"application/pdf","name":"délibération.pdf","sha256":"00","sha512":"00","size_bytes":12345}],"rule":"permanent","title":"Délibération n° 12"},"id":"00000000-0000-0000-0000-000000000000","salt":"00","time":"2026-11-23T20:06:13.042Z","type":"deposit","v":1}"#;
        Receipt {
            archive: Ark::new("99999", "c1", 3),
            index: 3,
            record: record.into(),
            proof: vec![[1; 32], [2; 32]],
            checkpoint:
                "journal.example/a\n4\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— journal.example/a AAAAAAA=\n"
                    .into(),
            timestamps: vec![Bytes::from_static(b"\x30\x00")],
            seal: Bytes::from_static(b"\x30\x00"),
        }
    }

    fn json() -> serde_json::Value {
        serde_json::from_slice(&shaped().to_json().unwrap()).unwrap()
    }

    #[test]
    fn json_round_trip_keeps_the_record_byte_for_byte() {
        let json = shaped().to_json().unwrap();
        assert_eq!(Receipt::parse(&json).unwrap(), shaped());
        assert!(json.windows(shaped().record.len()).any(|w| w == shaped().record));
    }

    #[test]
    fn a_reformatted_receipt_is_the_same_receipt() {
        // A tool that pretty-prints (or sorts, or compacts) JSON must not make a proof worthless.
        assert_eq!(Receipt::parse(&serde_json::to_vec(&json()).unwrap()).unwrap(), shaped());
        assert_eq!(Receipt::parse(&serde_json::to_vec_pretty(&json()).unwrap()).unwrap(), shaped());
    }

    #[test]
    fn bad_receipts_are_located() {
        let hash = "A".repeat(43) + "=";
        let cases = [
            ("/v", 2.into(), "version de récépissé 2"),
            ("/archive", "ark:/99999/c1-3-z".into(), "contrôle"),
            ("/index", (-1).into(), "illisible"),
            ("/proof", vec![hash; 65].into(), "/proof"),
            ("/proof/1", "AAAA".into(), "/proof/1"),
            ("/timestamps", serde_json::json!([]), "/timestamps"),
            ("/timestamps", vec!["AAAA"; 17].into(), "/timestamps"),
            ("/timestamps/0", "?".into(), "/timestamps/0"),
            ("/seal", "AAA".into(), "/seal"),
            ("/record", serde_json::json!({"a": "b".repeat(70_000)}), "/record"),
        ];
        for (pointer, value, expected) in cases {
            let mut json = json();
            *json.pointer_mut(pointer).unwrap() = value;
            let error = Receipt::parse(&serde_json::to_vec(&json).unwrap()).unwrap_err().to_string();
            assert!(error.contains(expected), "{pointer}: {error}");
        }
        let mut unknown = json();
        unknown["surprise"] = true.into();
        assert!(Receipt::parse(&serde_json::to_vec(&unknown).unwrap()).is_err());
        assert!(matches!(Receipt::parse(&vec![b' '; RECEIPT_BYTES_MAX + 1]), Err(ReceiptError::TooLong(_))));
        assert!(Receipt::parse(&b"[".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn damaged_receipts_never_panic(at: prop::sample::Index, byte: u8) {
            let mut json = shaped().to_json().unwrap();
            let at = at.index(json.len());
            json[at] = byte;
            if let Ok(receipt) = Receipt::parse(&json) {
                let _ = receipt.to_string();
                prop_assert_eq!(Receipt::parse(&receipt.to_json().unwrap()).unwrap(), receipt);
            }
        }
    }
}
