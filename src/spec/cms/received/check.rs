//! Checking one signer: what is digested, whether the arithmetic holds, with which certificate.
//!
//! Every answer is a fact. Nothing is refused here: `intact` says what EN 319 102-1 § 5.2.7 (cryptographic verification)
//! would, and each [`Remark`] says what else a policy must know.

use super::{CertificateReference, SignedData, SignerInfo};
use crate::spec::ber::{CertificateFields, Element, tag};
use crate::spec::cms::asn1::dotted;
use crate::spec::cms::oid;
use crate::spec::crypto::{
    Beginnings, DigestAlgorithm, PublicKey, SignatureAlgorithm, SignatureForm, Unsupported, VerifyError,
};
use std::collections::BTreeMap;

/// Certificates tried for one signer: a name has few, and an attacker could offer hundreds.
const MAX_TRIED: usize = 16;

/// What is signed, in the pieces it stands in: a PDF's byte ranges are two.
#[derive(Debug, Clone, Default)]
pub struct Content<'a>(pub Vec<&'a [u8]>);

impl<'a> Content<'a> {
    /// In one piece.
    pub fn whole(bytes: &'a [u8]) -> Self {
        Self(vec![bytes])
    }

    /// Its length, in bytes.
    pub fn len(&self) -> usize {
        self.0.iter().map(|piece| piece.len()).sum()
    }

    /// Whether it has no octet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The digests of one content, each computed once, however many signers there are.
#[derive(Debug, Clone, Default)]
pub struct Digests<'a> {
    content: Content<'a>,
    /// Of the file whose beginning is the first piece.
    beginnings: Option<&'a Beginnings<'a>>,
    known: BTreeMap<DigestAlgorithm, Result<Vec<u8>, Unsupported>>,
}

impl<'a> Digests<'a> {
    /// Of this content; nothing is computed yet.
    pub fn new(content: Content<'a>) -> Self {
        Self { content, beginnings: None, known: BTreeMap::new() }
    }

    /// Of this content, whose first piece is a beginning of the file of `beginnings`.
    pub fn continuing(content: Content<'a>, beginnings: &'a Beginnings<'a>) -> Self {
        Self { content, beginnings: Some(beginnings), known: BTreeMap::new() }
    }

    /// What is digested.
    pub fn content(&self) -> &Content<'a> {
        &self.content
    }

    /// The digest by `algorithm`.
    pub fn by(&mut self, algorithm: DigestAlgorithm) -> Result<Vec<u8>, Unsupported> {
        let (content, beginnings) = (&self.content, self.beginnings);
        let computed = self.known.entry(algorithm).or_insert_with(|| {
            let (mut hasher, rest) = match (beginnings, content.0.split_first()) {
                (Some(beginnings), Some((first, rest))) => (beginnings.hasher(algorithm, first.len())?, rest),
                _ => (algorithm.hasher()?, content.0.as_slice()),
            };
            for piece in rest {
                hasher.update(piece);
            }
            Ok(hasher.finish())
        });
        computed.clone()
    }
}

/// What the messageDigest attribute says of the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentState {
    /// It is the content's digest.
    Matches,
    /// It is not: the content is another one, or was changed.
    Differs,
    /// There is no content to compare with.
    Missing,
    /// There are no signed attributes: the signature is over the content itself.
    SignedDirectly,
    /// There are signed attributes, and no usable messageDigest among them.
    NoDigest,
    /// The digest algorithm is not computed here.
    Unsupported(String),
}

/// What the arithmetic says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureState {
    /// The signature fits the key and the bytes.
    Valid,
    /// It does not fit any certificate it names.
    Invalid,
    /// No certificate it names is at hand.
    NoCertificate,
    /// The signature is over a content that is not at hand.
    NoContent,
    /// Not an algorithm computed here.
    Unsupported(String),
}

/// Something a policy must know about a signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remark {
    /// The signature's own digest is not the one `digestAlgorithm` announces (RFC 5652 § 5.3).
    DigestAlgorithmDiffers,
    /// `digestAlgorithm` is not in `digestAlgorithms` (RFC 5652 § 5.1).
    DigestNotAnnounced,
    /// CMSAlgorithmProtection names other algorithms (RFC 6211 § 4).
    AlgorithmProtectionFails,
    /// content-type is missing or is not the content's type (RFC 5652 § 11.1).
    ContentTypeDiffers,
    /// message-digest stands several times, or has not one value.
    SeveralDigests,
    /// The attributes hold over the bytes received, not over their DER.
    NotDer,
    /// There are no signed attributes, and the content reads as a set of them: the signature may have been made over
    /// attributes and passed off as one over a document (RFC 5652 § 5.4 keeps the two apart by nothing else).
    LooksLikeAttributes,
    /// No certificate reference is signed: the certificate could be exchanged (RFC 5035 § 5.1).
    NoCertificateReference,
    /// The signed certificate reference names another certificate.
    ReferenceDiffers,
    /// One signed certificate reference fits, another one names another certificate.
    OtherReferenceDiffers,
    /// Its digest fits, its issuer and serial number do not.
    ReferenceIssuerDiffers,
    /// The certificate reference cannot be read, computed, or compared for want of a certificate.
    ReferenceUnreadable,
    /// The identifier names nobody at hand; another certificate at hand made the signature.
    SignerIdDiffers,
}

/// Everything found about one signer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerCheck<'c> {
    /// The content.
    pub content: ContentState,
    /// The arithmetic.
    pub signature: SignatureState,
    /// The certificate whose key made the signature, or else the one the signer names.
    pub certificate: Option<CertificateFields<'c>>,
    /// The signature algorithm, when it is known.
    pub algorithm: Option<SignatureAlgorithm>,
    /// The digest algorithm, when it is known.
    pub digest: Option<DigestAlgorithm>,
    /// What else there is to know.
    pub remarks: Vec<Remark>,
}

impl SignerCheck<'_> {
    /// Whether content and signature both hold, and the structure does not contradict itself; `None` when that could not
    /// be found out.
    pub fn intact(&self) -> Option<bool> {
        use ContentState as C;
        use SignatureState as S;
        let fatal = [
            Remark::DigestAlgorithmDiffers,
            Remark::AlgorithmProtectionFails,
            Remark::ContentTypeDiffers,
            Remark::LooksLikeAttributes,
        ];
        match (&self.content, &self.signature) {
            _ if fatal.iter().any(|remark| self.says(*remark)) => Some(false),
            (C::Differs | C::NoDigest, _) | (_, S::Invalid) => Some(false),
            (C::Matches | C::SignedDirectly, S::Valid) => Some(true),
            _ => None,
        }
    }

    /// Whether this remark was made.
    pub fn says(&self, remark: Remark) -> bool {
        self.remarks.contains(&remark)
    }
}

/// Checks one signer. `content` is what the signature is over: the encapsulated content, or what came beside it;
/// `None` when there is neither. `expected_type` is what the content-type attribute must say (`None` in a
/// counter-signature, which has none: RFC 5652 § 11.4). `certificates` are the candidates.
pub fn check<'c>(
    signer: &SignerInfo<'_>,
    expected_type: Option<&[u8]>,
    content: Option<&mut Digests<'_>>,
    certificates: &[CertificateFields<'c>],
) -> SignerCheck<'c> {
    let digest = DigestAlgorithm::from_oid(signer.digest.oid);
    let algorithm = SignatureAlgorithm::from_der(signer.algorithm.raw, digest);
    let mut remarks = Vec::new();
    attributes(signer, expected_type, &mut remarks);
    if let (Some(announced), Ok(algorithm)) = (digest, &algorithm)
        && algorithm.digest().is_some_and(|used| used != announced)
    {
        remarks.push(Remark::DigestAlgorithmDiffers);
    }
    let mut content_digest = None;
    let content = match (&digest, content) {
        (None, _) => ContentState::Unsupported(dotted(signer.digest.oid)),
        (Some(digest), Some(content)) => match content.by(*digest) {
            Ok(computed) => {
                if signer.signed.is_none() && looks_like_attributes(content.content()) {
                    remarks.push(Remark::LooksLikeAttributes);
                }
                let state = compare(signer, &computed, &mut remarks);
                content_digest = Some(computed);
                state
            }
            Err(unsupported) => ContentState::Unsupported(unsupported.to_string()),
        },
        (Some(_), None) => ContentState::Missing,
    };
    let message = match (&signer.signed, content_digest) {
        (Some(attributes), _) => Message::Attributes(attributes.to_be_signed()),
        (None, Some(digest)) => Message::Digest(digest),
        (None, None) => Message::Nothing,
    };
    let (signature, certificate) = match &algorithm {
        Err(unsupported) => {
            (SignatureState::Unsupported(unsupported.to_string()), certificates.iter().find(|c| signer.sid.names(c)))
        }
        Ok(algorithm) => arithmetic(signer, algorithm, &message, certificates, &mut remarks),
    };
    reference(signer, certificate, &mut remarks);
    remarks.sort_unstable();
    remarks.dedup();
    SignerCheck { content, signature, certificate: certificate.copied(), algorithm: algorithm.ok(), digest, remarks }
}

/// Checks the signer `at` of a SignedData over its own content, or `content` when it has none.
pub fn check_signer<'c>(
    signed: &SignedData<'_>,
    at: usize,
    content: Option<&mut Digests<'_>>,
    certificates: &[CertificateFields<'c>],
) -> Option<SignerCheck<'c>> {
    let signer = signed.signers.get(at)?;
    let mut found = check(signer, Some(signed.content_type), content, certificates);
    if !signed.digest_algorithms.iter().any(|announced| announced.oid == signer.digest.oid) {
        found.remarks.push(Remark::DigestNotAnnounced);
    }
    Some(found)
}

enum Message {
    /// The candidates of what was signed.
    Attributes(Vec<Vec<u8>>),
    /// The content's digest, by the announced algorithm.
    Digest(Vec<u8>),
    Nothing,
}

fn arithmetic<'s, 'c>(
    signer: &SignerInfo<'_>,
    algorithm: &SignatureAlgorithm,
    message: &Message,
    certificates: &'s [CertificateFields<'c>],
    remarks: &mut Vec<Remark>,
) -> (SignatureState, Option<&'s CertificateFields<'c>>) {
    if matches!(message, Message::Nothing) {
        return (SignatureState::NoContent, certificates.iter().find(|c| signer.sid.names(c)));
    }
    let mut verdict = (SignatureState::NoCertificate, None);
    for certificate in certificates.iter().filter(|certificate| signer.sid.names(certificate)).take(MAX_TRIED) {
        match holds(signer, algorithm, message, certificate, remarks) {
            Ok(()) => return (SignatureState::Valid, Some(certificate)),
            Err(error) if verdict.1.is_none() => verdict = (state(error), Some(certificate)),
            Err(_) => {}
        }
    }
    if verdict.1.is_none() {
        // Named by a key identifier that the certificate lacks, or by a name encoded otherwise: the arithmetic decides.
        for certificate in certificates.iter().take(MAX_TRIED) {
            if holds(signer, algorithm, message, certificate, remarks).is_ok() {
                remarks.push(Remark::SignerIdDiffers);
                return (SignatureState::Valid, Some(certificate));
            }
        }
    }
    verdict
}

fn state(error: VerifyError) -> SignatureState {
    match error {
        VerifyError::Mismatch => SignatureState::Invalid,
        VerifyError::Unsupported(unsupported) => SignatureState::Unsupported(unsupported.to_string()),
    }
}

fn holds(
    signer: &SignerInfo<'_>,
    algorithm: &SignatureAlgorithm,
    message: &Message,
    certificate: &CertificateFields<'_>,
    remarks: &mut Vec<Remark>,
) -> Result<(), VerifyError> {
    let Ok(key) = PublicKey::from_spki(certificate.public_key) else {
        return Err(Unsupported("clé publique illisible".to_owned()).into());
    };
    let form = SignatureForm::of_oid(signer.algorithm.oid);
    match message {
        Message::Digest(digest) => key.verify_digest(algorithm, digest, &signer.signature, form),
        Message::Attributes(candidates) => {
            let mut verdict = Err(VerifyError::Mismatch);
            for (at, candidate) in candidates.iter().enumerate() {
                verdict = key.verify(algorithm, candidate, &signer.signature, form);
                if verdict.is_ok() {
                    if at == 0 && candidates.len() > 1 {
                        remarks.push(Remark::NotDer);
                    }
                    break;
                }
            }
            verdict
        }
        Message::Nothing => Err(VerifyError::Mismatch),
    }
}

fn compare(signer: &SignerInfo<'_>, computed: &[u8], remarks: &mut Vec<Remark>) -> ContentState {
    if signer.signed.is_none() {
        return ContentState::SignedDirectly;
    }
    let values: Vec<Element<'_>> =
        signer.signed_attributes(&oid::MESSAGE_DIGEST).flat_map(|attribute| attribute.values.iter().copied()).collect();
    if values.len() > 1 {
        remarks.push(Remark::SeveralDigests);
    }
    match values.as_slice() {
        [value] => match value.octets() {
            Ok(announced) if announced.as_ref() == computed => ContentState::Matches,
            Ok(_) => ContentState::Differs,
            Err(_) => ContentState::NoDigest,
        },
        _ => ContentState::NoDigest,
    }
}

/// Whether a content is the DER of signed attributes: a SET whose members are attributes, message-digest among them.
fn looks_like_attributes(content: &Content<'_>) -> bool {
    let [whole] = content.0.as_slice() else { return false };
    let Ok(set) = Element::only(whole) else { return false };
    let mut members = set.reader();
    let mut digest = false;
    while set.tag == tag::SET && !members.is_empty() {
        let Ok(kind) = members.sequence("").and_then(|mut attribute| attribute.oid("")) else { return false };
        digest |= kind == oid::MESSAGE_DIGEST.as_bytes();
    }
    digest
}

/// The attributes that bind the structure around the signature.
fn attributes(signer: &SignerInfo<'_>, expected_type: Option<&[u8]>, remarks: &mut Vec<Remark>) {
    if signer.signed.is_none() {
        return;
    }
    if let Some(expected) = expected_type {
        let said: Vec<&[u8]> = signer
            .signed_attributes(&oid::CONTENT_TYPE)
            .flat_map(|attribute| attribute.values.iter().map(|value| value.value))
            .collect();
        if said.as_slice() != [expected] {
            remarks.push(Remark::ContentTypeDiffers);
        }
    }
    if let Some(value) = signer.signed_value(&oid::ALGORITHM_PROTECTION)
        && protection(signer, &value).is_none()
    {
        remarks.push(Remark::AlgorithmProtectionFails);
    }
}

/// CMSAlgorithmProtection: `SEQUENCE { digestAlgorithm, [1] signatureAlgorithm, [2] macAlgorithm }`. Digest parameters
/// may be absent on one side and NULL on the other.
fn protection(signer: &SignerInfo<'_>, value: &Element<'_>) -> Option<()> {
    let mut fields = value.reader();
    let digest = super::AlgorithmId::read(&mut fields).ok()?;
    let signature = fields.expect(tag::context(1), "").ok()?;
    let mut inside = signature.reader();
    let kind = inside.oid("").ok()?;
    let parameters = if inside.is_empty() { None } else { Some(inside.any().ok()?.raw) };
    let plain = |parameters: Option<&[u8]>| matches!(parameters, None | Some([tag::NULL, 0]));
    let same_parameters =
        parameters == signer.algorithm.parameters || (plain(parameters) && plain(signer.algorithm.parameters));
    (digest.oid == signer.digest.oid && kind == signer.algorithm.oid && same_parameters).then_some(())
}

/// The signed references to the signer's certificate. Where several attributes refer, one that fits is enough: all of
/// them are signed.
fn reference(signer: &SignerInfo<'_>, certificate: Option<&CertificateFields<'_>>, remarks: &mut Vec<Remark>) {
    let kinds =
        [(oid::SIGNING_CERTIFICATE_V2, DigestAlgorithm::Sha256), (oid::SIGNING_CERTIFICATE, DigestAlgorithm::Sha1)];
    let mut found = Vec::new();
    for (kind, default) in kinds {
        for value in signer.signed_attributes(&kind).flat_map(|attribute| &attribute.values) {
            let references = CertificateReference::read_all(value, default).unwrap_or_default();
            // The first one is the signer's own; the others restrict the path.
            let fit = certificate.and_then(|certificate| references.first().map(|first| first.fit(certificate)));
            found.push(match fit.map(|fit| (fit.digest, fit.issuer_serial)) {
                None | Some((None, _)) => Some(Remark::ReferenceUnreadable),
                Some((Some(false), _)) => Some(Remark::ReferenceDiffers),
                Some((Some(true), Some(false))) => Some(Remark::ReferenceIssuerDiffers),
                Some((Some(true), _)) => None,
            });
        }
    }
    if found.is_empty() {
        remarks.push(Remark::NoCertificateReference);
    } else if found.contains(&None) {
        remarks.extend(found.contains(&Some(Remark::ReferenceDiffers)).then_some(Remark::OtherReferenceDiffers));
    } else {
        remarks.extend(found.into_iter().flatten());
    }
}
