//! The facts of one signer of a SignedData: its value, its properties, its time-stamps, who signed over it.

use super::super::{evidence, tsp};
use super::{Telling, add};
use crate::spec::ades::cades::{Around, Imprint, Policy, SignedProperties, Stamp, Stamped, long_term, oid, stamps};
use crate::spec::ber::CertificateFields;
use crate::spec::cms::asn1::{dotted, encode, sequence, tag};
use crate::spec::cms::received::check::{ContentState, Remark, SignatureState, SignerCheck, check, check_signer};
use crate::spec::cms::received::{Content, Digests, SignedData, SignerInfo};
use crate::validation::facts::{
    CertificateReference, Der, EvidenceRecordFacts, Fault, FaultKind, Format, Material, Packaging, PolicyFacts,
    ReferenceFacts, ReferenceKind, ReferenceState, SignatureFacts, TimestampFacts, TimestampKind, ValueState,
};

/// Signatures over signatures over signatures: how deep they are followed.
const MAX_DEPTH: usize = 4;
/// Counter-signatures told of one signature, those over them included.
const MAX_COUNTER_SIGNATURES: usize = 64;

/// One signer, and what stands around it.
pub(super) struct Place<'s, 'a> {
    pub(super) signed: &'s SignedData<'a>,
    pub(super) at: usize,
    pub(super) packaging: Packaging,
    pub(super) candidates: &'s [CertificateFields<'s>],
    pub(super) telling: Telling<'s>,
}

/// The facts of the signer at `place`, over `content`.
pub(super) fn facts(
    place: &Place<'_, '_>,
    mut content: Option<&mut Digests<'_>>,
    material: &Material,
) -> SignatureFacts {
    let signed = place.signed;
    let signer = &signed.signers[place.at];
    let id = match place.telling {
        Telling { prefix, exact: true, .. } if signed.signers.len() == 1 => prefix.to_owned(),
        Telling { prefix, .. } => format!("{prefix}{}", place.at + 1),
    };
    let empty = |check: &SignerCheck<'_>| value(signer, check);
    let mut facts = match check_signer(signed, place.at, content.as_deref_mut(), place.candidates) {
        Some(found) => describe(signer, &found, id, ReferenceKind::MessageDigest, empty(&found)),
        None => SignatureFacts { id, ..SignatureFacts::default() },
    };
    facts.format = place.telling.format.unwrap_or(facts.format);
    facts.packaging = place.packaging;
    facts.location = match (place.telling.location, signed.signers.len()) {
        ("", _) => format!("signataire {}", place.at + 1),
        (location, 1) => location.to_owned(),
        (location, _) => format!("{location}, signataire {}", place.at + 1),
    };
    if signed.garbage_bytes > 0 {
        let detail = format!("{} octets étrangers après la structure CMS", signed.garbage_bytes);
        facts.faults.push(Fault::new(FaultKind::Note, detail));
    }
    if !matches!(signed.version, 1 | 3 | 4 | 5) {
        facts.faults.push(Fault::new(FaultKind::Note, format!("version de SignedData {} inconnue", signed.version)));
    }
    facts.material = material.clone();
    let carried = long_term::long_term(signer);
    add(&mut facts.material, &carried);
    for name in carried.unreadable {
        facts.faults.push(Fault::new(FaultKind::Note, format!("attribut {name} illisible")));
    }
    if place.telling.depth < MAX_DEPTH {
        let mut around = Around { signed, signer, content: content.as_deref_mut() };
        facts.timestamps = timestamps(&mut around, &facts.id, place.telling.depth);
        facts.evidence_records = evidence_records(signed, signer, content.as_deref(), &facts.id);
        let mut left = MAX_COUNTER_SIGNATURES;
        facts.counter_signatures =
            counter_signatures(signer, place.candidates, &facts.id, place.telling.depth + 1, &mut left);
    }
    facts
}

/// What a check found, as facts.
fn describe(
    signer: &SignerInfo<'_>,
    found: &SignerCheck<'_>,
    id: String,
    kind: ReferenceKind,
    value: ValueState,
) -> SignatureFacts {
    let properties = SignedProperties::read(signer);
    let mut faults = remarks(found);
    for name in &properties.unreadable {
        faults.push(Fault::new(FaultKind::Note, format!("attribut signé {name} illisible")));
    }
    for name in &properties.repeated {
        faults.push(Fault::new(FaultKind::Note, format!("attribut signé {name} répété")));
    }
    if let Some(notice) = properties.policy.as_ref().and_then(|policy| policy.notice.as_ref()) {
        faults.push(Fault::new(FaultKind::Note, format!("avis de la politique de signature : {notice}")));
    }
    if let Some(mime) = &properties.mime_type {
        faults.push(Fault::new(FaultKind::Note, format!("type de contenu annoncé : {mime}")));
    }
    if let Some(hints) = &properties.content_hints {
        faults.push(Fault::new(FaultKind::Note, format!("nature du contenu annoncée : {hints}")));
    }
    let refers = !found.says(Remark::NoCertificateReference);
    SignatureFacts {
        id,
        format: if refers { Format::Cades } else { Format::Pkcs7 },
        algorithm: found.algorithm,
        algorithm_name: dotted(signer.algorithm.oid),
        references: vec![ReferenceFacts {
            uri: None,
            kind,
            digest: found.digest,
            digest_value: announced_digest(signer),
            state: reference_state(found, &value),
            covers: if kind == ReferenceKind::SignatureValue { "valeur de signature" } else { "contenu" }.to_owned(),
        }],
        value,
        signing_certificate: found.certificate.map(|certificate| Der::from(certificate.raw)),
        certificate_reference: certificate_reference(found),
        claimed_signing_time: properties.signing_time,
        policy: properties.policy.map(policy),
        roles: properties.roles,
        place: properties.place,
        commitments: properties.commitments,
        faults,
        signature_value: signer.signature.to_vec(),
        ..SignatureFacts::default()
    }
}

/// The message-digest attribute, when there is exactly one.
fn announced_digest(signer: &SignerInfo<'_>) -> Vec<u8> {
    let attributes = signer.signed_attributes(&crate::spec::cms::oid::MESSAGE_DIGEST);
    let values: Vec<_> = attributes.flat_map(|attribute| attribute.values.iter()).collect();
    match values.as_slice() {
        [value] => value.octets().map(|octets| octets.to_vec()).unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn value(signer: &SignerInfo<'_>, found: &SignerCheck<'_>) -> ValueState {
    match &found.signature {
        SignatureState::Valid => ValueState::Intact,
        SignatureState::Invalid => ValueState::Broken,
        SignatureState::NoCertificate => ValueState::NoCertificate,
        SignatureState::Unsupported(name) => ValueState::Unsupported(name.clone()),
        // Nothing can be computed, and the missing content says why.
        SignatureState::NoContent if signer.signed.is_none() => {
            ValueState::Unsupported("la signature porte directement sur un contenu qui n'est pas fourni".to_owned())
        }
        SignatureState::NoContent => ValueState::Malformed("attributs signés illisibles".to_owned()),
    }
}

fn reference_state(found: &SignerCheck<'_>, value: &ValueState) -> ReferenceState {
    match &found.content {
        ContentState::Matches => ReferenceState::Intact,
        ContentState::Differs | ContentState::NoDigest => ReferenceState::Broken,
        ContentState::Missing => ReferenceState::Missing,
        ContentState::Unsupported(name) => ReferenceState::Unsupported(name.clone()),
        ContentState::SignedDirectly => match value {
            ValueState::Intact => ReferenceState::Intact,
            ValueState::Unsupported(name) => ReferenceState::Unsupported(name.clone()),
            ValueState::NoCertificate => ReferenceState::Unsupported("certificat absent".to_owned()),
            ValueState::Broken | ValueState::Malformed(_) => ReferenceState::Broken,
        },
    }
}

fn certificate_reference(found: &SignerCheck<'_>) -> CertificateReference {
    if found.says(Remark::NoCertificateReference) {
        CertificateReference::Absent
    } else if found.certificate.is_none() || found.says(Remark::ReferenceUnreadable) {
        CertificateReference::Unchecked
    } else if found.says(Remark::ReferenceDiffers) {
        CertificateReference::Differs
    } else {
        CertificateReference::Matches
    }
}

fn policy(policy: Policy) -> PolicyFacts {
    PolicyFacts { implied: policy.implied, id: policy.id, digest: policy.digest, hash: policy.hash, uri: policy.uri }
}

/// The remarks that a policy goes by, or that people should read.
fn remarks(found: &SignerCheck<'_>) -> Vec<Fault> {
    let told = |remark: &Remark| -> Option<(FaultKind, &'static str)> {
        Some(match remark {
            Remark::DigestAlgorithmDiffers => (
                FaultKind::AlgorithmMismatch,
                "l'algorithme de condensat annoncé n'est pas celui de la signature (RFC 5652 § 5.3)",
            ),
            Remark::AlgorithmProtectionFails => (
                FaultKind::AlgorithmMismatch,
                "l'attribut CMSAlgorithmProtection désigne d'autres algorithmes (RFC 6211 § 4)",
            ),
            Remark::ContentTypeDiffers => (
                FaultKind::Malformed,
                "l'attribut content-type manque ou ne correspond pas au contenu (RFC 5652 § 11.1)",
            ),
            Remark::SeveralDigests => (FaultKind::Malformed, "l'attribut message-digest est répété (RFC 5652 § 11.2)"),
            Remark::LooksLikeAttributes => (
                FaultKind::Wrapping,
                "signature sans attributs sur un contenu qui est lui-même un jeu d'attributs signés (RFC 5652 § 5.4)",
            ),
            Remark::NotDer => (FaultKind::Note, "attributs signés dans un ordre qui n'est pas celui du DER"),
            Remark::DigestNotAnnounced => {
                (FaultKind::Note, "algorithme de condensat absent de la liste digestAlgorithms")
            }
            Remark::ReferenceIssuerDiffers => {
                (FaultKind::Note, "le condensat du certificat concorde, non l'émetteur et le numéro de série signés")
            }
            Remark::OtherReferenceDiffers => (FaultKind::Note, "une seconde référence signée vise un autre certificat"),
            Remark::SignerIdDiffers => {
                (FaultKind::Note, "l'identifiant du signataire ne désigne pas le certificat qui a signé")
            }
            Remark::NoCertificateReference | Remark::ReferenceDiffers | Remark::ReferenceUnreadable => return None,
        })
    };
    found.remarks.iter().filter_map(told).map(|(kind, detail)| Fault::new(kind, detail)).collect()
}

fn timestamps(around: &mut Around<'_, '_, '_>, id: &str, depth: usize) -> Vec<TimestampFacts> {
    let certificates: Vec<&[u8]> = around.signed.x509().collect();
    let carried = long_term::long_term(around.signer);
    let certificates = [certificates, carried.certificates].concat();
    let stamps = stamps(around.signer);
    let mut facts = Vec::new();
    for (at, stamp) in stamps.iter().enumerate() {
        let (imprint, faults) = imprint(stamp, around);
        let about = tsp::About {
            kind: kind(stamp.stamp),
            id: format!("{id}-T{}", at + 1),
            covers: vec![covers(stamp.stamp).to_owned()],
            imprint,
            certificates: &certificates,
            depth: depth + 1,
        };
        let mut told = tsp::facts(stamp.der, &stamp.token, about);
        told.faults.extend(faults);
        facts.push(told);
    }
    facts
}

fn imprint(stamp: &Stamped<'_>, around: &mut Around<'_, '_, '_>) -> (ReferenceState, Vec<Fault>) {
    match stamp.imprint(around) {
        Imprint::Matches => (ReferenceState::Intact, Vec::new()),
        Imprint::Differs => (ReferenceState::Broken, Vec::new()),
        Imprint::Missing => (ReferenceState::Missing, Vec::new()),
        Imprint::Unsupported(name) => (ReferenceState::Unsupported(name), Vec::new()),
        Imprint::NoIndex => {
            let why = "horodatage d'archivage sans index de condensats lisible (EN 319 122-1 § 5.5.2)";
            (ReferenceState::Broken, vec![Fault::new(FaultKind::Note, why)])
        }
        Imprint::IndexFails(state) => {
            let why = format!(
                "ce que l'index de condensats couvrait a disparu ou changé : {} certificat(s), {} donnée(s) de révocation, {} attribut(s)",
                state.missing_certificates, state.missing_revocations, state.missing_attributes
            );
            (ReferenceState::Broken, vec![Fault::new(FaultKind::Note, why)])
        }
    }
}

fn kind(stamp: Stamp) -> TimestampKind {
    match stamp {
        Stamp::Content => TimestampKind::Content,
        Stamp::Signature => TimestampKind::Signature,
        Stamp::SignatureAndReferences => TimestampKind::SignatureAndRefs,
        Stamp::References => TimestampKind::Refs,
        Stamp::ArchiveV2 | Stamp::ArchiveV3 => TimestampKind::Archive,
    }
}

fn covers(stamp: Stamp) -> &'static str {
    match stamp {
        Stamp::Content => "contenu",
        Stamp::Signature => "valeur de signature",
        Stamp::SignatureAndReferences => "valeur de signature et références de validation",
        Stamp::References => "références de validation",
        Stamp::ArchiveV2 | Stamp::ArchiveV3 => "contenu, signature et données de validation",
    }
}

fn counter_signatures(
    signer: &SignerInfo<'_>,
    candidates: &[CertificateFields<'_>],
    id: &str,
    depth: usize,
    left: &mut usize,
) -> Vec<SignatureFacts> {
    if depth > MAX_DEPTH {
        return Vec::new();
    }
    let mut facts = Vec::new();
    for (at, counter) in signer.counter_signatures().enumerate() {
        if *left == 0 {
            break;
        }
        *left -= 1;
        let id = format!("{id}-C{}", at + 1);
        let mut told = match counter {
            Err(error) => SignatureFacts {
                id,
                value: ValueState::Malformed(error.to_string()),
                faults: vec![super::unreadable(&error)],
                ..SignatureFacts::default()
            },
            Ok(counter) => {
                let mut over = Digests::new(Content::whole(&signer.signature));
                let found = check(&counter, None, Some(&mut over), candidates);
                let state = value(&counter, &found);
                let mut told = describe(&counter, &found, id, ReferenceKind::SignatureValue, state);
                add(&mut told.material, &long_term::long_term(&counter));
                told.counter_signatures = counter_signatures(&counter, candidates, &told.id, depth + 1, left);
                told.timestamps = signature_timestamps(&counter, &told.id, depth);
                told
            }
        };
        "contre-signature".clone_into(&mut told.location);
        facts.push(told);
    }
    facts
}

/// The signature time-stamps of a counter-signature: the only kind it usually has.
fn signature_timestamps(counter: &SignerInfo<'_>, id: &str, depth: usize) -> Vec<TimestampFacts> {
    let mut facts = Vec::new();
    for (at, stamp) in stamps(counter).iter().filter(|stamp| stamp.stamp == Stamp::Signature).enumerate() {
        let id = format!("{id}-T{}", at + 1);
        let covers = vec![covers(Stamp::Signature).to_owned()];
        facts.push(tsp::token_at(stamp.der, TimestampKind::Signature, &id, covers, depth + 1, &mut |digest| {
            digest.digest(&counter.signature).ok()
        }));
    }
    facts
}

/// Evidence records among the unsigned attributes (RFC 4998, appendix A): over the CMS message without them and, when it
/// is external, the content beside it.
fn evidence_records(
    signed: &SignedData<'_>,
    signer: &SignerInfo<'_>,
    content: Option<&Digests<'_>>,
    id: &str,
) -> Vec<EvidenceRecordFacts> {
    let mut facts = Vec::new();
    for kind in [oid::EVIDENCE_RECORD_INTERNAL, oid::EVIDENCE_RECORD_EXTERNAL] {
        for value in signer.unsigned_attributes(&kind).flat_map(|attribute| &attribute.values) {
            let message = without_records(signed);
            let beside = content.filter(|_| kind == oid::EVIDENCE_RECORD_EXTERNAL);
            // A content in pieces (a PDF) never has an external record: its message is not a CMS file.
            let beside = beside.and_then(|content| content.content().0.first().copied());
            let data: Vec<&[u8]> = [message.as_slice()].into_iter().chain(beside).collect();
            let mut told = evidence::record(value.raw, "attribut non signé", &data);
            told.id = format!("{id}-E{}", facts.len() + 1);
            facts.push(told);
        }
    }
    facts
}

/// The ContentInfo without its evidence records, DER.
fn without_records(signed: &SignedData<'_>) -> Vec<u8> {
    let strip = |signer: &SignerInfo<'_>| -> Vec<u8> {
        let kept: Vec<&[u8]> = signer
            .unsigned
            .iter()
            .flat_map(|set| &set.entries)
            .filter(|entry| {
                ![oid::EVIDENCE_RECORD_INTERNAL, oid::EVIDENCE_RECORD_EXTERNAL]
                    .iter()
                    .any(|kind| entry.kind == kind.as_bytes())
            })
            .map(|entry| entry.raw)
            .collect();
        let unsigned = if kept.is_empty() { Vec::new() } else { encode(tag::context(1), &kept) };
        sequence(&[
            signer.version_raw,
            signer.sid_raw,
            signer.digest.raw,
            signer.signed.as_ref().map(|set| set.element.raw).unwrap_or_default(),
            signer.algorithm.raw,
            signer.signature_raw,
            &unsigned,
        ])
    };
    let signers: Vec<Vec<u8>> = signed.signers.iter().map(strip).collect();
    let signers: Vec<&[u8]> = signers.iter().map(Vec::as_slice).collect();
    let signed_data = sequence(&[
        signed.version_raw,
        signed.digest_algorithms_raw,
        signed.encapsulated_raw,
        signed.certificates_raw.unwrap_or_default(),
        signed.revocations_raw.unwrap_or_default(),
        &encode(tag::SET, &signers),
    ]);
    sequence(&[
        &crate::spec::cms::asn1::oid(&crate::spec::cms::oid::SIGNED_DATA),
        &encode(tag::context(0), &[&signed_data]),
    ])
}
