//! Reading a list.

use super::criteria::{Assertion, Criteria};
use super::{ListError, Period, Pointer, Qualification, Service, TrustedList};
use crate::spec::crypto::DigestAlgorithm;
use crate::spec::x509::Certificate;
use crate::spec::xml::{Document, Element, Limits, unbase64};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const TSL: &str = "http://uri.etsi.org/02231/v2#";
const TSL_TYPES: &str = "http://uri.etsi.org/02231/v2/additionaltypes#";
const QUALIFICATIONS: &str = "http://uri.etsi.org/TrstSvc/SvcInfoExt/eSigDir-1999-93-EC-TrustedList/#";

const LIMITS: Limits = Limits {
    size_bytes_max: 40 << 20,
    depth_max: 64,
    nodes_max: 2_000_000,
    attributes_max: 1_000,
    namespaces_max: 1_000,
};
const SERVICES_MAX: usize = 20_000;
const CERTIFICATES_MAX: usize = 64;
const CRITERIA_DEPTH_MAX: usize = 8;

/// Reads a list from its XML.
pub fn read(xml: &[u8]) -> Result<TrustedList, ListError> {
    let document = Document::parse(xml, &LIMITS)?;
    let root = document.root();
    if !root.is(TSL, "TrustServiceStatusList") {
        return Err(ListError::OtherRoot);
    }
    let scheme = root.child(TSL, "SchemeInformation").ok_or(ListError::Missing("SchemeInformation"))?;
    let version = text(&scheme, "TSLVersionIdentifier").ok_or(ListError::Missing("TSLVersionIdentifier"))?;
    let number = version.parse().ok().filter(|number| (5..=6).contains(number)).ok_or(ListError::Version(version))?;
    let next_update = scheme.child(TSL, "NextUpdate").and_then(|next| time(&next, "dateTime"));
    Ok(TrustedList {
        version: number,
        sequence: text(&scheme, "TSLSequenceNumber").and_then(|text| text.parse().ok()).unwrap_or_default(),
        kind: text(&scheme, "TSLType").unwrap_or_default(),
        territory: text(&scheme, "SchemeTerritory").unwrap_or_default(),
        operator: named(&scheme, "SchemeOperatorName"),
        issued: time(&scheme, "ListIssueDateTime").ok_or(ListError::Missing("ListIssueDateTime"))?,
        next_update,
        pointers: scheme
            .child(TSL, "PointersToOtherTSL")
            .map(|pointers| {
                pointers
                    .children()
                    .filter(|child| child.is(TSL, "OtherTSLPointer"))
                    .map(|child| pointer(&child))
                    .collect()
            })
            .unwrap_or_default(),
        services: services(&root),
        sha256: DigestAlgorithm::Sha256.digest(xml).map(hex::encode).unwrap_or_default(),
    })
}

fn pointer(element: &Element<'_>) -> Pointer {
    let anywhere = |namespace: &str, name: &str| {
        element.descendants().find(|child| child.is(namespace, name)).map(|child| child.text().trim().to_owned())
    };
    Pointer {
        location: text(element, "TSLLocation").unwrap_or_default(),
        territory: anywhere(TSL, "SchemeTerritory").unwrap_or_default(),
        kind: anywhere(TSL, "TSLType").unwrap_or_default(),
        media_type: anywhere(TSL_TYPES, "MimeType").unwrap_or_default(),
        signers: certificates(element),
    }
}

fn services(root: &Element<'_>) -> Vec<Service> {
    let Some(providers) = root.child(TSL, "TrustServiceProviderList") else { return Vec::new() };
    let mut found = Vec::new();
    for provider in providers.children().filter(|child| child.is(TSL, "TrustServiceProvider")) {
        let name = provider.child(TSL, "TSPInformation").map(|about| named(&about, "TSPName")).unwrap_or_default();
        let services = provider.child(TSL, "TSPServices").into_iter().flat_map(|services| services.children());
        for service in services.filter(|child| child.is(TSL, "TSPService")) {
            if found.len() == SERVICES_MAX {
                return found;
            }
            found.extend(self::service(&service, &name));
        }
    }
    found
}

fn service(element: &Element<'_>, provider: &str) -> Option<Service> {
    let about = element.child(TSL, "ServiceInformation")?;
    let mut certificates =
        about.child(TSL, "ServiceDigitalIdentity").map(|identity| certificates(&identity)).unwrap_or_default();
    let mut periods: Vec<_> = period(&about).into_iter().collect();
    let history = element.child(TSL, "ServiceHistory").into_iter().flat_map(|history| history.children());
    for instance in history.filter(|child| child.is(TSL, "ServiceHistoryInstance")) {
        periods.extend(period(&instance));
        if let Some(identity) = instance.child(TSL, "ServiceDigitalIdentity") {
            certificates.extend(self::certificates(&identity));
        }
    }
    certificates.dedup();
    periods.sort_by_key(|period| std::cmp::Reverse(period.since));
    Some(Service { provider: provider.to_owned(), name: named(&about, "ServiceName"), certificates, periods })
}

fn period(about: &Element<'_>) -> Option<Period> {
    let mut period = Period {
        kind: text(about, "ServiceTypeIdentifier")?,
        status: text(about, "ServiceStatus")?,
        since: time(about, "StatusStartingTime")?,
        additional: Vec::new(),
        qualifications: Vec::new(),
    };
    let extensions = about.child(TSL, "ServiceInformationExtensions").into_iter().flat_map(|list| list.children());
    for extension in extensions.flat_map(|extension| extension.children()) {
        if extension.is(TSL, "AdditionalServiceInformation") {
            period.additional.extend(text(&extension, "URI"));
        } else if extension.is(QUALIFICATIONS, "Qualifications") {
            period.qualifications.extend(extension.children().filter_map(|element| qualification(&element)));
        }
    }
    Some(period)
}

fn qualification(element: &Element<'_>) -> Option<Qualification> {
    let qualifiers = element.child(QUALIFICATIONS, "Qualifiers")?;
    let qualifiers = qualifiers.children().filter_map(|child| child.attribute("uri")).map(std::borrow::Cow::into_owned);
    Some(Qualification {
        qualifiers: qualifiers.collect(),
        criteria: criteria(&element.child(QUALIFICATIONS, "CriteriaList")?, 0),
    })
}

fn criteria(element: &Element<'_>, depth: usize) -> Criteria {
    let assertion = match element.attribute("assert").as_deref() {
        Some("atLeastOne") => Assertion::AtLeastOne,
        Some("none") => Assertion::None,
        _ => Assertion::All,
    };
    let mut read = Criteria {
        assertion,
        key_usages: Vec::new(),
        policies: Vec::new(),
        extended_usages: Vec::new(),
        subject_attributes: Vec::new(),
        nested: Vec::new(),
        unknown: 0,
    };
    for child in element.children() {
        match child.name().as_ref() {
            "KeyUsage" => {
                let bit = |bit: Element<'_>| {
                    let wanted = ["true", "1"].contains(&bit.text().trim());
                    Some((bit.attribute("name")?.into_owned(), wanted))
                };
                read.key_usages.push(child.children().filter_map(bit).collect());
            }
            "PolicySet" => read.policies.push(identifiers(&child)),
            "CriteriaList" if depth < CRITERIA_DEPTH_MAX => read.nested.push(criteria(&child, depth + 1)),
            "otherCriteriaList" => {
                for other in child.children() {
                    match other.name().as_ref() {
                        "ExtendedKeyUsage" => read.extended_usages.push(identifiers(&other)),
                        "CertSubjectDNAttribute" => read.subject_attributes.push(identifiers(&other)),
                        _ => read.unknown += 1,
                    }
                }
            }
            "Description" => {}
            _ => read.unknown += 1,
        }
    }
    read
}

/// The object identifiers anywhere below, dotted (`urn:oid:` taken off).
fn identifiers(element: &Element<'_>) -> Vec<String> {
    let found = element.descendants().filter(|child| child.name() == "Identifier");
    found.map(|child| child.text().trim().trim_start_matches("urn:oid:").to_owned()).collect()
}

fn certificates(element: &Element<'_>) -> Vec<Certificate> {
    let ders = element.descendants().filter(|child| child.is(TSL, "X509Certificate")).take(CERTIFICATES_MAX);
    let ders = ders.filter_map(|child| unbase64(&child.text()));
    ders.filter_map(|der| Certificate::from_der(&der).ok()).collect()
}

/// The English name, or the first.
fn named(element: &Element<'_>, name: &str) -> String {
    let Some(names) = element.child(TSL, name) else { return String::new() };
    let english = names
        .children()
        .find(|child| child.attributes().any(|(attribute, value)| attribute.ends_with("lang") && value == "en"));
    english.or_else(|| names.children().next()).map(|child| child.text().trim().to_owned()).unwrap_or_default()
}

fn text(element: &Element<'_>, name: &str) -> Option<String> {
    element.child(TSL, name).map(|child| child.text().trim().to_owned())
}

fn time(element: &Element<'_>, name: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(&text(element, name)?, &Rfc3339).ok()
}
