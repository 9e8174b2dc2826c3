//! XML Signature (XMLDSig 1.1, RFC 9231 for the algorithms): reading a `ds:Signature`, digesting what its references name,
//! checking its value.
//!
//! * [`Signature::read`] takes the structure apart; [`reference::Checker`] digests references and says *which* nodes each
//!   covers ([`reference::Checked`]); [`Signature::check_value`] checks the value with a key; [`key`] reads `ds:KeyInfo`.
//! * Transforms are a **list of known ones** ([`transform`]), not an interpreter: enveloped-signature, the six canonical
//!   forms, base64, and the XPath and XPath Filter 2 expressions that signature tools write. XSLT is refused, and no URI is
//!   ever fetched: what is not in the document is what the caller gives.
//! * A reference to an identifier that several elements have is refused: it is how a signed element is exchanged for
//!   another. HMAC is refused: with a public key as secret, anybody could have made it.

pub mod key;
pub mod path;
pub mod reference;
pub mod transform;

#[cfg(test)]
mod tests;

use super::crypto::{DigestAlgorithm, PublicKey, SignatureAlgorithm, SignatureForm, Unsupported, VerifyError};
use super::xml::c14n::{self, Method};
use super::xml::{Element, unbase64};
use transform::Transform;

/// The namespace of XML Signature.
pub const DSIG_NS: &str = "http://www.w3.org/2000/09/xmldsig#";
/// The namespace of XML Signature 1.1.
pub const DSIG11_NS: &str = "http://www.w3.org/2009/xmldsig11#";
/// `Type` of a reference to a `ds:Manifest`.
pub const MANIFEST_TYPE: &str = "http://www.w3.org/2000/09/xmldsig#Manifest";
/// `Type` of a reference to a `ds:Object`.
pub const OBJECT_TYPE: &str = "http://www.w3.org/2000/09/xmldsig#Object";

/// References of one signature or manifest.
pub const REFERENCES_MAX: usize = 1024;
/// Transforms of one reference.
pub const TRANSFORMS_MAX: usize = 16;
/// Prefixes in one `PrefixList`.
const PREFIXES_MAX: usize = 256;

/// Why a `ds:Signature` cannot be checked at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A part is missing or not of its form; which, in French.
    #[error("signature XML mal formée : {0}")]
    Malformed(String),
    /// Over a limit.
    #[error("plus de {limit} {what}")]
    Limit {
        /// Of what, in French.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

/// A signature, taken apart.
#[derive(Debug, Clone)]
pub struct Signature<'d> {
    /// The `ds:Signature` element.
    pub element: Element<'d>,
    /// Its identifier.
    pub id: Option<String>,
    /// The `ds:SignedInfo` element.
    pub signed_info: Element<'d>,
    /// How `ds:SignedInfo` is canonicalised; `Err` with the URI when that is none of the six.
    pub canonicalization: Result<Method, String>,
    /// The signature algorithm's URI, as written.
    pub algorithm_uri: String,
    /// The signature algorithm.
    pub algorithm: Result<SignatureAlgorithm, AlgorithmError>,
    /// What is signed.
    pub references: Vec<Reference<'d>>,
    /// The `ds:SignatureValue` element.
    pub value_element: Element<'d>,
    /// The value; `None` when it is not base64.
    pub value: Option<Vec<u8>>,
    /// The `ds:KeyInfo` element.
    pub key_info: Option<Element<'d>>,
}

/// Why a signature algorithm is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AlgorithmError {
    /// Not one that is computed here.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// A message authentication code, which proves nothing of who signed.
    #[error("« {0} » est un code d'authentification à clé partagée, pas une signature")]
    Hmac(String),
    /// Not an identifier of XML Signature.
    #[error("« {0} » n'est pas l'URI d'un algorithme de signature")]
    NotAnUri(String),
}

/// A `ds:Reference`.
#[derive(Debug, Clone)]
pub struct Reference<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its identifier.
    pub id: Option<String>,
    /// What it names; `None` without the attribute.
    pub uri: Option<String>,
    /// What it says it names.
    pub kind: Option<String>,
    /// How what it names is transformed before being digested.
    pub transforms: Result<Vec<Transform<'d>>, SignatureError>,
    /// Its digest algorithm's URI, as written.
    pub digest_uri: String,
    /// Its digest algorithm.
    pub digest: Option<DigestAlgorithm>,
    /// The digest; `None` when it is not base64.
    pub value: Option<Vec<u8>>,
}

impl<'d> Signature<'d> {
    /// Takes a `ds:Signature` element apart.
    ///
    /// # Errors
    ///
    /// [`SignatureError`] when a part without which nothing can be said is missing.
    pub fn read(element: Element<'d>) -> Result<Self, SignatureError> {
        let part = |of: &Element<'d>, name: &str| {
            of.child(DSIG_NS, name).ok_or_else(|| SignatureError::Malformed(format!("sans {name}")))
        };
        let signed_info = part(&element, "SignedInfo")?;
        for name in ["SignedInfo", "SignatureValue"] {
            if element.children().filter(|child| child.is(DSIG_NS, name)).count() > 1 {
                return Err(SignatureError::Malformed(format!("plusieurs {name}")));
            }
        }
        let canonicalization = canonicalization(&part(&signed_info, "CanonicalizationMethod")?)?;
        let method = part(&signed_info, "SignatureMethod")?;
        let algorithm_uri = algorithm_of(&method);
        let references = references(&signed_info)?;
        if references.is_empty() {
            return Err(SignatureError::Malformed("sans Reference".to_owned()));
        }
        let value_element = part(&element, "SignatureValue")?;
        Ok(Self {
            element,
            id: element.attribute("Id").map(Into::into),
            signed_info,
            canonicalization,
            algorithm: signature_algorithm(&algorithm_uri, &method),
            algorithm_uri,
            references,
            value_element,
            value: unbase64(&value_element.text()).filter(|value| !value.is_empty()),
            key_info: element.child(DSIG_NS, "KeyInfo"),
        })
    }

    /// The octets that the value signs; `None` when `ds:SignedInfo` has a canonical form that is not known here.
    pub fn signed_octets(&self) -> Option<Vec<u8>> {
        let method = self.canonicalization.as_ref().ok()?;
        Some(c14n::element_to_vec(&self.signed_info, method))
    }

    /// Checks the value with a key.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Mismatch`] when the value is not that key's over `ds:SignedInfo`, or is no value;
    /// [`VerifyError::Unsupported`] when an algorithm is not computed here.
    pub fn check_value(&self, key: &PublicKey) -> Result<(), VerifyError> {
        let unsupported = |name: String| VerifyError::Unsupported(Unsupported(name));
        let algorithm = self.algorithm.as_ref().map_err(|error| match error {
            AlgorithmError::Unsupported(name) => VerifyError::Unsupported(name.clone()),
            AlgorithmError::Hmac(_) | AlgorithmError::NotAnUri(_) => VerifyError::Mismatch,
        })?;
        if let Err(uri) = &self.canonicalization {
            return Err(unsupported(uri.clone()));
        }
        let (Some(octets), Some(value)) = (self.signed_octets(), &self.value) else {
            return Err(VerifyError::Mismatch);
        };
        key.verify(algorithm, &octets, value, SignatureForm::Raw)
    }

    /// The `ds:Object` elements.
    pub fn objects(&self) -> impl Iterator<Item = Element<'d>> + use<'d> {
        self.element.children().filter(|child| child.is(DSIG_NS, "Object"))
    }
}

/// The references of a `ds:SignedInfo` or `ds:Manifest`.
///
/// # Errors
///
/// [`SignatureError`] when there are too many, or one is not of its form.
pub fn references<'d>(parent: &Element<'d>) -> Result<Vec<Reference<'d>>, SignatureError> {
    let mut references = Vec::new();
    for element in parent.children().filter(|child| child.is(DSIG_NS, "Reference")) {
        if references.len() == REFERENCES_MAX {
            return Err(SignatureError::Limit { what: "références", limit: REFERENCES_MAX });
        }
        references.push(read_reference(element)?);
    }
    Ok(references)
}

fn read_reference(element: Element<'_>) -> Result<Reference<'_>, SignatureError> {
    let digest_method = element.child(DSIG_NS, "DigestMethod");
    let digest_value = element.child(DSIG_NS, "DigestValue");
    let (Some(digest_method), Some(digest_value)) = (digest_method, digest_value) else {
        return Err(SignatureError::Malformed("une Reference sans DigestMethod ou DigestValue".to_owned()));
    };
    let digest_uri = algorithm_of(&digest_method);
    Ok(Reference {
        element,
        id: element.attribute("Id").map(Into::into),
        uri: element.attribute("URI").map(Into::into),
        kind: element.attribute("Type").map(Into::into),
        transforms: transform::read(&element),
        digest: DigestAlgorithm::from_uri(&digest_uri),
        digest_uri,
        value: unbase64(&digest_value.text()),
    })
}

/// The canonicalisation method that an element (`CanonicalizationMethod`, `Transform`, a time-stamp's) names by its
/// `Algorithm`; `Ok(Err(uri))` when it is none of the six.
///
/// # Errors
///
/// [`SignatureError::Limit`] for an excessive `PrefixList`.
pub fn canonicalization(element: &Element<'_>) -> Result<Result<Method, String>, SignatureError> {
    let uri = algorithm_of(element);
    let Some(mut method) = Method::of_uri(&uri) else { return Ok(Err(uri)) };
    let list = element.children().find(|child| child.name() == "InclusiveNamespaces");
    if let Some(list) = list.and_then(|list| list.attribute("PrefixList")) {
        method.prefixes = list.split_ascii_whitespace().take(PREFIXES_MAX + 1).map(ToOwned::to_owned).collect();
        if method.prefixes.len() > PREFIXES_MAX {
            return Err(SignatureError::Limit { what: "préfixes dans PrefixList", limit: PREFIXES_MAX });
        }
    }
    Ok(Ok(method))
}

/// The `Algorithm` of an element, empty when it has none.
pub fn algorithm_of(element: &Element<'_>) -> String {
    element.attribute("Algorithm").map(|uri| uri.trim().to_owned()).unwrap_or_default()
}

fn signature_algorithm(uri: &str, method: &Element<'_>) -> Result<SignatureAlgorithm, AlgorithmError> {
    if uri.to_ascii_lowercase().contains("#hmac-") {
        return Err(AlgorithmError::Hmac(uri.to_owned()));
    }
    if !uri.contains(':') {
        return Err(AlgorithmError::NotAnUri(uri.to_owned()));
    }
    Ok(SignatureAlgorithm::from_uri(uri, transform::pss_parameters(method))?)
}
