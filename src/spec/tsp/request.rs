//! TimeStampReq and MessageImprint (RFC 3161 § 2.4.1).

use super::TspError;
use crate::spec::cms::algorithm::{AlgorithmId, Digest};
use crate::spec::cms::asn1::{self, Reader, Tlv, tag};

/// The digest of what is time-stamped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imprint<'a> {
    /// With which algorithm.
    pub digest: Digest,
    /// The digest.
    pub value: &'a [u8],
    /// The MessageImprint as received: a token repeats it.
    pub raw: &'a [u8],
}

/// A request for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// Over what.
    pub imprint: Imprint<'a>,
    /// Under which policy (content octets of the identifier).
    pub policy: Option<&'a [u8]>,
    /// To be repeated in the token (content octets of the INTEGER).
    pub nonce: Option<&'a [u8]>,
    /// Whether the token should carry its certificates.
    pub certificates: bool,
    /// Whether the request has extensions; none is known here.
    pub extensions: bool,
}

impl<'a> Imprint<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, TspError> {
        let element = reader.expect(tag::SEQUENCE, "l'empreinte à horodater (MessageImprint)")?;
        let mut fields = element.reader();
        let digest = Digest::from_oid(AlgorithmId::read(&mut fields)?.oid)?;
        let value = fields.expect(tag::OCTET_STRING, "une empreinte")?.value;
        fields.finish()?;
        if value.len() != digest.size() {
            return Err(TspError::ImprintLength);
        }
        Ok(Self { digest, value, raw: element.raw })
    }

    /// The DER of a MessageImprint for this digest value.
    pub fn encode(digest: Digest, value: &[u8]) -> Vec<u8> {
        asn1::sequence(&[&asn1::sequence(&[&asn1::oid(&digest.oid())]), &asn1::encode(tag::OCTET_STRING, &[value])])
    }
}

impl<'a> Request<'a> {
    /// Parses a request, at most 4 KiB.
    pub fn parse(der: &'a [u8]) -> Result<Self, TspError> {
        if der.len() > 4096 {
            return Err(TspError::Structure("demande d'horodatage de plus de 4096 octets"));
        }
        let request = Tlv::only(der)?;
        if request.tag != tag::SEQUENCE {
            return Err(request.error("une demande d'horodatage").into());
        }
        let mut fields = request.reader();
        if fields.small("la version de la demande")? != 1 {
            return Err(TspError::Structure("version de demande d'horodatage inconnue"));
        }
        let imprint = Imprint::read(&mut fields)?;
        let policy = match fields.peek_tag() {
            Some(tag::OID) => Some(fields.oid("une politique d'horodatage")?),
            _ => None,
        };
        let nonce = match fields.peek_tag() {
            Some(tag::INTEGER) => Some(fields.integer("un nonce")?),
            _ => None,
        };
        let certificates = match fields.optional(tag::BOOLEAN)?.map(|flag| flag.value) {
            Some([0xff]) => true,
            // DER leaves a default out, but requests that spell it exist and mean no harm.
            None | Some([0x00]) => false,
            Some(_) => return Err(TspError::Structure("certReq n'est pas un booléen DER")),
        };
        let extensions = fields.optional(tag::context(0))?.is_some();
        fields.finish()?;
        Ok(Self { imprint, policy, nonce, certificates, extensions })
    }

    /// The DER of a request for a token with certificates over a digest. `nonce`: big-endian, unsigned.
    pub fn encode(digest: Digest, value: &[u8], nonce: Option<&[u8]>) -> Vec<u8> {
        asn1::sequence(&[
            &asn1::unsigned(&[1]),
            &Imprint::encode(digest, value),
            &nonce.map(asn1::unsigned).unwrap_or_default(),
            &[tag::BOOLEAN, 1, 0xff],
        ])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_request_reads_back() {
        let digest = Digest::Sha256.of(b"x");
        let der = Request::encode(Digest::Sha256, digest.as_ref(), Some(&[0x81, 2]));
        let request = Request::parse(&der).unwrap();
        assert_eq!(request.imprint.value, digest.as_ref());
        assert_eq!((request.nonce, request.certificates), (Some(&[0, 0x81, 2][..]), true));
        for cut in 0..der.len() {
            assert!(Request::parse(&der[..cut]).is_err());
        }
    }

    #[test]
    fn an_imprint_has_the_length_of_its_digest() {
        let der = Request::encode(Digest::Sha384, &[0; 32], None);
        assert_eq!(Request::parse(&der), Err(TspError::ImprintLength));
    }
}
