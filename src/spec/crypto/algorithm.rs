//! Signature algorithms as CMS, X.509 and XMLDSig name them (RFC 3279, 4055, 5758, 8410, 9231; BSI TR-03111).

use super::{DigestAlgorithm, Unsupported};
use crate::spec::cms::asn1::{Reader, dotted, tag};
use std::fmt;

/// A signature algorithm. The curve of an elliptic-curve signature is a matter of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 (RFC 8017 § 8.2)
    RsaPkcs1(DigestAlgorithm),
    /// RSASSA-PSS (RFC 8017 § 8.1)
    RsaPss(PssParameters),
    /// ECDSA (FIPS 186-5)
    Ecdsa(DigestAlgorithm),
    /// DSA: recognised, never computed.
    Dsa(DigestAlgorithm),
    /// Ed25519 (RFC 8032), which hashes by itself
    Ed25519,
    /// Ed448: recognised, never computed.
    Ed448,
}

/// The parameters of RSASSA-PSS (RFC 4055 § 3.1); the trailer field is always 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PssParameters {
    /// Digest of the message
    pub digest: DigestAlgorithm,
    /// Digest inside MGF1
    pub mgf_digest: DigestAlgorithm,
    /// Length of the salt, in bytes
    pub salt_bytes: usize,
}

impl PssParameters {
    /// The usual parameters: the same digest in MGF1, a salt as long as the digest.
    pub fn usual(digest: DigestAlgorithm) -> Self {
        Self { digest, mgf_digest: digest, salt_bytes: digest.size() }
    }
}

type Make = fn(DigestAlgorithm) -> SignatureAlgorithm;

/// Identifiers that name a scheme and a digest.
const COMBINED: [(&str, Make, DigestAlgorithm); 36] = {
    use DigestAlgorithm as D;
    use SignatureAlgorithm::{Dsa, Ecdsa, RsaPkcs1};
    [
        ("1.2.840.113549.1.1.4", RsaPkcs1, D::Md5),
        ("1.2.840.113549.1.1.5", RsaPkcs1, D::Sha1),
        ("1.3.14.3.2.29", RsaPkcs1, D::Sha1),
        ("1.2.840.113549.1.1.14", RsaPkcs1, D::Sha224),
        ("1.2.840.113549.1.1.11", RsaPkcs1, D::Sha256),
        ("1.2.840.113549.1.1.12", RsaPkcs1, D::Sha384),
        ("1.2.840.113549.1.1.13", RsaPkcs1, D::Sha512),
        ("2.16.840.1.101.3.4.3.13", RsaPkcs1, D::Sha3_224),
        ("2.16.840.1.101.3.4.3.14", RsaPkcs1, D::Sha3_256),
        ("2.16.840.1.101.3.4.3.15", RsaPkcs1, D::Sha3_384),
        ("2.16.840.1.101.3.4.3.16", RsaPkcs1, D::Sha3_512),
        ("1.3.36.3.3.1.2", RsaPkcs1, D::Ripemd160),
        ("1.2.840.10045.4.1", Ecdsa, D::Sha1),
        ("1.2.840.10045.4.3.1", Ecdsa, D::Sha224),
        ("1.2.840.10045.4.3.2", Ecdsa, D::Sha256),
        ("1.2.840.10045.4.3.3", Ecdsa, D::Sha384),
        ("1.2.840.10045.4.3.4", Ecdsa, D::Sha512),
        ("2.16.840.1.101.3.4.3.9", Ecdsa, D::Sha3_224),
        ("2.16.840.1.101.3.4.3.10", Ecdsa, D::Sha3_256),
        ("2.16.840.1.101.3.4.3.11", Ecdsa, D::Sha3_384),
        ("2.16.840.1.101.3.4.3.12", Ecdsa, D::Sha3_512),
        ("0.4.0.127.0.7.1.1.4.1.1", Ecdsa, D::Sha1),
        ("0.4.0.127.0.7.1.1.4.1.2", Ecdsa, D::Sha224),
        ("0.4.0.127.0.7.1.1.4.1.3", Ecdsa, D::Sha256),
        ("0.4.0.127.0.7.1.1.4.1.4", Ecdsa, D::Sha384),
        ("0.4.0.127.0.7.1.1.4.1.5", Ecdsa, D::Sha512),
        ("0.4.0.127.0.7.1.1.4.1.6", Ecdsa, D::Ripemd160),
        ("0.4.0.127.0.7.1.1.4.1.8", Ecdsa, D::Sha3_224),
        ("0.4.0.127.0.7.1.1.4.1.9", Ecdsa, D::Sha3_256),
        ("0.4.0.127.0.7.1.1.4.1.10", Ecdsa, D::Sha3_384),
        ("0.4.0.127.0.7.1.1.4.1.11", Ecdsa, D::Sha3_512),
        ("1.2.840.10040.4.3", Dsa, D::Sha1),
        ("2.16.840.1.101.3.4.3.1", Dsa, D::Sha224),
        ("2.16.840.1.101.3.4.3.2", Dsa, D::Sha256),
        ("2.16.840.1.101.3.4.3.3", Dsa, D::Sha384),
        ("2.16.840.1.101.3.4.3.4", Dsa, D::Sha512),
    ]
};

/// Fragments of XMLDSig URIs that name a scheme and a digest, and those of RSASSA-PSS without parameters.
const URIS: [(&str, Make, DigestAlgorithm); 32] = {
    use DigestAlgorithm as D;
    use SignatureAlgorithm::{Dsa, Ecdsa, RsaPkcs1};
    const fn pss(digest: DigestAlgorithm) -> SignatureAlgorithm {
        // A const fn cannot look into the table; `usual` is applied when the row is used.
        SignatureAlgorithm::RsaPss(PssParameters { digest, mgf_digest: digest, salt_bytes: 0 })
    }
    [
        ("http://www.w3.org/2000/09/xmldsig#rsa-sha1", RsaPkcs1, D::Sha1),
        ("http://www.w3.org/2000/09/xmldsig#dsa-sha1", Dsa, D::Sha1),
        ("http://www.w3.org/2009/xmldsig11#dsa-sha256", Dsa, D::Sha256),
        ("http://www.w3.org/2001/04/xmldsig-more#rsa-md5", RsaPkcs1, D::Md5),
        ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha224", RsaPkcs1, D::Sha224),
        ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", RsaPkcs1, D::Sha256),
        ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha384", RsaPkcs1, D::Sha384),
        ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha512", RsaPkcs1, D::Sha512),
        ("http://www.w3.org/2001/04/xmldsig-more#rsa-ripemd160", RsaPkcs1, D::Ripemd160),
        ("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1", Ecdsa, D::Sha1),
        ("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha224", Ecdsa, D::Sha224),
        ("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", Ecdsa, D::Sha256),
        ("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384", Ecdsa, D::Sha384),
        ("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512", Ecdsa, D::Sha512),
        ("http://www.w3.org/2007/05/xmldsig-more#ecdsa-ripemd160", Ecdsa, D::Ripemd160),
        ("http://www.w3.org/2021/04/xmldsig-more#ecdsa-sha3-224", Ecdsa, D::Sha3_224),
        ("http://www.w3.org/2021/04/xmldsig-more#ecdsa-sha3-256", Ecdsa, D::Sha3_256),
        ("http://www.w3.org/2021/04/xmldsig-more#ecdsa-sha3-384", Ecdsa, D::Sha3_384),
        ("http://www.w3.org/2021/04/xmldsig-more#ecdsa-sha3-512", Ecdsa, D::Sha3_512),
        ("http://www.w3.org/2007/05/xmldsig-more#md5-rsa-MGF1", pss, D::Md5),
        ("http://www.w3.org/2007/05/xmldsig-more#sha1-rsa-MGF1", pss, D::Sha1),
        ("http://www.w3.org/2007/05/xmldsig-more#sha224-rsa-MGF1", pss, D::Sha224),
        ("http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1", pss, D::Sha256),
        ("http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1", pss, D::Sha384),
        ("http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1", pss, D::Sha512),
        ("http://www.w3.org/2007/05/xmldsig-more#sha3-224-rsa-MGF1", pss, D::Sha3_224),
        ("http://www.w3.org/2007/05/xmldsig-more#sha3-256-rsa-MGF1", pss, D::Sha3_256),
        ("http://www.w3.org/2007/05/xmldsig-more#sha3-384-rsa-MGF1", pss, D::Sha3_384),
        ("http://www.w3.org/2007/05/xmldsig-more#sha3-512-rsa-MGF1", pss, D::Sha3_512),
        ("http://www.w3.org/2007/05/xmldsig-more#ripemd160-rsa-MGF1", pss, D::Ripemd160),
        ("http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519", |_| SignatureAlgorithm::Ed25519, D::Sha512),
        ("http://www.w3.org/2021/04/xmldsig-more#eddsa-ed448", |_| SignatureAlgorithm::Ed448, D::Sha512),
    ]
};

/// The URI of RSASSA-PSS with explicit parameters (RFC 9231 § 2.3.9): `ds:SignatureMethod` carries `RSAPSSParams`.
pub(super) const RSA_PSS_URI: &str = "http://www.w3.org/2007/05/xmldsig-more#rsa-pss";

impl SignatureAlgorithm {
    /// The algorithm of a CMS SignerInfo (RFC 5652 § 5.3) or a certificate.
    ///
    /// `oid` is the identifier's content octets, `parameters` the DER of the parameters (tag included). `announced` is the
    /// digest that stands beside it in a SignerInfo, for identifiers that name a key only (`rsaEncryption`).
    pub fn from_oid(
        oid: &[u8],
        parameters: Option<&[u8]>,
        announced: Option<DigestAlgorithm>,
    ) -> Result<Self, Unsupported> {
        let name = dotted(oid);
        if let Some((_, make, digest)) = COMBINED.iter().find(|row| row.0 == name) {
            return Ok(make(*digest));
        }
        let announced = || announced.ok_or_else(|| Unsupported(format!("{name} sans condensat")));
        match name.as_str() {
            "1.2.840.113549.1.1.1" => announced().map(Self::RsaPkcs1),
            // id-ecPublicKey, ecdsa-with-specified and BSI's ecdsa-plain family used as a bare name.
            "1.2.840.10045.2.1" | "1.2.840.10045.4.3" => announced().map(Self::Ecdsa),
            "1.2.840.10040.4.1" => announced().map(Self::Dsa),
            "1.2.840.113549.1.1.10" => pss(parameters).map(Self::RsaPss),
            "1.3.101.112" => Ok(Self::Ed25519),
            "1.3.101.113" => Ok(Self::Ed448),
            _ => Err(Unsupported(name)),
        }
    }

    /// The algorithm of an AlgorithmIdentifier (RFC 5280 § 4.1.1.2), DER.
    pub fn from_der(identifier: &[u8], announced: Option<DigestAlgorithm>) -> Result<Self, Unsupported> {
        let unreadable = |_| Unsupported("identifiant d'algorithme illisible".to_owned());
        let mut fields = Reader::new(identifier).sequence("un identifiant d'algorithme").map_err(unreadable)?;
        let oid = fields.oid("un identifiant d'objet d'algorithme").map_err(unreadable)?;
        let parameters = if fields.is_empty() { None } else { Some(fields.any().map_err(unreadable)?.raw) };
        Self::from_oid(oid, parameters, announced)
    }

    /// The algorithm of an XMLDSig `SignatureMethod` URI (RFC 9231); `pss` are the parameters read from
    /// `RSAPSSParams`, for the URI that has them.
    pub fn from_uri(uri: &str, pss: Option<PssParameters>) -> Result<Self, Unsupported> {
        if uri == RSA_PSS_URI {
            return Ok(Self::RsaPss(pss.unwrap_or_else(|| PssParameters::usual(DigestAlgorithm::Sha256))));
        }
        // Some producers write the 2007 family for SHA-3 ECDSA; only the family differs.
        let alias = uri.replace("2007/05/xmldsig-more#ecdsa-sha3", "2021/04/xmldsig-more#ecdsa-sha3");
        let row = URIS.iter().find(|row| row.0 == alias).ok_or_else(|| Unsupported(uri.to_owned()))?;
        Ok(match row.1(row.2) {
            Self::RsaPss(parameters) => Self::RsaPss(PssParameters::usual(parameters.digest)),
            other => other,
        })
    }

    /// The digest it applies to the message; `None` for those that hash by themselves.
    pub fn digest(&self) -> Option<DigestAlgorithm> {
        match self {
            Self::RsaPkcs1(digest) | Self::Ecdsa(digest) | Self::Dsa(digest) => Some(*digest),
            Self::RsaPss(parameters) => Some(parameters.digest),
            Self::Ed25519 | Self::Ed448 => None,
        }
    }

    /// The family, as policies name it: `RSA`, `RSA-PSS`, `ECDSA`, `DSA`, `Ed25519`, `Ed448`.
    pub fn family(&self) -> &'static str {
        match self {
            Self::RsaPkcs1(_) => "RSA",
            Self::RsaPss(_) => "RSA-PSS",
            Self::Ecdsa(_) => "ECDSA",
            Self::Dsa(_) => "DSA",
            Self::Ed25519 => "Ed25519",
            Self::Ed448 => "Ed448",
        }
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.digest() {
            Some(digest) => write!(f, "{} {digest}", self.family()),
            None => f.write_str(self.family()),
        }
    }
}

impl serde::Serialize for SignatureAlgorithm {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// RSASSA-PSS-params (RFC 4055 § 3.1), whose absent fields mean SHA-1 and a salt of 20 bytes.
fn pss(parameters: Option<&[u8]>) -> Result<PssParameters, Unsupported> {
    let refused = || Unsupported("RSASSA-PSS avec des paramètres illisibles".to_owned());
    let mut read = PssParameters { digest: DigestAlgorithm::Sha1, mgf_digest: DigestAlgorithm::Sha1, salt_bytes: 20 };
    let Some(parameters) = parameters else { return Ok(read) };
    let mut fields = Reader::new(parameters).sequence("").map_err(|_| refused())?;
    let digest = |reader: &mut Reader<'_>| -> Option<DigestAlgorithm> {
        DigestAlgorithm::from_oid(reader.sequence("").ok()?.oid("").ok()?)
    };
    if let Some(field) = fields.optional(tag::context(0)).map_err(|_| refused())? {
        read.digest = digest(&mut field.reader()).ok_or_else(refused)?;
    }
    if let Some(field) = fields.optional(tag::context(1)).map_err(|_| refused())? {
        let mut mask = field.reader().sequence("").map_err(|_| refused())?;
        let mgf = mask.oid("").map_err(|_| refused())?;
        if dotted(mgf) != "1.2.840.113549.1.1.8" {
            return Err(Unsupported(format!("RSASSA-PSS avec le masque {}", dotted(mgf))));
        }
        read.mgf_digest = digest(&mut mask).ok_or_else(refused)?;
    }
    if let Some(field) = fields.optional(tag::context(2)).map_err(|_| refused())? {
        let salt = field.reader().small("").map_err(|_| refused())?;
        read.salt_bytes = usize::try_from(salt).map_err(|_| refused())?;
    }
    if let Some(field) = fields.optional(tag::context(3)).map_err(|_| refused())?
        && field.reader().small("").ok() != Some(1)
    {
        return Err(Unsupported("RSASSA-PSS avec un champ final autre que 1".to_owned()));
    }
    Ok(read)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_uris_of_pss_take_the_digests_length_as_salt() {
        let algorithm =
            SignatureAlgorithm::from_uri("http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1", None).unwrap();
        assert_eq!(algorithm, SignatureAlgorithm::RsaPss(PssParameters::usual(DigestAlgorithm::Sha384)));
        assert_eq!(algorithm.to_string(), "RSA-PSS SHA-384");
    }

    #[test]
    fn what_is_unknown_is_unsupported_by_its_name() {
        let unknown = SignatureAlgorithm::from_uri("http://www.w3.org/2000/09/xmldsig#hmac-sha1", None);
        assert_eq!(unknown, Err(Unsupported("http://www.w3.org/2000/09/xmldsig#hmac-sha1".to_owned())));
        assert!(SignatureAlgorithm::from_der(&[0x30, 0x03, 0x06, 0x01, 0x2a], None).is_err());
        assert!(SignatureAlgorithm::from_der(&[0x30, 0x80], None).is_err());
    }

    #[test]
    fn pss_without_parameters_means_sha1() {
        let read = pss(None).unwrap();
        assert_eq!((read.digest, read.salt_bytes), (DigestAlgorithm::Sha1, 20));
    }
}
