//! Checkpoints (C2SP tlog-checkpoint): what a log says of its tree, as the text of a signed note.
//!
//! Extension lines are read past and never written: ML-DSA cosignatures leave them out and witnesses refuse them.

use super::note::{Note, NoteError, VerifierKey};
use super::{Hash, decode_hash, encode_hash, parse_decimal};
use thiserror::Error;

/// Why a note is no checkpoint to rely on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// Not origin, size and root.
    #[error("point de contrôle mal formé : {0}")]
    Malformed(&'static str),
    /// Another log's.
    #[error("point de contrôle du journal « {found} » au lieu de « {expected} »")]
    Origin {
        /// The log asked about.
        expected: String,
        /// The log that speaks.
        found: String,
    },
    /// The note does not open.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// The state of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name, a URL without scheme.
    pub origin: String,
    /// Leaves in the tree.
    pub size: u64,
    /// Root of the tree.
    pub root: Hash,
}

impl Checkpoint {
    /// The three lines that get signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, encode_hash(&self.root))
    }

    /// Reads a note's text (without signatures).
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let wrong = CheckpointError::Malformed;
        let text = text.strip_suffix('\n').ok_or(wrong("la dernière ligne n'est pas terminée"))?;
        let mut lines = text.split('\n');
        let origin = lines.next().filter(|l| !l.is_empty()).ok_or(wrong("origine absente"))?;
        let size = lines.next().and_then(parse_decimal).ok_or(wrong("taille illisible"))?;
        let root = lines.next().and_then(decode_hash).ok_or(wrong("racine illisible"))?;
        if lines.any(str::is_empty) {
            return Err(wrong("ligne d'extension vide"));
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }

    /// Reads a signed note that one of `keys` signed for the log `origin`.
    pub fn open(note: &str, origin: &str, keys: &[VerifierKey]) -> Result<Self, CheckpointError> {
        let note = Note::parse(note)?;
        note.open(keys)?;
        let checkpoint = Self::parse(&note.text)?;
        if checkpoint.origin == origin {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::Origin { expected: origin.to_owned(), found: checkpoint.origin })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::note::NoteSigner;
    use super::*;
    use proptest::prelude::*;

    const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn published_example() {
        let checkpoint = Checkpoint::parse(EXAMPLE).unwrap();
        assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
        assert_eq!(checkpoint.text(), EXAMPLE);
        assert_eq!(Checkpoint::parse(&format!("{EXAMPLE}extension\n")), Ok(checkpoint));
    }

    #[test]
    fn malformed() {
        for wrong in [
            "",
            "\n",
            "a\n",
            "a\n1\n",
            "\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
            "a\n01\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
            "a\n+1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
            "a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n",
            "a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n",
            "a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
            "a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n",
        ] {
            assert!(Checkpoint::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn only_the_log_itself_is_believed() {
        let signer = NoteSigner::from_seed("journal.example/a", &[3; 32]).unwrap();
        let keys = [signer.vkey().clone()];
        let checkpoint = Checkpoint { origin: "journal.example/a".into(), size: 7, root: [1; 32] };
        let note = signer.sign(&checkpoint.text()).unwrap();
        assert_eq!(Checkpoint::open(&note, "journal.example/a", &keys), Ok(checkpoint));
        assert!(matches!(Checkpoint::open(&note, "journal.example/b", &keys), Err(CheckpointError::Origin { .. })));
        assert!(matches!(Checkpoint::open(&note, "journal.example/a", &[]), Err(CheckpointError::Note(_))));
    }

    proptest! {
        #[test]
        fn round_trip(origin in "[!-~]{1,40}", size: u64, root: [u8; 32]) {
            let checkpoint = Checkpoint { origin, size, root };
            prop_assert_eq!(Checkpoint::parse(&checkpoint.text()), Ok(checkpoint));
        }
    }
}
