//! XAdES (ETSI EN 319 132-1, TS 101 903 v1.1.1 to v1.4.2): the qualifying properties of an XML signature.
//!
//! [`Properties::of`] finds the `QualifyingProperties` that are a signature's **own**, direct in one of its `ds:Object`;
//! whether its signed properties are indeed signed is for whoever has digested the references to say
//! ([`is_signed_properties_type`], [`Properties::signed`]). [`timestamp`] says what each time-stamp is over.
//!
//! The namespace is that of version 1.1.1, 1.2.2 or 1.3.2, with the elements that 1.4.1 adds; the versions differ little
//! enough for one reader. In 1.1.1 and 1.2.2, `DigestMethod` and `DigestValue` may be in the XAdES namespace (as those of
//! every PES are), so they are taken from either.

mod read;
pub mod timestamp;

#[cfg(test)]
mod tests;

pub use read::{CertificateId, Commitment, DataObject, Policy};
pub use timestamp::{Kind, Timestamp};

use crate::spec::xml::Element;
use crate::spec::xmldsig::DSIG_NS;
use time::OffsetDateTime;

/// What the namespaces of XAdES begin with.
const XADES: &str = "http://uri.etsi.org/01903/";
/// The namespace of what version 1.4.1 adds.
pub const XADES141_NS: &str = "http://uri.etsi.org/01903/v1.4.1#";
/// The namespace of EN 319 132-3: evidence records in signatures.
pub const XADESEN_NS: &str = "http://uri.etsi.org/19132/v1.1.1#";
/// `Type` of a counter-signature's reference to the signature value it is over.
pub const COUNTERSIGNED_TYPE: &str = "http://uri.etsi.org/01903#CountersignedSignature";

/// Values of each kind that one signature may carry.
pub const VALUES_MAX: usize = 1024;

/// Whether a reference's `Type` says that it is to signed properties, in any version.
pub fn is_signed_properties_type(kind: &str) -> bool {
    kind.strip_suffix("#SignedProperties").is_some_and(|base| base.starts_with("http://uri.etsi.org/01903"))
}

/// Whether an element is of XAdES, any version, with this name.
fn is(element: &Element<'_>, name: &str) -> bool {
    element.namespace().starts_with(XADES) && element.name() == name
}

/// The children of XAdES with this name.
fn children<'d>(element: &Element<'d>, name: &'static str) -> impl Iterator<Item = Element<'d>> + use<'d> {
    element.children().filter(move |child| is(child, name))
}

/// The first child of XAdES with this name.
fn child<'d>(element: &Element<'d>, name: &'static str) -> Option<Element<'d>> {
    children(element, name).next()
}

/// The qualifying properties of a signature.
#[derive(Debug, Clone)]
pub struct Properties<'d> {
    /// `QualifyingProperties`.
    pub element: Element<'d>,
    /// `SignedProperties`.
    pub signed: Option<Element<'d>>,
    /// `SigningTime`.
    pub signing_time: Option<OffsetDateTime>,
    /// `SigningCertificate` or `SigningCertificateV2`; the first is the signer's.
    pub certificates: Vec<CertificateId>,
    /// `SignaturePolicyIdentifier`.
    pub policy: Option<Policy>,
    /// `SignerRole` or `SignerRoleV2`: claimed roles as text, certified ones by that name.
    pub roles: Vec<String>,
    /// `SignatureProductionPlace` or V2, on one line.
    pub place: Option<String>,
    /// `CommitmentTypeIndication`.
    pub commitments: Vec<Commitment>,
    /// `DataObjectFormat`.
    pub data_objects: Vec<DataObject>,
    /// Every time-stamp, signed ones first, in the order of the properties.
    pub timestamps: Vec<Timestamp<'d>>,
    /// The `ds:Signature` of each `CounterSignature`.
    pub counter_signatures: Vec<Element<'d>>,
    /// Certificates of every kind of values, DER.
    pub certificate_values: Vec<Vec<u8>>,
    /// CRLs, DER.
    pub crl_values: Vec<Vec<u8>>,
    /// OCSP responses, DER.
    pub ocsp_values: Vec<Vec<u8>>,
    /// Whether there are references to validation material (`CompleteRevocationRefs`…).
    pub has_references: bool,
    /// Evidence records: the property they are in, and their bytes.
    pub evidence_records: Vec<(Element<'d>, Vec<u8>)>,
    /// What could not be read, in French.
    pub unreadable: Vec<String>,
}

/// What of XAdES a signature carries.
#[derive(Debug, Clone)]
pub enum Found<'d> {
    /// Nothing: it is plain XML Signature.
    Nothing,
    /// Its qualifying properties.
    Own(Box<Properties<'d>>),
    /// Qualifying properties that are not of their form, or are not this signature's: why, in French.
    Wrong(&'static str),
}

impl<'d> Properties<'d> {
    /// The qualifying properties of a `ds:Signature` element.
    pub fn of(signature: &Element<'d>) -> Found<'d> {
        let objects = signature.children().filter(|child| child.is(DSIG_NS, "Object"));
        let mut all = objects.flat_map(|object| children(&object, "QualifyingProperties").collect::<Vec<_>>());
        let Some(element) = all.next() else { return Found::Nothing };
        if all.next().is_some() {
            return Found::Wrong("plusieurs QualifyingProperties dans une signature");
        }
        // EN 319 132-1 §4.4.2: Target names the signature that they qualify.
        if let Some(target) = element.attribute("Target") {
            let named = target.strip_prefix('#').unwrap_or(&target);
            if signature.attribute("Id").is_some_and(|id| id != named) {
                return Found::Wrong("les QualifyingProperties disent qualifier une autre signature");
            }
        }
        let mut signed = children(&element, "SignedProperties");
        let first = signed.next();
        if signed.next().is_some() {
            return Found::Wrong("plusieurs SignedProperties dans une signature");
        }
        Found::Own(Box::new(read::properties(element, first)))
    }
}
