//! Signed notes (C2SP signed-note): a text and the signature lines under it. Ed25519 (type 0x01) is signed and verified,
//! and so are Ed25519 cosignatures of witnesses (type 0x04, tlog-cosignature).
//!
//! ```text
//! text\n
//! \n
//! — key-name base64(key id ‖ signature)\n
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The longest note read, in bytes.
pub const NOTE_BYTES_MAX: usize = 512 * 1024;

/// The most signature lines read; C2SP asks for 16 at least.
pub const SIGNATURES_MAX: usize = 100;

const TYPE_ED25519: u8 = 0x01;
const TYPE_COSIGNATURE_V1: u8 = 0x04;
const DASH: &str = "— ";

/// Why a key or note cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoteError {
    /// Not of the form `name+id+key`, or the id is not the key's.
    #[error("clé de vérification C2SP mal formée : attendu nom+identifiant+clé en base64")]
    VerifierKey,
    /// A key type that this code does not know.
    #[error("type de clé de vérification inconnu : 0x{0:02x}")]
    KeyType(u8),
    /// Empty, or with a space or a plus sign.
    #[error("nom de clé invalide : ni vide, ni espace, ni « + »")]
    Name,
    /// The private key is no Ed25519 key.
    #[error("clé privée illisible : attendu une clé Ed25519 en PKCS#8")]
    PrivateKey,
    /// The text to sign does not end with a newline, or holds control characters.
    #[error("texte impossible à signer : il doit finir par un saut de ligne et n'avoir aucun caractère de contrôle")]
    Text,
    /// Not a signed note.
    #[error("note signée mal formée : {0}")]
    Malformed(&'static str),
    /// Under a known key's name and id, but not that key's signature of this text.
    #[error("la signature de « {0} » ne correspond pas au texte")]
    Signature(String),
    /// No known key signed.
    #[error("aucune signature d'une clé connue")]
    Unsigned,
}

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// Ed25519 over the text (0x01).
    Ed25519,
    /// A witness's timestamped Ed25519 (0x04).
    CosignatureV1,
}

impl KeyType {
    fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => TYPE_ED25519,
            Self::CosignatureV1 => TYPE_COSIGNATURE_V1,
        }
    }
}

/// A public key with its name: C2SP's vkey.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    key_type: KeyType,
    public: [u8; 32],
}

impl VerifierKey {
    /// A key by its parts.
    pub fn new(name: &str, key_type: KeyType, public: [u8; 32]) -> Result<Self, NoteError> {
        if !name_is_valid(name) {
            return Err(NoteError::Name);
        }
        Ok(Self { name: name.to_owned(), id: key_id(name, key_type, &public), key_type, public })
    }

    /// Reads `name+id+base64(type ‖ key)`.
    pub fn parse(vkey: &str) -> Result<Self, NoteError> {
        // A base64 key may hold plus signs; a name may not.
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::VerifierKey);
        };
        let bytes =
            (key.len() < 8 * 1024).then(|| STANDARD.decode(key).ok()).flatten().ok_or(NoteError::VerifierKey)?;
        let (&kind, public) = bytes.split_first().ok_or(NoteError::VerifierKey)?;
        let key_type = match kind {
            TYPE_ED25519 => KeyType::Ed25519,
            TYPE_COSIGNATURE_V1 => KeyType::CosignatureV1,
            other => return Err(NoteError::KeyType(other)),
        };
        let key = Self::new(name, key_type, public.try_into().map_err(|_| NoteError::VerifierKey)?)?;
        if id == hex::encode(key.id) { Ok(key) } else { Err(NoteError::VerifierKey) }
    }

    /// The key's name; for a log, its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256(name ‖ 0x0A ‖ type ‖ key)\[:4\].
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// How it signs.
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The Ed25519 public key.
    pub fn public_key(&self) -> &[u8; 32] {
        &self.public
    }

    /// Checks a signature (without the key id) of a note text; gives the time of a cosignature, in POSIX seconds.
    pub fn verify(&self, text: &str, signature: &[u8]) -> Result<Option<u64>, NoteError> {
        let failed = || NoteError::Signature(self.name.clone());
        let key = UnparsedPublicKey::new(&ED25519, &self.public);
        match self.key_type {
            KeyType::Ed25519 => {
                key.verify(text.as_bytes(), signature).map_err(|_| failed())?;
                Ok(None)
            }
            KeyType::CosignatureV1 => {
                let (time, signature) = signature.split_first_chunk::<8>().ok_or_else(failed)?;
                let time = u64::from_be_bytes(*time);
                if i64::try_from(time).is_err() {
                    return Err(failed());
                }
                key.verify(cosigned_message(time, text).as_bytes(), signature).map_err(|_| failed())?;
                Ok(Some(time))
            }
        }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![self.key_type.byte()];
        key.extend_from_slice(&self.public);
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id), STANDARD.encode(key))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(vkey: &str) -> Result<Self, NoteError> {
        Self::parse(vkey)
    }
}

/// An Ed25519 private key with its name.
pub struct NoteSigner {
    vkey: VerifierKey,
    pair: Ed25519KeyPair,
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSigner({})", self.vkey)
    }
}

impl NoteSigner {
    /// A signer from a PKCS#8 DER document, with or without the public key (openssl writes none).
    pub fn from_pkcs8(name: &str, der: &[u8]) -> Result<Self, NoteError> {
        Self::new(name, Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| NoteError::PrivateKey)?)
    }

    /// A signer from the 32-byte private key of RFC 8032.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        Self::new(name, Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteError::PrivateKey)?)
    }

    fn new(name: &str, pair: Ed25519KeyPair) -> Result<Self, NoteError> {
        let public = pair.public_key().as_ref().try_into().map_err(|_| NoteError::PrivateKey)?;
        Ok(Self { vkey: VerifierKey::new(name, KeyType::Ed25519, public)?, pair })
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        self.vkey.name()
    }

    /// The public half.
    pub fn vkey(&self) -> &VerifierKey {
        &self.vkey
    }

    /// The whole signed note of a text.
    pub fn sign(&self, text: &str) -> Result<String, NoteError> {
        if !text_is_valid(text) {
            return Err(NoteError::Text);
        }
        let line = signature_line(&self.vkey, self.pair.sign(text.as_bytes()).as_ref());
        Ok(format!("{text}\n{line}"))
    }
}

/// A witness's Ed25519 private key with its name (C2SP tlog-cosignature, `cosignature/v1`).
pub struct Cosigner {
    vkey: VerifierKey,
    pair: Ed25519KeyPair,
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cosigner({})", self.vkey)
    }
}

impl Cosigner {
    /// A witness from a PKCS#8 DER document.
    pub fn from_pkcs8(name: &str, der: &[u8]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| NoteError::PrivateKey)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| NoteError::PrivateKey)?;
        Ok(Self { vkey: VerifierKey::new(name, KeyType::CosignatureV1, public)?, pair })
    }

    /// The public half.
    pub fn vkey(&self) -> &VerifierKey {
        &self.vkey
    }

    /// The signature line over a note's text at `time` (POSIX seconds), with its newline.
    pub fn cosign(&self, text: &str, time: u64) -> Result<String, NoteError> {
        if !text_is_valid(text) || i64::try_from(time).is_err() {
            return Err(NoteError::Text);
        }
        let signature = self.pair.sign(cosigned_message(time, text).as_bytes());
        Ok(signature_line(&self.vkey, &[&time.to_be_bytes(), signature.as_ref()].concat()))
    }
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Name of the key.
    pub name: String,
    /// Id of the key.
    pub id: [u8; 4],
    /// What follows the id; its form is the key type's.
    pub bytes: Vec<u8>,
}

impl Signature {
    /// Whether it is as long as a timestamped Ed25519 cosignature (8 bytes of time, 64 of signature), which no Ed25519
    /// signature of a log is.
    pub fn has_cosignature_form(&self) -> bool {
        self.bytes.len() == 8 + 64
    }
}

/// A note whose signatures nobody has checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The text, with its last newline.
    pub text: String,
    /// The signature lines, in order.
    pub signatures: Vec<Signature>,
}

/// A signature that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<'k> {
    /// The key that signed.
    pub key: &'k VerifierKey,
    /// When a witness cosigned, in POSIX seconds.
    pub cosigned_at: Option<u64>,
}

impl Note {
    /// Reads a note; says nothing about its signatures.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        let wrong = NoteError::Malformed;
        if note.len() > NOTE_BYTES_MAX {
            return Err(wrong("trop longue"));
        }
        if note.bytes().any(|b| b < 0x20 && b != b'\n') {
            return Err(wrong("caractère de contrôle"));
        }
        let split = note.rfind("\n\n").ok_or(wrong("aucune ligne vide avant les signatures"))?;
        let (text, lines) = (&note[..=split], &note[split + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(wrong("la dernière ligne n'est pas terminée"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == SIGNATURES_MAX {
                return Err(wrong("trop de signatures"));
            }
            signatures.push(parse_signature(line).ok_or(wrong("ligne de signature"))?);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Checks the signatures of known keys: each must hold, and there must be one. Lines of unknown keys are passed over,
    /// and so is a key's second line.
    pub fn open<'k>(&self, keys: &'k [VerifierKey]) -> Result<Vec<Verified<'k>>, NoteError> {
        let mut verified: Vec<Verified<'k>> = Vec::new();
        for signature in &self.signatures {
            let Some(key) = keys.iter().find(|k| k.id == signature.id && k.name == signature.name) else { continue };
            if verified.iter().any(|v| v.key == key) {
                continue;
            }
            let cosigned_at = key.verify(&self.text, &signature.bytes)?;
            verified.push(Verified { key, cosigned_at });
        }
        if verified.is_empty() { Err(NoteError::Unsigned) } else { Ok(verified) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|s| {
            let bytes = [&s.id, s.bytes.as_slice()].concat();
            writeln!(f, "{DASH}{} {}", s.name, STANDARD.encode(bytes))
        })
    }
}

/// The signature line of a key, with its newline.
fn signature_line(key: &VerifierKey, signature: &[u8]) -> String {
    format!("{DASH}{} {}\n", key.name, STANDARD.encode([&key.id, signature].concat()))
}

fn parse_signature(line: &str) -> Option<Signature> {
    let (name, signature) = line.strip_prefix(DASH)?.split_once(' ')?;
    let bytes = STANDARD.decode(signature).ok()?;
    let (id, bytes) = bytes.split_first_chunk::<4>()?;
    if !name_is_valid(name) || bytes.is_empty() {
        return None;
    }
    Some(Signature { name: name.to_owned(), id: *id, bytes: bytes.to_vec() })
}

fn name_is_valid(name: &str) -> bool {
    !name.is_empty() && name.len() <= 1024 && !name.contains(|c: char| c.is_whitespace() || c == '+' || c < '\u{20}')
}

fn text_is_valid(text: &str) -> bool {
    text.ends_with('\n') && text.len() < NOTE_BYTES_MAX / 2 && !text.bytes().any(|b| b < 0x20 && b != b'\n')
}

fn key_id(name: &str, key_type: KeyType, public: &[u8; 32]) -> [u8; 4] {
    let message = [name.as_bytes(), b"\n", &[key_type.byte()], public].concat();
    let mut id = [0; 4];
    id.copy_from_slice(&digest(&SHA256, &message).as_ref()[..4]);
    id
}

fn cosigned_message(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    // The example of golang.org/x/mod/sumdb/note.
    const NEUMANN: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NEUMANN_SEED: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const NEUMANN_TEXT: &str =
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const NEUMANN_NOTE: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    fn neumann() -> NoteSigner {
        let key = STANDARD.decode(NEUMANN_SEED).unwrap();
        NoteSigner::from_seed("PeterNeumann", key[1..].try_into().unwrap()).unwrap()
    }

    #[test]
    fn published_note() {
        let key = VerifierKey::parse(NEUMANN).unwrap();
        assert_eq!(
            (key.to_string().as_str(), key.name(), key.id()),
            (NEUMANN, "PeterNeumann", [0xc7, 0x4f, 0x20, 0xa3])
        );
        assert_eq!(*neumann().vkey(), key);
        assert_eq!(neumann().sign(NEUMANN_TEXT).unwrap(), NEUMANN_NOTE);
        let note = Note::parse(NEUMANN_NOTE).unwrap();
        assert_eq!(note.text, NEUMANN_TEXT);
        assert_eq!(note.to_string(), NEUMANN_NOTE);
        let keys = [key];
        assert_eq!(note.open(&keys).unwrap()[0].key, &keys[0]);
        let sumdb = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
        assert_eq!(VerifierKey::parse(sumdb).unwrap().to_string(), sumdb);
    }

    #[test]
    fn what_is_not_signed_by_a_known_key() {
        let note = Note::parse(NEUMANN_NOTE).unwrap();
        assert_eq!(note.open(&[]), Err(NoteError::Unsigned));
        let same_name = VerifierKey::new("PeterNeumann", KeyType::Ed25519, [7; 32]).unwrap();
        assert_eq!(note.open(&[same_name]), Err(NoteError::Unsigned));
        let changed = Note { text: note.text.replace("answer", "anwser"), ..note };
        assert_eq!(changed.open(&[neumann().vkey().clone()]), Err(NoteError::Signature("PeterNeumann".into())));
    }

    #[test]
    fn a_wrong_signature_beside_a_good_one_refuses_the_note() {
        let other = NoteSigner::from_seed("autre.example/journal", &[9; 32]).unwrap();
        let line = other.sign("un autre texte\n").unwrap();
        let line = line.lines().last().unwrap();
        let note = Note::parse(&format!("{NEUMANN_NOTE}{line}\n")).unwrap();
        let keys = [neumann().vkey().clone(), other.vkey().clone()];
        assert_eq!(note.open(&keys), Err(NoteError::Signature("autre.example/journal".into())));
        assert_eq!(note.open(&keys[..1]).unwrap().len(), 1);
    }

    #[test]
    fn cosignatures() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        let witness = VerifierKey::new("temoin.example/t1", KeyType::CosignatureV1, public).unwrap();
        assert_eq!(VerifierKey::parse(&witness.to_string()).unwrap(), witness);
        let text = "journal.example/a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let message =
            "cosignature/v1\ntime 1679315147\njournal.example/a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let signature = [&1_679_315_147u64.to_be_bytes(), pair.sign(message.as_bytes()).as_ref()].concat();
        assert_eq!(witness.verify(text, &signature), Ok(Some(1_679_315_147)));
        let mut later = signature.clone();
        later[7] ^= 1;
        assert!(witness.verify(text, &later).is_err());
        assert!(witness.verify(text, &signature[8..]).is_err());
        let note = Note::parse(&format!("{text}\n{}", signature_line(&witness, &signature))).unwrap();
        assert_eq!(note.open(&[witness]).unwrap()[0].cosigned_at, Some(1_679_315_147));
    }

    #[test]
    fn malformed_keys_and_notes() {
        for wrong in [
            "",
            "a",
            "a+b+c",
            "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            " +00000000+AQ==",
            "x+00000000+",
        ] {
            assert!(VerifierKey::parse(wrong).is_err(), "{wrong:?}");
        }
        let line = NEUMANN_NOTE.lines().last().unwrap();
        for wrong in [
            "",
            "\n",
            "\n\n",
            "a\n",
            "a\n\n",
            "a\n\n\n",
            "a\n\nb\n",
            "a\n\n— n \n",
            "a\n\n— n AAAA\n",
            "a\n\n— n AAAAAA==\n",
            "a\r\n\n— n AAAAAAA=\n",
            "a\n\n—  AAAAAAA=\n",
            "a\n\n— n+m AAAAAAA=\n",
            "a\n\n- n AAAAAAA=\n",
            "a\n\n— n AAAAAAA=",
        ] {
            assert!(Note::parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(Note::parse("a\n\n— n AAAAAAA=\n").is_ok());
        assert!(Note::parse(&format!("a\n\n{}", format!("{line}\n").repeat(100))).is_ok());
        assert!(Note::parse(&format!("a\n\n{}", format!("{line}\n").repeat(101))).is_err());
        assert_eq!(neumann().sign("no newline"), Err(NoteError::Text));
        assert_eq!(neumann().sign("tab\t\n"), Err(NoteError::Text));
    }

    proptest! {
        #[test]
        fn what_is_signed_opens(text in "[^\\x00-\\x09\\x0b-\\x1f]{0,60}", name in "[a-z./]{1,20}", seed: [u8; 32]) {
            let signer = NoteSigner::from_seed(&name, &seed).unwrap();
            let text = format!("{text}\n");
            let note = Note::parse(&signer.sign(&text).unwrap()).unwrap();
            prop_assert_eq!(&note.text, &text);
            prop_assert!(note.open(&[signer.vkey().clone()]).is_ok());
        }

        #[test]
        fn a_note_that_parses_has_one_form(note in "[a\n]{0,6}\n\n(— [an+ ]{1,3} [A=]{4,12}\n){0,3}") {
            if let Ok(parsed) = Note::parse(&note) {
                prop_assert_eq!(parsed.to_string(), note);
            }
        }
    }
}
