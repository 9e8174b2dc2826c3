//! Trusted lists (ETSI TS 119 612) made for the occasion, and signed. They are written in the form that canonicalisation
//! leaves as it is, so that a digest is over the text.
#![allow(dead_code)]

use archiland::spec::tsl::{CA_QC, LIST_OF_LISTS};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use rcgen::{CertificateParams, DnType, KeyPair, KeyUsagePurpose, SigningKey};
use std::fmt::Write as _;

const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
/// The type of a national list.
pub(crate) const NATIONAL: &str = "http://uri.etsi.org/TrstSvc/TrustedList/TSLType/EUgeneric";
pub(crate) const GRANTED: &str = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/granted";
pub(crate) const WITHDRAWN: &str = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/withdrawn";

/// Whoever signs lists.
pub(crate) struct Scheme {
    pub(crate) certificate: Vec<u8>,
    key: KeyPair,
}

impl Scheme {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().to_vec();
        Self { certificate, key }
    }

    pub(crate) fn pem(&self) -> String {
        let text = BASE64_STANDARD.encode(&self.certificate);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    }

    /// The list with an enveloped signature over the whole of it.
    pub(crate) fn sign(&self, list: &List<'_>) -> Vec<u8> {
        let text = list.text();
        let digest = BASE64_STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()));
        let info = format!(
            "<ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\"></ds:CanonicalizationMethod>\
             <ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256\"></ds:SignatureMethod>\
             <ds:Reference URI=\"\"><ds:Transforms>\
             <ds:Transform Algorithm=\"{DSIG}enveloped-signature\"></ds:Transform>\
             <ds:Transform Algorithm=\"{EXCLUSIVE}\"></ds:Transform></ds:Transforms>\
             <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></ds:DigestMethod>\
             <ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>"
        );
        let signed = format!("<ds:SignedInfo xmlns:ds=\"{DSIG}\">{info}</ds:SignedInfo>");
        let value = raw(&self.key.sign(signed.as_bytes()).unwrap());
        let signature = format!(
            "<ds:Signature xmlns:ds=\"{DSIG}\"><ds:SignedInfo>{info}</ds:SignedInfo>\
             <ds:SignatureValue>{}</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate>\
             </ds:X509Data></ds:KeyInfo></ds:Signature>",
            BASE64_STANDARD.encode(value),
            BASE64_STANDARD.encode(&self.certificate)
        );
        text.replace(END, &format!("{signature}{END}")).into_bytes()
    }
}

const END: &str = "</TrustServiceStatusList>";

/// Another list, and who signs it.
pub(crate) struct Pointer<'a> {
    pub(crate) location: String,
    pub(crate) territory: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) signer: &'a [u8],
}

/// A list.
pub(crate) struct List<'a> {
    pub(crate) kind: &'a str,
    pub(crate) territory: &'a str,
    pub(crate) sequence: u64,
    pub(crate) issued: &'a str,
    pub(crate) next_update: &'a str,
    pub(crate) pointers: Vec<Pointer<'a>>,
    /// Certificate, status, since when.
    pub(crate) services: Vec<(Vec<u8>, &'a str, &'a str)>,
}

impl Default for List<'_> {
    fn default() -> Self {
        Self {
            kind: NATIONAL,
            territory: "FR",
            sequence: 1,
            issued: "2026-01-01T00:00:00Z",
            next_update: "2099-01-01T00:00:00Z",
            pointers: Vec::new(),
            services: Vec::new(),
        }
    }
}

impl<'a> List<'a> {
    pub(crate) fn of_lists(pointers: Vec<Pointer<'a>>) -> Self {
        Self { kind: LIST_OF_LISTS, territory: "EU", pointers, ..Self::default() }
    }

    fn text(&self) -> String {
        let Self { kind, territory, sequence, issued, next_update, .. } = self;
        let mut text = format!(
            "<TrustServiceStatusList xmlns=\"http://uri.etsi.org/02231/v2#\"><SchemeInformation>\
             <TSLVersionIdentifier>6</TSLVersionIdentifier><TSLSequenceNumber>{sequence}</TSLSequenceNumber>\
             <TSLType>{kind}</TSLType><SchemeOperatorName><Name xml:lang=\"en\">Operator</Name></SchemeOperatorName>\
             <SchemeTerritory>{territory}</SchemeTerritory>"
        );
        if !self.pointers.is_empty() {
            text.push_str("<PointersToOtherTSL>");
            for Pointer { location, territory, kind, signer } in &self.pointers {
                _ = write!(
                    text,
                    "<OtherTSLPointer><ServiceDigitalIdentities><ServiceDigitalIdentity><DigitalId><X509Certificate>{}\
                     </X509Certificate></DigitalId></ServiceDigitalIdentity></ServiceDigitalIdentities>\
                     <TSLLocation>{location}</TSLLocation><AdditionalInformation><OtherInformation><TSLType>{kind}</TSLType>\
                     </OtherInformation><OtherInformation><SchemeTerritory>{territory}</SchemeTerritory></OtherInformation>\
                     <OtherInformation><a:MimeType xmlns:a=\"http://uri.etsi.org/02231/v2/additionaltypes#\">\
                     application/vnd.etsi.tsl+xml</a:MimeType></OtherInformation></AdditionalInformation></OtherTSLPointer>",
                    BASE64_STANDARD.encode(signer)
                );
            }
            text.push_str("</PointersToOtherTSL>");
        }
        _ = write!(
            text,
            "<ListIssueDateTime>{issued}</ListIssueDateTime><NextUpdate><dateTime>{next_update}</dateTime></NextUpdate>\
             </SchemeInformation>"
        );
        if !self.services.is_empty() {
            text.push_str(
                "<TrustServiceProviderList><TrustServiceProvider><TSPInformation><TSPName><Name xml:lang=\"en\">Provider\
                 </Name></TSPName></TSPInformation><TSPServices>",
            );
            for (certificate, status, since) in &self.services {
                _ = write!(
                    text,
                    "<TSPService><ServiceInformation><ServiceTypeIdentifier>{CA_QC}</ServiceTypeIdentifier>\
                     <ServiceName><Name xml:lang=\"en\">CA</Name></ServiceName><ServiceDigitalIdentity><DigitalId>\
                     <X509Certificate>{}</X509Certificate></DigitalId></ServiceDigitalIdentity>\
                     <ServiceStatus>{status}</ServiceStatus><StatusStartingTime>{since}</StatusStartingTime>\
                     </ServiceInformation></TSPService>",
                    BASE64_STANDARD.encode(certificate)
                );
            }
            text.push_str("</TSPServices></TrustServiceProvider></TrustServiceProviderList>");
        }
        text.push_str(END);
        text
    }
}

/// r ‖ s, 32 octets each, of an ECDSA signature in DER.
fn raw(der: &[u8]) -> Vec<u8> {
    let mut fields = archiland::spec::cms::asn1::Reader::new(der).sequence("").unwrap();
    let mut raw = Vec::new();
    for _ in 0..2 {
        let number = fields.integer("").unwrap();
        let number = &number[number.len().saturating_sub(32)..];
        raw.extend(std::iter::repeat_n(0, 32 - number.len()).chain(number.iter().copied()));
    }
    raw
}
