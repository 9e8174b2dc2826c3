//! TSTInfo (RFC 3161 § 2.4.2): what a token says.

use super::{Imprint, TspError};
use crate::spec::cms::asn1::{self, Reader, Tlv, tag};
use time::{Duration, OffsetDateTime};

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TstInfo<'a> {
    /// Under which policy (content octets of the identifier).
    pub policy: &'a [u8],
    /// About what.
    pub imprint: Imprint<'a>,
    /// Content octets of the serial number.
    pub serial: &'a [u8],
    /// When.
    pub time: OffsetDateTime,
    /// How far the true time may be.
    pub accuracy: Option<Duration>,
    /// Whether any two tokens of the authority are ordered by their times, whatever the accuracy.
    pub ordering: bool,
    /// Content octets of the request's nonce.
    pub nonce: Option<&'a [u8]>,
}

impl<'a> TstInfo<'a> {
    /// Parses the content of a token.
    pub fn parse(der: &'a [u8]) -> Result<Self, TspError> {
        let info = Tlv::only(der)?;
        if info.tag != tag::SEQUENCE {
            return Err(info.error("un TSTInfo").into());
        }
        let mut fields = info.reader();
        if fields.small("la version du jeton")? != 1 {
            return Err(TspError::Structure("version de jeton d'horodatage inconnue"));
        }
        let policy = fields.oid("la politique d'horodatage")?;
        let imprint = Imprint::read(&mut fields)?;
        let serial = fields.integer("le numéro de série du jeton")?;
        let time = fields.expect(tag::GENERALIZED_TIME, "la date du jeton")?.time()?;
        let accuracy = fields.optional(tag::SEQUENCE)?.map(|field| accuracy(field.reader())).transpose()?;
        let ordering = match fields.optional(tag::BOOLEAN)?.map(|flag| flag.value) {
            None | Some([0]) => false,
            Some([0xff]) => true,
            Some(_) => return Err(TspError::Structure("ordering n'est pas un booléen DER")),
        };
        let nonce = match fields.peek_tag() {
            Some(tag::INTEGER) => Some(fields.integer("un nonce")?),
            _ => None,
        };
        fields.optional(tag::context(0))?;
        if let Some(extensions) = fields.optional(tag::context(1))? {
            refuse_critical(extensions.reader())?;
        }
        fields.finish()?;
        Ok(Self { policy, imprint, serial, time, accuracy, ordering, nonce })
    }

    /// The DER of a TSTInfo with microsecond time, `accuracy` in whole seconds.
    ///
    /// `policy` and `imprint` are encoded elements, `serial` an unsigned big-endian number, `nonce` content octets.
    pub fn encode(
        policy: &[u8],
        imprint: &[u8],
        serial: &[u8],
        time: OffsetDateTime,
        accuracy_s: u8,
        ordering: bool,
        nonce: Option<&[u8]>,
    ) -> Vec<u8> {
        asn1::sequence(&[
            &asn1::unsigned(&[1]),
            policy,
            imprint,
            &asn1::unsigned(serial),
            &asn1::generalized_time(time),
            &asn1::sequence(&[&asn1::unsigned(&[accuracy_s])]),
            // DEFAULT FALSE: not written then.
            if ordering { &[tag::BOOLEAN, 1, 0xff] } else { &[] },
            &nonce.map(|octets| asn1::encode(tag::INTEGER, &[octets])).unwrap_or_default(),
        ])
    }
}

/// Accuracy: seconds, `[0]` milliseconds, `[1]` microseconds, each optional.
fn accuracy(mut fields: Reader<'_>) -> Result<Duration, TspError> {
    let seconds = match fields.peek_tag() {
        Some(tag::INTEGER) => fields.small("une précision en secondes")?,
        _ => 0,
    };
    let mut part = |n: u8| -> Result<u32, TspError> {
        match fields.optional(tag::context_primitive(n))?.map(|field| field.value) {
            None => Ok(0),
            Some([value]) if *value < 0x80 => Ok(u32::from(*value)),
            Some([high @ 0..=3, low]) => Ok(u32::from(*high) << 8 | u32::from(*low)),
            Some(_) => Err(TspError::Structure("précision hors de 1..999")),
        }
    };
    let (millis, micros) = (part(0)?, part(1)?);
    fields.finish()?;
    Ok(Duration::seconds(i64::from(seconds))
        + Duration::milliseconds(i64::from(millis))
        + Duration::microseconds(i64::from(micros)))
}

fn refuse_critical(mut extensions: Reader<'_>) -> Result<(), TspError> {
    while !extensions.is_empty() {
        let mut extension = extensions.sequence("une extension du jeton")?;
        extension.oid("le type d'une extension")?;
        if extension.optional(tag::BOOLEAN)?.is_some_and(|critical| critical.value != [0]) {
            return Err(TspError::Structure("le jeton porte une extension critique inconnue"));
        }
        extension.expect(tag::OCTET_STRING, "la valeur d'une extension")?;
        extension.finish()?;
    }
    Ok(())
}
