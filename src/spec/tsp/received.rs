//! Time-stamps that other authorities made, read tolerantly (RFC 3161 § 2.4.2).
//!
//! [`super::verify_token`] is for our own and our suppliers' tokens, down to an anchor. Here nothing is judged: a
//! [`Token`] is what archives and signatures carry, with the facts a policy needs.

use crate::spec::ber::{BerError, Element, Reader, tag};
use crate::spec::cms::asn1::dotted;
use crate::spec::cms::oid;
use crate::spec::cms::received::{AlgorithmId, ReadError, SignedData};
use crate::spec::crypto::DigestAlgorithm;
use time::{Duration, OffsetDateTime};

/// Why bytes are not a time-stamp.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The authority answered no.
    #[error("l'autorité d'horodatage a refusé (statut {status}{})", .text.as_ref().map(|text| format!(" : {text}")).unwrap_or_default())]
    Refused {
        /// PKIStatus.
        status: u32,
        /// What it said.
        text: Option<String>,
    },
    /// Not a SignedData.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A SignedData over something else.
    #[error("la signature ne porte pas sur un jeton d'horodatage (id-ct-TSTInfo)")]
    NotToken,
    /// The TSTInfo is not readable.
    #[error(transparent)]
    Ber(#[from] BerError),
}

/// A token as received.
#[derive(Debug, Clone)]
pub struct Token<'a> {
    /// The SignedData around it.
    pub signed: SignedData<'a>,
    /// What it says.
    pub info: Info,
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// The authority's policy, dotted.
    pub policy: String,
    /// The digest's identifier, dotted.
    pub digest_oid: String,
    /// The digest, when it is known here.
    pub digest: Option<DigestAlgorithm>,
    /// The digest of what is time-stamped.
    pub imprint: Vec<u8>,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// When.
    pub time: OffsetDateTime,
    /// How far the true time may be.
    pub accuracy: Option<Duration>,
    /// Whether tokens of this authority can be ordered by time alone.
    pub ordering: bool,
    /// The nonce, hexadecimal.
    pub nonce: Option<String>,
    /// Object identifiers of the extensions, dotted (`0.4.0.19422.1.1` marks qualified time-stamps, EN 319 422 § 9.1).
    pub extensions: Vec<String>,
}

/// The token of a TimeStampResp, or the bytes themselves when they are a bare token.
pub fn token_bytes(bytes: &[u8]) -> Result<&[u8], TokenError> {
    let (outer, _) = Element::first(bytes)?;
    let mut fields = outer.reader();
    if fields.peek() != Some(tag::SEQUENCE) {
        return Ok(bytes);
    }
    let mut status = fields.sequence("le statut de la réponse")?;
    let code = status.small("le statut de la réponse")?;
    let text = status.optional(tag::SEQUENCE)?.and_then(|texts| texts.reader().any().ok()).map(|text| text.text());
    match fields.optional(tag::SEQUENCE)? {
        Some(token) if code <= 1 => Ok(token.raw),
        _ => Err(TokenError::Refused { status: code, text }),
    }
}

impl<'a> Token<'a> {
    /// Reads a token, or a response that carries one.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, TokenError> {
        let signed = SignedData::parse(token_bytes(bytes)?)?;
        if signed.content_type != oid::TST_INFO.as_bytes() {
            return Err(TokenError::NotToken);
        }
        let content = signed.content.as_deref().ok_or(TokenError::NotToken)?;
        let info = Info::parse(content)?;
        Ok(Self { signed, info })
    }
}

impl Info {
    /// Reads a TSTInfo.
    pub fn parse(content: &[u8]) -> Result<Self, BerError> {
        let mut fields = Reader::new(content).sequence("un TSTInfo")?;
        fields.small("la version du jeton")?;
        let policy = dotted(fields.oid("la politique d'horodatage")?);
        let mut imprint = fields.sequence("l'empreinte horodatée")?;
        let algorithm = AlgorithmId::read(&mut imprint)?;
        let digest = imprint.octets("l'empreinte horodatée")?.into_owned();
        let serial = hex::encode(fields.integer("le numéro de série du jeton")?);
        let time = fields.any()?.time()?;
        let mut info = Self {
            policy,
            digest_oid: dotted(algorithm.oid),
            digest: DigestAlgorithm::from_oid(algorithm.oid),
            imprint: digest,
            serial,
            time,
            accuracy: None,
            ordering: false,
            nonce: None,
            extensions: Vec::new(),
        };
        while !fields.is_empty() {
            let field = fields.any()?;
            match field.tag {
                tag::SEQUENCE => info.accuracy = accuracy(field.reader()),
                tag::BOOLEAN => info.ordering = field.value.iter().any(|octet| *octet != 0),
                tag::INTEGER => info.nonce = Some(hex::encode(field.value)),
                0xa1 => info.extensions = extensions(field.reader()),
                _ => {}
            }
        }
        Ok(info)
    }
}

fn accuracy(mut fields: Reader<'_>) -> Option<Duration> {
    let mut total = Duration::ZERO;
    while !fields.is_empty() {
        let field = fields.any().ok().filter(|field| field.value.len() <= 4)?;
        let number = field.value.iter().fold(0_i64, |number, octet| number << 8 | i64::from(*octet));
        total += match field.tag {
            tag::INTEGER => Duration::seconds(number),
            0x80 => Duration::milliseconds(number),
            0x81 => Duration::microseconds(number),
            _ => Duration::ZERO,
        };
    }
    Some(total)
}

fn extensions(mut list: Reader<'_>) -> Vec<String> {
    let mut found = Vec::new();
    while found.len() < 32
        && let Ok(mut extension) = list.sequence("une extension")
        && let Ok(kind) = extension.oid("le type d'une extension")
    {
        found.push(dotted(kind));
    }
    found
}
