//! One signature: its references, its certificate, its value, and what it covers.

use super::{COUNTER_DEPTH_MAX, Covered, Room, tidy};
use crate::spec::ades::xades::{COUNTERSIGNED_TYPE, Found, Properties, is_signed_properties_type};
use crate::spec::crypto::{PublicKey, VerifyError};
use crate::spec::xml::{Element, Selection};
use crate::spec::xmldsig::key::KeyInfo;
use crate::spec::xmldsig::reference::{Checked, Outcome};
use crate::spec::xmldsig::transform::Transform;
use crate::spec::xmldsig::{
    AlgorithmError, DSIG_NS, MANIFEST_TYPE, OBJECT_TYPE, Reference, Signature, SignatureError, references,
};
use crate::validation::facts::{
    CertificateReference, Coverage, CoverageKind, Der, Fault, FaultKind, Format, Packaging, ReferenceFacts,
    ReferenceKind, ReferenceState, SignatureFacts, ValueState,
};

/// Certificates from elsewhere tried on one signature.
const OUTSIDE_MAX: usize = 64;

/// A reference that has been digested, beside what it is.
pub(super) struct Digested<'s, 'd> {
    pub(super) reference: &'s Reference<'d>,
    pub(super) checked: Checked,
}

impl<'d> Room<'d, '_> {
    /// The facts of a `ds:Signature`, and what it covers of the document. `over` is the signature that it countersigns,
    /// with its depth.
    pub(super) fn signature(
        &self,
        element: Element<'d>,
        number: usize,
        over: Option<(&Signature<'d>, usize)>,
    ) -> (SignatureFacts, Vec<Covered>) {
        let id = element.attribute("Id").map(|id| tidy(&id)).filter(|id| !id.is_empty());
        let mut facts = SignatureFacts {
            id: id.unwrap_or_else(|| format!("S{number}")),
            format: Format::XmlDsig,
            location: tidy(&element.path()),
            ..SignatureFacts::default()
        };
        let signature = match Signature::read(element) {
            Ok(signature) => signature,
            Err(error) => {
                facts.value = ValueState::Malformed(error.to_string());
                let kind = match error {
                    SignatureError::Malformed(_) => FaultKind::Malformed,
                    SignatureError::Limit { .. } => FaultKind::Refused,
                };
                facts.faults.push(Fault::new(kind, error.to_string()));
                return (facts, Vec::new());
            }
        };
        facts.algorithm_name = tidy(&signature.algorithm_uri);
        facts.algorithm = signature.algorithm.clone().ok();
        facts.signature_value = signature.value.clone().unwrap_or_default();
        let found = Properties::of(&element);
        let digested: Vec<_> = signature
            .references
            .iter()
            .map(|reference| Digested { reference, checked: self.checker.check(reference, &element) })
            .collect();
        for one in &digested {
            self.reference(&signature, one, &mut facts);
        }
        facts.packaging = packaging(&signature, &digested);
        certificate_and_value(&signature, &found, self.certificates, &mut facts);
        self.properties(&signature, &digested, found, over.map_or(0, |(_, depth)| depth), &mut facts);
        if let Some((countersigned, _)) = over {
            countersigns(countersigned, &digested, &mut facts);
        }
        let covered = self.covered(&signature, &digested, &mut facts);
        (facts, covered)
    }

    /// Counter-signatures, of which too deep a nest is not followed.
    pub(super) fn counter_signatures(
        &self,
        signature: &Signature<'d>,
        elements: &[Element<'d>],
        depth: usize,
        facts: &mut SignatureFacts,
    ) {
        if depth >= COUNTER_DEPTH_MAX {
            let text = format!("plus de {COUNTER_DEPTH_MAX} contre-signatures les unes dans les autres");
            facts.faults.push(Fault::new(FaultKind::Refused, text));
            return;
        }
        for (index, &element) in elements.iter().enumerate() {
            let (mut counter, _) = self.signature(element, index + 1, Some((signature, depth + 1)));
            if counter.id.starts_with('S') && element.attribute("Id").is_none() {
                counter.id = format!("{}-{}", facts.id, counter.id);
            }
            facts.counter_signatures.push(counter);
        }
    }

    /// One reference's facts, and those of the manifest that it may name.
    fn reference(&self, signature: &Signature<'d>, one: &Digested<'_, 'd>, facts: &mut SignatureFacts) {
        let kind = self.kind_of(signature, one);
        let state = state(one, facts);
        facts.references.push(ReferenceFacts {
            uri: one.reference.uri.as_deref().map(tidy),
            kind,
            digest: one.reference.digest,
            digest_value: one.reference.value.clone().unwrap_or_default(),
            state,
            covers: self.covers(&one.checked),
        });
        if kind == ReferenceKind::Manifest {
            self.manifest(signature, one, facts);
        }
    }

    fn kind_of(&self, signature: &Signature<'d>, one: &Digested<'_, 'd>) -> ReferenceKind {
        match one.reference.kind.as_deref() {
            Some(kind) if is_signed_properties_type(kind) => return ReferenceKind::SignedProperties,
            Some(MANIFEST_TYPE) => return ReferenceKind::Manifest,
            Some(OBJECT_TYPE) => return ReferenceKind::Object,
            Some(COUNTERSIGNED_TYPE) => return ReferenceKind::SignatureValue,
            _ => {}
        }
        let Some(apex) = self.subtree(&one.checked) else { return ReferenceKind::Document };
        if apex.is(DSIG_NS, "SignatureValue") {
            ReferenceKind::SignatureValue
        } else if signature.key_info.as_ref().is_some_and(|key_info| key_info.contains(&apex)) {
            ReferenceKind::KeyInfo
        } else if apex.is(DSIG_NS, "Object") && apex.parent() == Some(signature.element) {
            ReferenceKind::Object
        } else if apex.name() == "SignedProperties" && signature.element.contains(&apex) {
            ReferenceKind::SignedProperties
        } else {
            ReferenceKind::Document
        }
    }

    /// The entries of a manifest (XMLDSig §5.1): what is signed through it.
    fn manifest(&self, signature: &Signature<'d>, one: &Digested<'_, 'd>, facts: &mut SignatureFacts) {
        let manifest = self.subtree(&one.checked).filter(|apex| apex.is(DSIG_NS, "Manifest"));
        // The schema has it in a ds:Object of the signature; elsewhere, an application would read another one.
        let own = manifest.filter(|manifest| {
            let object = manifest.parent().filter(|parent| parent.is(DSIG_NS, "Object"));
            object.is_some_and(|object| object.parent() == Some(signature.element))
        });
        let Some(manifest) = own else {
            let text = "le manifeste signé n'est pas celui d'un ds:Object de la signature";
            facts.faults.push(Fault::new(FaultKind::Wrapping, text));
            return;
        };
        match references(&manifest) {
            Ok(entries) => {
                for entry in &entries {
                    let checked = self.checker.check(entry, &signature.element);
                    let entry = Digested { reference: entry, checked };
                    let state = state(&entry, facts);
                    facts.references.push(ReferenceFacts {
                        uri: entry.reference.uri.as_deref().map(tidy),
                        kind: ReferenceKind::ManifestEntry,
                        digest: entry.reference.digest,
                        digest_value: entry.reference.value.clone().unwrap_or_default(),
                        state,
                        covers: self.covers(&entry.checked),
                    });
                }
            }
            Err(error) => facts.faults.push(Fault::new(FaultKind::Malformed, format!("manifeste : {error}"))),
        }
    }

    /// What a reference covers, for people.
    fn covers(&self, checked: &Checked) -> String {
        match (&checked.selection, &checked.content) {
            (Some(selection), _) => {
                let path = selection.apex(self.document).path();
                let path = if selection.is_document() { "le document entier".to_owned() } else { path };
                let but = selection.excluded(self.document).count();
                let text = if checked.text_only { " (son texte)" } else { "" };
                match but {
                    0 => tidy(&format!("{path}{text}")),
                    1 => tidy(&format!("{path}{text}, sauf un élément")),
                    _ => tidy(&format!("{path}{text}, sauf {but} éléments")),
                }
            }
            (None, Some(name)) if name.is_empty() => "le contenu fourni".to_owned(),
            (None, Some(name)) => tidy(name),
            (None, None) => String::new(),
        }
    }

    /// The element that is the top of what a reference covers, when it is not the whole document.
    pub(super) fn subtree(&self, checked: &Checked) -> Option<Element<'d>> {
        checked
            .selection
            .as_ref()
            .filter(|selection| !selection.is_document())
            .map(|selection| selection.apex(self.document))
    }

    /// What the signature covers of the document, told unit by unit.
    fn covered(
        &self,
        signature: &Signature<'d>,
        digested: &[Digested<'_, 'd>],
        facts: &mut SignatureFacts,
    ) -> Vec<Covered> {
        let mut covered = Vec::new();
        for one in digested {
            let kind = self.kind_of(signature, one);
            if matches!(kind, ReferenceKind::SignedProperties | ReferenceKind::KeyInfo) {
                continue;
            }
            if let Some(selection) = &one.checked.selection {
                self.misplaced(signature, one, selection, facts);
                covered.push(Covered { selection: selection.clone(), text_only: one.checked.text_only });
                if self.units.is_none() {
                    facts.covers.push(coverage(self.document, selection));
                }
            } else if let Some(name) = &one.checked.content {
                let name = if name.is_empty() { "contenu fourni".to_owned() } else { tidy(name) };
                facts.covers.push(Coverage { kind: CoverageKind::Content, name, covered: true, detail: None });
            }
        }
        if let Some(units) = &self.units {
            units.of_signature(&covered, facts);
        }
        covered
    }

    /// A signature that says it is within what it signs, and is not, was moved, or what it signs was.
    fn misplaced(
        &self,
        signature: &Signature<'d>,
        one: &Digested<'_, 'd>,
        selection: &Selection,
        facts: &mut SignatureFacts,
    ) {
        let enveloped = one
            .reference
            .transforms
            .as_ref()
            .is_ok_and(|transforms| transforms.iter().any(|transform| matches!(transform, Transform::Enveloped)));
        let apex = selection.apex(self.document);
        if enveloped && !apex.contains(&signature.element) {
            let text = format!("la signature se dit dans ce qu'elle signe ({}), et n'y est pas", tidy(&apex.path()));
            facts.faults.push(Fault::new(FaultKind::Wrapping, text));
        }
    }
}

fn state(one: &Digested<'_, '_>, facts: &mut SignatureFacts) -> ReferenceState {
    match &one.checked.outcome {
        Outcome::Intact => ReferenceState::Intact,
        Outcome::Broken => ReferenceState::Broken,
        Outcome::Missing => ReferenceState::Missing,
        Outcome::Unsupported(name) => ReferenceState::Unsupported(tidy(name)),
        Outcome::Refused(why) => ReferenceState::Refused(tidy(why)),
        Outcome::Ambiguous(id) => {
            let text = format!("plusieurs éléments ont l'identifiant « {} » qui est signé", tidy(id));
            facts.faults.push(Fault::new(FaultKind::Wrapping, text.clone()));
            ReferenceState::Refused(text)
        }
    }
}

/// Chooses the signer's certificate and checks the value with it. `outside` are certificates from elsewhere, for a
/// signature that brings none.
fn certificate_and_value(signature: &Signature<'_>, found: &Found<'_>, outside: &[&[u8]], facts: &mut SignatureFacts) {
    let info = signature.key_info.as_ref().map(KeyInfo::read).unwrap_or_default();
    let own = match found {
        Found::Own(properties) => Some(properties),
        Found::Nothing | Found::Wrong(_) => None,
    };
    let named = own.map(|properties| properties.certificates.as_slice()).unwrap_or_default();
    let carried = own.map(|properties| properties.certificate_values.as_slice()).unwrap_or_default();
    let is_named = |der: &&Vec<u8>| named.first().is_some_and(|id| id.names(der) == Some(true));
    let verifies =
        |der: &&Vec<u8>| PublicKey::from_certificate(der).is_ok_and(|key| signature.check_value(&key).is_ok());
    let all = || info.certificates.iter();
    let chosen = match info.certificates.as_slice() {
        [only] => Some(only),
        _ => all().find(is_named).or_else(|| all().take(16).find(verifies)).or_else(|| all().next()),
    };
    let chosen = chosen.or_else(|| carried.iter().find(is_named));
    let elsewhere = || outside.iter().take(OUTSIDE_MAX).map(|der| der.to_vec());
    let supplied = match chosen {
        Some(_) => None,
        None if named.is_empty() => elsewhere().find(|der| verifies(&der)),
        None => elsewhere().find(|der| is_named(&der)),
    };
    let chosen = chosen.or(supplied.as_ref());
    facts.value = value_state(signature, chosen, &info);
    if let Some(der) = chosen {
        facts.certificate_reference = certificate_reference(named, der, facts);
        facts.signing_certificate = Some(Der::from(der.as_slice()));
    } else if !named.is_empty() {
        facts.certificate_reference = CertificateReference::Unchecked;
    }
    facts.material.certificates.extend(all().map(|der| Der::from(der.as_slice())));
    facts.material.crls.extend(info.crls.iter().map(|der| Der::from(der.as_slice())));
}

fn coverage(document: &crate::spec::xml::Document<'_>, selection: &Selection) -> Coverage {
    let others = selection.excluded(document).filter(|element| !element.is(DSIG_NS, "Signature")).count();
    let detail = (others > 0).then(|| format!("{others} élément(s) en sont exclus"));
    if selection.is_document() {
        return Coverage { kind: CoverageKind::File, name: "document".to_owned(), covered: others == 0, detail };
    }
    let name = tidy(&selection.apex(document).path());
    Coverage { kind: CoverageKind::XmlElement, name, covered: true, detail }
}

fn value_state(signature: &Signature<'_>, certificate: Option<&Vec<u8>>, info: &KeyInfo) -> ValueState {
    if let Err(error @ (AlgorithmError::Hmac(_) | AlgorithmError::NotAnUri(_))) = &signature.algorithm {
        return ValueState::Malformed(tidy(&error.to_string()));
    }
    if signature.value.is_none() {
        return ValueState::Malformed("SignatureValue n'est pas du base64".to_owned());
    }
    let key = match (certificate, &info.key) {
        (Some(der), _) => match PublicKey::from_certificate(der) {
            Ok(key) => key,
            Err(error) => return ValueState::Malformed(format!("certificat illisible : {error}")),
        },
        (None, Some(key)) => key.clone(),
        (None, None) => {
            return info.unreadable.map_or(ValueState::NoCertificate, |what| ValueState::Malformed(what.to_owned()));
        }
    };
    match signature.check_value(&key) {
        Ok(()) => ValueState::Intact,
        Err(VerifyError::Mismatch) => ValueState::Broken,
        Err(VerifyError::Unsupported(name)) => ValueState::Unsupported(tidy(&name.0)),
    }
}

fn certificate_reference(
    named: &[crate::spec::ades::xades::CertificateId],
    der: &[u8],
    facts: &mut SignatureFacts,
) -> CertificateReference {
    if named.is_empty() {
        return CertificateReference::Absent;
    }
    let matching = named.iter().find(|id| id.names(der) == Some(true));
    if let Some(id) = matching {
        let serial =
            crate::spec::x509::Certificate::from_der(der).ok().map(|certificate| certificate.serial().to_vec());
        if serial.is_some_and(|serial| !id.has_serial(&serial)) {
            let text = "le numéro de série écrit dans SigningCertificate n'est pas celui du certificat";
            facts.faults.push(Fault::new(FaultKind::Note, text));
        }
        return CertificateReference::Matches;
    }
    if named.iter().any(|id| id.names(der).is_none()) {
        return CertificateReference::Unchecked;
    }
    CertificateReference::Differs
}

fn packaging(signature: &Signature<'_>, digested: &[Digested<'_, '_>]) -> Packaging {
    let mut packaging = Packaging::Detached;
    for one in digested.iter().filter(|one| !one.reference.kind.as_deref().is_some_and(is_signed_properties_type)) {
        let Some(selection) = &one.checked.selection else { continue };
        let apex = selection.apex(signature.element.document());
        if apex != signature.element && apex.contains(&signature.element) {
            return Packaging::Enveloped;
        }
        if signature.key_info.as_ref().is_some_and(|key_info| key_info.contains(&apex)) {
            continue;
        }
        packaging =
            if signature.element.contains(&apex) { Packaging::Enveloping } else { Packaging::InternallyDetached };
    }
    packaging
}

/// A counter-signature must be over the value of the signature that it stands in (EN 319 132-1 §5.2.7.2).
fn countersigns(countersigned: &Signature<'_>, digested: &[Digested<'_, '_>], facts: &mut SignatureFacts) {
    let over = |one: &Digested<'_, '_>| {
        let selection = one.checked.selection.as_ref();
        selection.is_some_and(|selection| selection.has(&countersigned.value_element))
    };
    if !digested.iter().any(over) {
        facts.references.push(ReferenceFacts {
            uri: None,
            kind: ReferenceKind::SignatureValue,
            digest: None,
            digest_value: Vec::new(),
            state: ReferenceState::Broken,
            covers: "valeur de la signature contre-signée".to_owned(),
        });
        let text = "cette contre-signature ne porte pas sur la signature où elle est rangée";
        facts.faults.push(Fault::new(FaultKind::Wrapping, text));
    }
}
