//! ASiC manifests (EN 319 162-1 § A.4): what a signature, time-stamp or evidence record of the container is about.

use crate::spec::crypto::DigestAlgorithm;
use crate::spec::xml::{Document, Limits, XmlError};
use base64::Engine as _;

/// References of one manifest.
const MAX_ENTRIES: usize = 65_536;
/// The largest manifest, in bytes.
const MAX_BYTES: usize = 64 * 1024 * 1024;
const ASIC: &str = "http://uri.etsi.org/02918/";
const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";

/// Why a manifest cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not XML, or XML that is refused.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// XML, but not a manifest.
    #[error("ce n'est pas un manifeste ASiC")]
    NotManifest,
    /// More references than are looked at.
    #[error("trop de références")]
    TooMany,
}

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The member that applies to it: a signature, a time-stamp, an evidence record.
    pub applies: String,
    /// What it lists.
    pub entries: Vec<Entry>,
}

/// One file it lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The file, as a reference.
    pub uri: String,
    /// The digest's URI.
    pub digest_uri: String,
    /// The digest, when it is known here.
    pub digest: Option<DigestAlgorithm>,
    /// The file's digest.
    pub value: Vec<u8>,
}

impl Manifest {
    /// Reads one.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let limits = Limits { size_bytes_max: MAX_BYTES, depth_max: 32, nodes_max: 1 << 20, ..Limits::default() };
        let document = Document::parse(bytes, &limits)?;
        let root = document.root();
        if root.name() != "ASiCManifest" || !root.namespace().starts_with(ASIC) {
            return Err(ManifestError::NotManifest);
        }
        let mut manifest = Self { applies: String::new(), entries: Vec::new() };
        for child in root.children().filter(|child| child.namespace().starts_with(ASIC)) {
            let uri = child.attribute("URI").unwrap_or_default().into_owned();
            match &*child.name() {
                "SigReference" => manifest.applies = uri,
                "DataObjectReference" => {
                    if manifest.entries.len() == MAX_ENTRIES {
                        return Err(ManifestError::TooMany);
                    }
                    let method = child.child(DSIG, "DigestMethod").and_then(|method| method.attribute("Algorithm"));
                    let digest_uri = method.unwrap_or_default().into_owned();
                    let value = child.child(DSIG, "DigestValue").map(|value| value.text().into_owned());
                    manifest.entries.push(Entry {
                        uri,
                        digest: DigestAlgorithm::from_uri(&digest_uri),
                        digest_uri,
                        value: decode(&value.unwrap_or_default()),
                    });
                }
                _ => {}
            }
        }
        Ok(manifest)
    }
}

/// Base64 with blanks; empty when it is not base64, which no digest equals.
fn decode(text: &str) -> Vec<u8> {
    let compact: String = text.split_whitespace().collect();
    base64::prelude::BASE64_STANDARD.decode(compact).unwrap_or_default()
}
