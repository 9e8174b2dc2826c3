//! Asking a witness to cosign (C2SP tlog-witness): the body of `add-checkpoint`, read and written.
//!
//! ```text
//! old 20852014\n
//! base64 hash\n      (the consistency proof, at most 63)
//! \n
//! checkpoint, a signed note
//! ```

use super::note::{NOTE_BYTES_MAX, NoteError};
use super::{Hash, decode_hash, encode_hash, parse_decimal};
use thiserror::Error;

/// The media type of the size that a refusal with status 409 tells.
pub const SIZE_MEDIA_TYPE: &str = "text/x.tlog.size";

/// The most hashes of a proof.
pub const PROOF_LINES_MAX: usize = 63;

/// Why a request cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddCheckpointError {
    /// Not of this form.
    #[error("demande de cosignature mal formée : {0}")]
    Malformed(&'static str),
    /// The checkpoint is no signed note.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// A request to cosign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the witness is believed to have cosigned last.
    pub old: u64,
    /// From there to the checkpoint.
    pub proof: Vec<Hash>,
    /// The checkpoint, a signed note.
    pub note: String,
}

impl AddCheckpoint {
    /// Reads a request.
    pub fn parse(body: &str) -> Result<Self, AddCheckpointError> {
        let wrong = AddCheckpointError::Malformed;
        if body.len() > NOTE_BYTES_MAX {
            return Err(wrong("trop longue"));
        }
        let (first, mut rest) = body.split_once('\n').ok_or(wrong("une seule ligne"))?;
        let old = first.strip_prefix("old ").and_then(parse_decimal).ok_or(wrong("« old N » attendu"))?;
        let mut proof = Vec::new();
        loop {
            let (line, after) = rest.split_once('\n').ok_or(wrong("aucune ligne vide avant le point de contrôle"))?;
            rest = after;
            if line.is_empty() {
                break;
            }
            if proof.len() == PROOF_LINES_MAX {
                return Err(wrong("preuve de plus de 63 lignes"));
            }
            proof.push(decode_hash(line).ok_or(wrong("une ligne de la preuve n'est pas un condensat en base64"))?);
        }
        Ok(Self { old, proof, note: rest.to_owned() })
    }

    /// Its text.
    pub fn to_text(&self) -> String {
        let proof: String = self.proof.iter().map(|hash| encode_hash(hash) + "\n").collect();
        format!("old {}\n{proof}\n{}", self.old, self.note)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_request_reads_back() {
        let request =
            AddCheckpoint { old: 7, proof: vec![[1; 32], [2; 32]], note: "o\n9\nx\n\n— o AAAA\n".to_owned() };
        assert_eq!(AddCheckpoint::parse(&request.to_text()), Ok(request));
        for wrong in ["", "old 7", "old 07\n\nx", "old 7\nx\n\nx", "old 7\n", "new 7\n\nx"] {
            assert!(matches!(AddCheckpoint::parse(wrong), Err(AddCheckpointError::Malformed(_))), "{wrong:?}");
        }
        let hash = encode_hash(&[0; 32]);
        // A proof from the empty tree is read: it is the witness that refuses it, with its own status.
        assert!(AddCheckpoint::parse(&format!("old 0\n{hash}\n\nx")).is_ok());
        assert!(AddCheckpoint::parse(&format!("old 1\n{}\nx", format!("{hash}\n").repeat(64))).is_err());
    }
}
