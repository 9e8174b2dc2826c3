//! Associated Signature Containers (ETSI EN 319 162): the ZIP around them and their manifests. OpenDocument packages,
//! whose signatures are containers' too, are read alike.
//!
//! * [`zip::Archive`] lists the members from the central directory, refuses what tricks are made of, and inflates under
//!   limits;
//! * [`Manifest`] is an ASiCManifest, ASiCArchiveManifest or ASiCEvidenceRecordManifest (§ A.4);
//! * [`Role`] says what a member is, by its name.

mod manifest;
pub mod zip;

pub use manifest::{Entry, Manifest, ManifestError};

/// What a member of a container is (EN 319 162-1 § 4.3.3, § 4.4.3; ODF 1.2 part 3 § 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `mimetype`
    MimeType,
    /// A file that may be signed
    Data,
    /// `META-INF/*signature*.p7s`
    Cades,
    /// `META-INF/*signatures*.xml`: XAdES, OpenDocument
    Xades,
    /// `META-INF/*timestamp*.tst`
    Timestamp,
    /// `META-INF/*evidencerecord*.ers` or `.xml`
    EvidenceRecord,
    /// `META-INF/ASiC*Manifest*.xml`
    Manifest,
    /// `_xmlsignatures/*.xml`: Office Open XML
    OfficeOpenXml,
    /// Anything else in `META-INF`, or a directory
    Other,
}

impl Role {
    /// What the member of this name is.
    pub fn of(name: &str) -> Self {
        if name == "mimetype" {
            return Self::MimeType;
        }
        if name.ends_with('/') {
            return Self::Other;
        }
        let lower = name.to_lowercase();
        let extension = lower.rsplit('.').next().unwrap_or_default();
        let Some(inside) = lower.strip_prefix("meta-inf/") else {
            let office = lower.starts_with("_xmlsignatures/") && extension == "xml";
            return if office { Self::OfficeOpenXml } else { Self::Data };
        };
        match extension {
            "xml" if inside.starts_with("asic") && inside.contains("manifest") => Self::Manifest,
            "p7s" => Self::Cades,
            "ers" | "xml" if inside.contains("evidencerecord") => Self::EvidenceRecord,
            "xml" if inside.contains("signature") => Self::Xades,
            "tst" => Self::Timestamp,
            _ => Self::Other,
        }
    }
}

/// A reference's name as a member's: percent-decoded, without `./` or a leading slash.
pub fn member_name(uri: &str) -> String {
    let decoded = percent_encoding::percent_decode_str(uri).decode_utf8_lossy();
    decoded.trim_start_matches("./").trim_start_matches('/').to_owned()
}

#[cfg(test)]
#[path = "../../../tests/support/zip_maker.rs"]
pub(crate) mod maker;
#[cfg(test)]
mod tests;
