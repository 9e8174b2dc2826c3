//! TimeStampResp (RFC 3161 § 2.4.2): making one, and checking one down to an anchor.

use super::{TspError, TstInfo};
use crate::spec::cms::algorithm::Digest;
use crate::spec::cms::asn1::{self, Reader, Tlv, dotted, tag};
use crate::spec::cms::path::{self, Purpose};
use crate::spec::cms::{Anchors, Certificate, CmsError, MAX_DER_BYTES, SignedData, oid};
use crate::spec::cms::{check_reference, verify_signer};
use time::{Duration, OffsetDateTime};

/// A token that holds.
#[derive(Debug, Clone)]
pub struct TokenInfo {
    /// When, according to the authority.
    pub time: OffsetDateTime,
    /// How far the true time may be, when the authority says.
    pub accuracy: Option<Duration>,
    /// The token's serial number, hexadecimal.
    pub serial: String,
    /// The authority's policy, dotted.
    pub policy: String,
    /// Content octets of the request's nonce, to compare with the one sent.
    pub nonce: Option<Vec<u8>>,
    /// The authority's certificate.
    pub signer: Certificate,
    /// The anchor the path leads to.
    pub anchor: Certificate,
}

/// Why an authority refuses a request: the bits of PKIFailureInfo (RFC 3161 § 2.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Unrecognized or unsupported digest.
    BadAlgorithm = 0,
    /// Not a request that this protocol knows.
    BadRequest = 2,
    /// Not the DER of a request, or an imprint of another length than its algorithm's.
    BadDataFormat = 5,
    /// Clock unavailable.
    TimeNotAvailable = 14,
    /// Not our policy.
    UnacceptedPolicy = 15,
    /// An extension we do not know.
    UnacceptedExtension = 16,
    /// Our fault.
    SystemFailure = 25,
}

/// A granted response around a token.
pub fn granted(token: &[u8]) -> Vec<u8> {
    asn1::sequence(&[&asn1::sequence(&[&asn1::unsigned(&[0])]), token])
}

/// A rejection. `text` is for people.
pub fn rejected(failure: Failure, text: &str) -> Vec<u8> {
    let bit = failure as usize;
    let mut bits = vec![0_u8; bit / 8 + 2];
    bits[0] = u8::try_from(7 - bit % 8).unwrap_or(0);
    bits[bit / 8 + 1] = 0x80 >> (bit % 8);
    asn1::sequence(&[&asn1::sequence(&[
        &asn1::unsigned(&[2]),
        &asn1::sequence(&[&asn1::encode(tag::UTF8_STRING, &[text.as_bytes()])]),
        &asn1::encode(tag::BIT_STRING, &[&bits]),
    ])])
}

/// The token (a CMS ContentInfo) of a granted response. Nothing is checked yet.
pub fn token_of(response: &[u8]) -> Result<&[u8], TspError> {
    if response.len() > MAX_DER_BYTES {
        return Err(TspError::TooLarge { size_bytes: response.len() });
    }
    let mut outer = Reader::new(response);
    let mut fields = outer.sequence("une réponse d'horodatage")?;
    outer.finish()?;
    let mut info = fields.sequence("le statut de la réponse")?;
    let status = info.small("le statut de la réponse")?;
    if status > 1 {
        let text = info.optional(tag::SEQUENCE)?.and_then(|texts| texts.reader().any().ok()).map(printable);
        return Err(TspError::Refused { status, text });
    }
    let token = fields.expect(tag::SEQUENCE, "un jeton d'horodatage")?;
    fields.finish()?;
    Ok(token.raw)
}

/// Checks a response: granted, over `message`, signed by an authority that `anchors` vouch for at the token's time.
pub fn verify_response(response: &[u8], message: &[u8], anchors: &Anchors) -> Result<TokenInfo, TspError> {
    verify_token(token_of(response)?, message, anchors)
}

/// Checks a token (a CMS ContentInfo) over `message`.
pub fn verify_token(token: &[u8], message: &[u8], anchors: &Anchors) -> Result<TokenInfo, TspError> {
    let token = SignedToken::open(token, anchors.certificates())?;
    if token.imprint != token.digest.of(message).as_ref() {
        return Err(TspError::WrongImprint);
    }
    let anchor = token.vouched(anchors)?;
    Ok(TokenInfo {
        time: token.time,
        accuracy: token.accuracy,
        serial: token.serial,
        policy: token.policy,
        nonce: token.nonce,
        signer: token.signer,
        anchor,
    })
}

/// A token whose own signature holds. Nothing is known yet of what it should cover, nor of who vouches for its signer.
#[derive(Debug, Clone)]
pub struct SignedToken {
    /// The algorithm of the imprint.
    pub digest: Digest,
    /// What is time-stamped: a digest.
    pub imprint: Vec<u8>,
    /// When, according to the authority.
    pub time: OffsetDateTime,
    /// How far the true time may be, when the authority says.
    pub accuracy: Option<Duration>,
    /// The token's serial number, hexadecimal.
    pub serial: String,
    /// The authority's policy, dotted.
    pub policy: String,
    /// Content octets of the request's nonce.
    pub nonce: Option<Vec<u8>>,
    /// The authority's certificate.
    pub signer: Certificate,
    /// The certificates that came along.
    pub certificates: Vec<Certificate>,
}

impl SignedToken {
    /// Checks the signature of a token (a CMS ContentInfo), and that it names its signer. `known`: certificates to look
    /// into when the token carries none.
    pub fn open(token: &[u8], known: &[Certificate]) -> Result<Self, TspError> {
        let signed = SignedData::parse(token)?;
        if signed.content_type != oid::TST_INFO.as_bytes() {
            return Err(TspError::Structure("la signature ne porte pas sur un jeton d'horodatage (id-ct-TSTInfo)"));
        }
        let content = signed.content.ok_or(TspError::Structure("le jeton d'horodatage est vide"))?;
        let info = TstInfo::parse(content)?;
        let [signer] = signed.signers.as_slice() else {
            return Err(TspError::Structure("un jeton d'horodatage a un signataire, et un seul"));
        };
        let certificates = signed.usable_certificates();
        let mut candidates = certificates.clone();
        candidates.extend_from_slice(known);
        let certificate = verify_signer(&signed, signer, content, &candidates)?;
        // RFC 3161 § 2.4.2: the reference to the authority's certificate is mandatory, against a substituted one.
        if !check_reference(signer, certificate)? {
            return Err(TspError::Signature(CmsError::Structure("la référence signée du certificat manque")));
        }
        Ok(Self {
            digest: info.imprint.digest,
            imprint: info.imprint.value.to_vec(),
            time: info.time,
            accuracy: info.accuracy,
            serial: hex::encode(info.serial),
            policy: dotted(info.policy),
            nonce: info.nonce.map(<[u8]>::to_vec),
            signer: certificate.clone(),
            certificates,
        })
    }

    /// The anchor that vouches for the signer at the token's own time.
    pub fn vouched(&self, anchors: &Anchors) -> Result<Certificate, TspError> {
        let path = path::find(&self.signer, &self.certificates, anchors, self.time, Purpose::TimeStamping)?;
        Ok(path.last().map_or_else(|| self.signer.clone(), |anchor| (*anchor).clone()))
    }
}

fn printable(text: Tlv<'_>) -> String {
    let text = String::from_utf8_lossy(&text.value[..text.value.len().min(200)]).into_owned();
    text.chars().filter(|character| !character.is_control()).collect()
}
