//! The ETSI TS 119 102-2 report (`http://uri.etsi.org/19102/v1.4.1#`), elements in the order of its schema.
//!
//! BUG(signature): the report is not signed by itself; archived with a deposit, the log and the receipt vouch for it.

use crate::spec::crypto::DigestAlgorithm;
use crate::validation::Facts;
use crate::validation::facts::{ReferenceFacts, ReferenceKind, SignatureFacts, TimestampFacts, TimestampKind};
use crate::validation::indication::{Indication, SubIndication};
use crate::validation::verdict::{SignatureVerdict, TimestampVerdict, Verdict};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const NAMESPACE: &str = "http://uri.etsi.org/19102/v1.4.1#";
const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
const XADES: &str = "http://uri.etsi.org/01903/v1.3.2#";
const PROCESS_LONG_TERM: &str = "urn:etsi:019102:validationprocess:LTVM";
const PROCESS_BASIC: &str = "urn:etsi:019102:validationprocess:Basic";

/// The report, XML in UTF-8. An input without any signature gives a report of its time-stamps; with nothing at all, one
/// entry that says that no signature was found.
pub fn xml(facts: &Facts, verdict: &Verdict) -> String {
    let mut report = Report::default();
    for (facts, signature) in facts.signatures.iter().zip(&verdict.signatures) {
        report.signature(facts, signature, verdict);
    }
    for (facts, stamp) in facts.timestamps.iter().zip(&verdict.timestamps) {
        report.timestamp(facts, stamp, verdict);
    }
    if report.entries.is_empty() {
        let status = match verdict.indication {
            Some(indication) => status(indication, verdict.sub_indication, &[]),
            None => "<SignatureValidationStatus><MainIndication>urn:archiland:mainindication:no-signature-found\
                     </MainIndication></SignatureValidationStatus>"
                .to_owned(),
        };
        _ = write!(report.entries, "<SignatureValidationReport>{status}</SignatureValidationReport>");
    }
    let objects = report.objects();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ValidationReport xmlns=\"{NAMESPACE}\" xmlns:ds=\"{DSIG}\" xmlns:xades=\"{XADES}\">\
         {}{objects}\
         </ValidationReport>\n",
        report.entries
    )
}

/// What is being written: the entries, and the objects they refer to by identifier.
#[derive(Default)]
struct Report<'a> {
    entries: String,
    certificates: BTreeMap<String, &'a [u8]>,
    stamps: BTreeMap<String, &'a TimestampFacts>,
    documents: Vec<(String, &'a ReferenceFacts)>,
    signatures: usize,
}

impl<'a> Report<'a> {
    fn signature(&mut self, facts: &'a SignatureFacts, verdict: &SignatureVerdict, whole: &Verdict) {
        let mut entry = String::from("<SignatureValidationReport>");
        entry.push_str(&self.identifier(facts));
        _ = write!(entry, "{}", constraints(verdict, whole));
        entry.push_str(&times(whole.validation_time, verdict.best_signature_time, verdict.best_signature_time_source));
        entry.push_str(&self.document(facts));
        entry.push_str(&self.attributes(facts));
        if let (Some(der), Some(signer)) = (&facts.signing_certificate, &verdict.signer) {
            let id = self.certificate(&der.0);
            _ = write!(
                entry,
                "<SignerInformation><SignerCertificate VOReference=\"{id}\"/><Signer>{}</Signer></SignerInformation>",
                escaped(&signer.subject)
            );
        }
        if let Some(qualification) = &verdict.qualification {
            let quality = format!("urn:etsi:019102:signaturequality:{}", qualification.eidas);
            _ = write!(
                entry,
                "<SignatureQuality><SignatureQualityInformation>{quality}</SignatureQualityInformation></SignatureQuality>"
            );
        }
        entry.push_str(&process(whole.integrity_only));
        entry.push_str(&status(verdict.indication, verdict.sub_indication, &verdict.messages));
        entry.push_str("</SignatureValidationReport>");
        self.entries.push_str(&entry);
        for (facts, verdict) in facts.counter_signatures.iter().zip(&verdict.counter_signatures) {
            self.signature(facts, verdict, whole);
        }
    }

    fn timestamp(&mut self, facts: &'a TimestampFacts, verdict: &TimestampVerdict, whole: &Verdict) {
        let mut entry = String::from("<SignatureValidationReport>");
        if let Some(token) = &facts.token {
            entry.push_str(&self.identifier(token));
        }
        entry.push_str(&times(whole.validation_time, facts.time, Some("horodatage")));
        if let Some(der) = facts.token.as_ref().and_then(|token| token.signing_certificate.as_ref()) {
            let id = self.certificate(&der.0);
            let name = verdict.authority.as_deref().map(escaped).unwrap_or_default();
            _ = write!(
                entry,
                "<SignerInformation><SignerCertificate VOReference=\"{id}\"/><Signer>{name}</Signer></SignerInformation>"
            );
        }
        entry.push_str(&process(whole.integrity_only));
        entry.push_str(&status(verdict.indication, verdict.sub_indication, &verdict.messages));
        entry.push_str("</SignatureValidationReport>");
        self.entries.push_str(&entry);
        self.stamp(facts);
    }

    /// `SignersDocument`: the digest that is signed of each document, as an object of the report; that of the only one there
    /// and then.
    fn document(&mut self, facts: &'a SignatureFacts) -> String {
        use ReferenceKind as Kind;
        let documents: Vec<_> = facts
            .references
            .iter()
            .filter(|reference| {
                let document =
                    matches!(reference.kind, Kind::Document | Kind::MessageDigest | Kind::ManifestEntry | Kind::Object);
                document && !reference.digest_value.is_empty()
            })
            .filter_map(|reference| Some((reference, reference.digest?)))
            .collect();
        let mut ids = Vec::new();
        for (reference, _) in &documents {
            let id = format!("D-{}", self.documents.len() + 1);
            self.documents.push((id.clone(), reference));
            ids.push(id);
        }
        let only = match documents.as_slice() {
            [] => return String::new(),
            [(reference, algorithm)] => {
                format!("<DigestAlgAndValue>{}</DigestAlgAndValue>", digest(*algorithm, &reference.digest_value))
            }
            _ => String::new(),
        };
        let ids = ids.join(" ");
        format!("<SignersDocument>{only}<SignersDocumentRepresentation VOReference=\"{ids}\"/></SignersDocument>")
    }

    fn attributes(&mut self, facts: &'a SignatureFacts) -> String {
        let mut text = String::new();
        if let Some(claimed) = facts.claimed_signing_time {
            _ = write!(text, "<SigningTime Signed=\"true\"><Time>{}</Time></SigningTime>", instant(claimed));
        }
        for commitment in &facts.commitments {
            _ = write!(
                text,
                "<CommitmentTypeIndication Signed=\"true\"><CommitmentTypeIdentifier>{}</CommitmentTypeIdentifier>\
                 </CommitmentTypeIndication>",
                escaped(commitment)
            );
        }
        text.push_str(&self.stamps_of(facts, TimestampKind::Content, "AllDataObjectsTimeStamp"));
        if let Some(policy) = facts.policy.as_ref().filter(|policy| !policy.implied) {
            _ = write!(
                text,
                "<SigPolicyIdentifier Signed=\"true\"><SigPolicyId>{}</SigPolicyId></SigPolicyIdentifier>",
                escaped(&policy.id)
            );
        }
        if let Some(place) = &facts.place {
            _ = write!(
                text,
                "<SignatureProductionPlace Signed=\"true\"><AddressString>{}</AddressString></SignatureProductionPlace>",
                escaped(place)
            );
        }
        if !facts.roles.is_empty() {
            text.push_str("<SignerRole Signed=\"true\">");
            for role in &facts.roles {
                _ = write!(
                    text,
                    "<RoleDetails><Role>{}</Role><EndorsementType>claimed</EndorsementType></RoleDetails>",
                    escaped(role)
                );
            }
            text.push_str("</SignerRole>");
        }
        for (kind, element) in [
            (TimestampKind::Signature, "SignatureTimeStamp"),
            (TimestampKind::SignatureAndRefs, "SigAndRefsTimeStamp"),
            (TimestampKind::Refs, "RefsOnlyTimeStamp"),
            (TimestampKind::Archive, "ArchiveTimeStamp"),
            (TimestampKind::Document, "DocTimeStamp"),
        ] {
            text.push_str(&self.stamps_of(facts, kind, element));
        }
        if text.is_empty() { text } else { format!("<SignatureAttributes>{text}</SignatureAttributes>") }
    }

    fn stamps_of(&mut self, facts: &'a SignatureFacts, kind: TimestampKind, element: &str) -> String {
        let mut text = String::new();
        for stamp in facts.timestamps.iter().filter(|stamp| stamp.kind == kind) {
            let id = self.stamp(stamp);
            let at = stamp.time.map(instant).unwrap_or_default();
            _ = write!(
                text,
                "<{element} Signed=\"{}\"><AttributeObject VOReference=\"{id}\"/><TimeStampValue>{at}</TimeStampValue></{element}>",
                kind == TimestampKind::Content
            );
        }
        text
    }

    /// `SignatureIdentifier`: the signature's value and the digest of it.
    fn identifier(&mut self, facts: &SignatureFacts) -> String {
        let digest = DigestAlgorithm::Sha256.digest(&facts.signature_value).unwrap_or_default();
        let value = if facts.signature_value.is_empty() {
            String::new()
        } else {
            format!("<ds:SignatureValue>{}</ds:SignatureValue>", BASE64_STANDARD.encode(&facts.signature_value))
        };
        // The same signature may stand twice in a file; an identifier may not.
        self.signatures += 1;
        format!(
            "<SignatureIdentifier id=\"S-{}-{}\"><DigestAlgAndValue><ds:DigestMethod Algorithm=\"{}\"/><ds:DigestValue>{}\
             </ds:DigestValue></DigestAlgAndValue>{value}<HashOnly>false</HashOnly><DocHashOnly>false</DocHashOnly>\
             <DAIdentifier>{}</DAIdentifier></SignatureIdentifier>",
            self.signatures,
            hex::encode(&digest),
            DigestAlgorithm::Sha256.uri(),
            BASE64_STANDARD.encode(&digest),
            escaped(&facts.id)
        )
    }

    fn certificate(&mut self, der: &'a [u8]) -> String {
        let id = format!("C-{}", hex::encode(DigestAlgorithm::Sha256.digest(der).unwrap_or_default()));
        self.certificates.insert(id.clone(), der);
        id
    }

    fn stamp(&mut self, facts: &'a TimestampFacts) -> String {
        let id = format!("T-{}", hex::encode(DigestAlgorithm::Sha256.digest(&facts.der.0).unwrap_or_default()));
        self.stamps.insert(id.clone(), facts);
        id
    }

    fn objects(&self) -> String {
        let mut text = String::new();
        for (id, der) in &self.certificates {
            object(&mut text, id, "certificate", der, "");
        }
        for (id, stamp) in &self.stamps {
            let poe = stamp.time.map_or_else(String::new, |at| poe(at, "validation", "POE"));
            object(&mut text, id, "timestamp", &stamp.der.0, &poe);
        }
        for (id, reference) in &self.documents {
            let digested = reference.digest.map(|algorithm| digest(algorithm, &reference.digest_value));
            let uri = reference.uri.as_deref().filter(|uri| is_uri(uri)).map(escaped);
            let uri = uri.map_or_else(String::new, |uri| format!("<URI>{uri}</URI>"));
            _ = write!(
                text,
                "<ValidationObject id=\"{id}\"><ObjectType>urn:etsi:019102:validationObject:signedData</ObjectType>\
                 <ValidationObjectRepresentation><DigestAlgAndValue>{}</DigestAlgAndValue>{uri}\
                 </ValidationObjectRepresentation></ValidationObject>",
                digested.unwrap_or_default()
            );
        }
        if text.is_empty() { text } else { format!("<SignatureValidationObjects>{text}</SignatureValidationObjects>") }
    }
}

fn object(text: &mut String, id: &str, kind: &str, der: &[u8], poe: &str) {
    _ = write!(
        text,
        "<ValidationObject id=\"{id}\"><ObjectType>urn:etsi:019102:validationObject:{kind}</ObjectType>\
         <ValidationObjectRepresentation><base64>{}</base64></ValidationObjectRepresentation>{poe}</ValidationObject>",
        BASE64_STANDARD.encode(der)
    );
}

/// `ds:DigestMethod` and `ds:DigestValue`.
fn digest(algorithm: DigestAlgorithm, value: &[u8]) -> String {
    let uri = algorithm.uri();
    let value = BASE64_STANDARD.encode(value);
    format!("<ds:DigestMethod Algorithm=\"{uri}\"/><ds:DigestValue>{value}</ds:DigestValue>")
}

/// What a schema takes for an anyURI: a reference as strangers write it may be anything.
fn is_uri(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"{}|\\^`%".contains(&byte))
}

fn constraints(verdict: &SignatureVerdict, whole: &Verdict) -> String {
    let result = |passed: bool| if passed { "applied" } else { "failed" };
    let mut text = format!(
        "<ValidationConstraintsEvaluationReport><SignatureValidationPolicy><SignaturePolicyIdentifier>\
         <xades:SignaturePolicyId><xades:SigPolicyId><xades:Identifier>urn:archiland:policy:{}</xades:Identifier>\
         </xades:SigPolicyId><xades:SigPolicyHash>{}</xades:SigPolicyHash></xades:SignaturePolicyId>\
         </SignaturePolicyIdentifier><PolicyName>{}</PolicyName></SignatureValidationPolicy>",
        escaped(&whole.policy),
        digest(DigestAlgorithm::Sha256, &hex::decode(&whole.policy_sha256).unwrap_or_default()),
        escaped(&whole.policy)
    );
    for (name, passed) in [
        ("integrity", verdict.cryptographically_intact == Some(true)),
        ("trust", !whole.integrity_only && verdict.indication == Indication::TotalPassed),
    ] {
        let status = if name == "trust" && whole.integrity_only { "disabled" } else { result(passed) };
        _ = write!(
            text,
            "<ValidationConstraint><ValidationConstraintIdentifier>urn:archiland:constraint:{name}\
             </ValidationConstraintIdentifier><ConstraintStatus><Status>urn:etsi:019102:constraintStatus:{status}</Status>\
             </ConstraintStatus></ValidationConstraint>"
        );
    }
    text.push_str("</ValidationConstraintsEvaluationReport>");
    text
}

fn times(validation: OffsetDateTime, best: Option<OffsetDateTime>, source: Option<&str>) -> String {
    // Without an earlier proof, validation itself proves that the signature existed.
    let kind = if source == Some("journal de l'archive") { "provided" } else { "validation" };
    let best = poe(best.unwrap_or(validation), kind, "BestSignatureTime");
    format!("<ValidationTimeInfo><ValidationTime>{}</ValidationTime>{best}</ValidationTimeInfo>", instant(validation))
}

fn poe(at: OffsetDateTime, kind: &str, element: &str) -> String {
    format!(
        "<{element}><POETime>{}</POETime><TypeOfProof>urn:etsi:019102:poetype:{kind}</TypeOfProof></{element}>",
        instant(at)
    )
}

fn process(integrity_only: bool) -> String {
    let id = if integrity_only { PROCESS_BASIC } else { PROCESS_LONG_TERM };
    format!(
        "<SignatureValidationProcess><SignatureValidationProcessID>{id}</SignatureValidationProcessID>\
         </SignatureValidationProcess>"
    )
}

fn status(indication: Indication, sub: Option<SubIndication>, messages: &[String]) -> String {
    let mut text = format!("<SignatureValidationStatus><MainIndication>{}</MainIndication>", indication.urn());
    if let Some(sub) = sub {
        _ = write!(text, "<SubIndication>{}</SubIndication>", sub.urn());
    }
    if !messages.is_empty() {
        text.push_str("<AssociatedValidationReportData><AdditionalValidationReportData>");
        for message in messages {
            _ = write!(
                text,
                "<ReportData><Type>urn:archiland:message</Type><Value>{}</Value></ReportData>",
                escaped(message)
            );
        }
        text.push_str("</AdditionalValidationReportData></AssociatedValidationReportData>");
    }
    text.push_str("</SignatureValidationStatus>");
    text
}

fn instant(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC).format(&Rfc3339).unwrap_or_default()
}

/// Text as XML, without what XML cannot write.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            character if character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}') => {
                escaped.push('\u{fffd}');
            }
            character => escaped.push(character),
        }
    }
    escaped
}
