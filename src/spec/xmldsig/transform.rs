//! `ds:Transform`: the ones that are known, recognised. Nothing is interpreted beyond the forms listed here.

use super::path::Path;
use super::{DSIG_NS, SignatureError, TRANSFORMS_MAX, algorithm_of, canonicalization};
use crate::spec::crypto::{DigestAlgorithm, PssParameters};
use crate::spec::xml::Element;
use crate::spec::xml::c14n::Method;

const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const BASE64: &str = "http://www.w3.org/2000/09/xmldsig#base64";
const XPATH: &str = "http://www.w3.org/TR/1999/REC-xpath-19991116";
const FILTER2: &str = "http://www.w3.org/2002/06/xmldsig-filter2";
const XSLT: &str = "http://www.w3.org/TR/1999/REC-xslt-19991116";

/// A transform.
#[derive(Debug, Clone)]
pub enum Transform<'d> {
    /// A canonical form: nodes become octets.
    Canonical(Method),
    /// Takes the signature itself out.
    Enveloped,
    /// Text, or octets, decoded.
    Base64,
    /// XPath: takes out every element of these names, with all that is in it.
    Without(Vec<(String, String)>),
    /// XPath Filter 2: keeps or takes out what each path selects, in this order.
    Filters(Vec<Filter<'d>>),
    /// Not known here: its URI, or its expression.
    Unsupported(String),
    /// Known, and never done: why, in French.
    Refused(&'static str),
}

/// One `XPath` of XPath Filter 2.
#[derive(Debug, Clone)]
pub struct Filter<'d> {
    /// Whether what is selected is kept (`intersect`) or taken out (`subtract`).
    pub keeps: bool,
    /// What is selected.
    pub path: Path,
    /// Where the expression stands: `here()`.
    pub here: Element<'d>,
}

/// The transforms of a `ds:Reference`.
///
/// # Errors
///
/// [`SignatureError::Limit`] when there are too many.
pub(super) fn read<'d>(reference: &Element<'d>) -> Result<Vec<Transform<'d>>, SignatureError> {
    let Some(list) = reference.child(DSIG_NS, "Transforms") else { return Ok(Vec::new()) };
    let mut transforms = Vec::new();
    for element in list.children().filter(|child| child.is(DSIG_NS, "Transform")) {
        if transforms.len() == TRANSFORMS_MAX {
            return Err(SignatureError::Limit { what: "transformations", limit: TRANSFORMS_MAX });
        }
        transforms.push(recognise(&element)?);
    }
    Ok(transforms)
}

fn recognise<'d>(element: &Element<'d>) -> Result<Transform<'d>, SignatureError> {
    let uri = algorithm_of(element);
    Ok(match uri.as_str() {
        ENVELOPED => Transform::Enveloped,
        BASE64 => Transform::Base64,
        XPATH => xpath(element),
        FILTER2 => filters(element),
        XSLT => Transform::Refused("transformation XSLT"),
        _ => canonicalization(element)?.map_or_else(Transform::Unsupported, Transform::Canonical),
    })
}

/// XPath 1.0 filters: `not(ancestor-or-self::ds:Signature)`, several of them with `and`, and the expression that XMLDSig
/// §6.6.4 gives for the enveloped signature.
fn xpath<'d>(element: &Element<'d>) -> Transform<'d> {
    let Some(xpath) = element.child(DSIG_NS, "XPath") else { return Transform::Unsupported(XPATH.to_owned()) };
    let text = xpath.text();
    let expression: String = text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let unsupported = || Transform::Unsupported(format!("XPath {}", expression.chars().take(200).collect::<String>()));
    let compact: String = expression.chars().filter(|c| *c != ' ').collect();
    if is_enveloped(&compact, &xpath) {
        return Transform::Enveloped;
    }
    let mut names = Vec::new();
    for term in expression.split(" and ") {
        let term: String = term.chars().filter(|c| *c != ' ').collect();
        let name = term.strip_prefix("not(ancestor-or-self::").and_then(|rest| rest.strip_suffix(')'));
        let Some(name) = name.and_then(|name| qualified(name, &xpath)) else { return unsupported() };
        names.push(name);
    }
    Transform::Without(names)
}

fn is_enveloped(compact: &str, xpath: &Element<'_>) -> bool {
    let prefix = compact.strip_prefix("count(ancestor-or-self::").and_then(|rest| rest.split_once(":Signature|"));
    let Some((prefix, _)) = prefix else { return false };
    let written = format!(
        "count(ancestor-or-self::{prefix}:Signature|here()/ancestor::{prefix}:Signature[1])>count(ancestor-or-self::{prefix}:Signature)"
    );
    compact == written && xpath.resolve(prefix).as_deref() == Some(DSIG_NS)
}

/// A qualified name of an expression as namespace and local name. In XPath, no prefix means no namespace.
pub(super) fn qualified(name: &str, context: &Element<'_>) -> Option<(String, String)> {
    let plain = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
    match name.split_once(':') {
        Some((prefix, local)) if plain(prefix) && plain(local) => {
            Some((context.resolve(prefix)?.into_owned(), local.to_owned()))
        }
        None if plain(name) => Some((String::new(), name.to_owned())),
        _ => None,
    }
}

fn filters<'d>(element: &Element<'d>) -> Transform<'d> {
    let mut filters = Vec::new();
    for here in element.children().filter(|child| child.is(FILTER2, "XPath")) {
        let text = here.text();
        let path = Path::parse(&text, &here);
        let keeps = match here.attribute("Filter").as_deref() {
            Some("intersect") => Some(true),
            Some("subtract") => Some(false),
            _ => None,
        };
        let (Some(path), Some(keeps), true) = (path, keeps, filters.len() < TRANSFORMS_MAX) else {
            return Transform::Unsupported(format!("XPath Filter 2 {}", text.chars().take(200).collect::<String>()));
        };
        filters.push(Filter { keeps, path, here });
    }
    if filters.is_empty() {
        return Transform::Unsupported("XPath Filter 2 sans expression".to_owned());
    }
    Transform::Filters(filters)
}

/// The `RSAPSSParams` of a `ds:SignatureMethod` (RFC 9231 §2.3.9), with the defaults of what is left out: SHA-256, MGF1
/// with the same digest, a salt as long as the digest.
pub(super) fn pss_parameters(method: &Element<'_>) -> Option<PssParameters> {
    let parameters = method.children().find(|child| child.name() == "RSAPSSParams")?;
    let digest_of = |parent: Option<&Element<'_>>| {
        let method = parent?.children().find(|child| child.name() == "DigestMethod")?;
        DigestAlgorithm::from_uri(&algorithm_of(&method))
    };
    let digest = match digest_of(Some(&parameters)) {
        Some(digest) => digest,
        None if parameters.children().any(|child| child.name() == "DigestMethod") => return None,
        None => DigestAlgorithm::Sha256,
    };
    let mut read = PssParameters::usual(digest);
    let mgf = parameters.children().find(|child| child.name() == "MaskGenerationFunction");
    if let Some(mgf) = mgf {
        read.mgf_digest = digest_of(Some(&mgf)).unwrap_or(digest);
    }
    if let Some(salt) = parameters.children().find(|child| child.name() == "SaltLength") {
        read.salt_bytes = salt.text().trim().parse().ok().filter(|&bytes| bytes <= 512)?;
    }
    Some(read)
}
