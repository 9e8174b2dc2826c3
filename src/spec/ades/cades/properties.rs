//! What a signer says in signed attributes (EN 319 122-1 § 5.2). Unreadable values are told by name, not refused.

use super::oid;
use crate::spec::ber::{BerError, Element, Reader, tag};
use crate::spec::cms::asn1::dotted;
use crate::spec::cms::oid as cms_oid;
use crate::spec::cms::received::{AlgorithmId, SignerInfo};
use crate::spec::crypto::DigestAlgorithm;
use const_oid::ObjectIdentifier;
use time::OffsetDateTime;

/// Items of a list looked at: roles, commitments, qualifiers.
const MAX_ITEMS: usize = 64;

/// The signed attributes beyond the mandatory ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignedProperties {
    /// The time the signer claims (RFC 5652 § 11.3).
    pub signing_time: Option<OffsetDateTime>,
    /// The signature policy.
    pub policy: Option<Policy>,
    /// Commitment types, dotted.
    pub commitments: Vec<String>,
    /// Description and type of the content, from content-hints.
    pub content_hints: Option<String>,
    /// The content's MIME type.
    pub mime_type: Option<String>,
    /// Country, locality and postal address, on one line.
    pub place: Option<String>,
    /// Roles, claimed or certified, as text.
    pub roles: Vec<String>,
    /// Attributes that could not be read, by name.
    pub unreadable: Vec<&'static str>,
    /// Attributes that ought to stand once and stand several times, by name.
    pub repeated: Vec<&'static str>,
}

/// The signature policy (§ 5.2.9).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// SignaturePolicyImplied: no identifier.
    pub implied: bool,
    /// Dotted identifier.
    pub id: String,
    /// Digest algorithm of the policy document.
    pub digest: Option<DigestAlgorithm>,
    /// Its digest; empty or zero when unknown to the signer.
    pub hash: Vec<u8>,
    /// Where it is said to be (SPuri).
    pub uri: Option<String>,
    /// What people must be told (SPuserNotice).
    pub notice: Option<String>,
}

impl SignedProperties {
    /// Reads those of a signer.
    pub fn read(signer: &SignerInfo<'_>) -> Self {
        let mut found = Self::default();
        let signing_time = found.value(signer, &cms_oid::SIGNING_TIME, "signing-time", signing_time);
        let policy = found.value(signer, &oid::SIGNATURE_POLICY, "signature-policy-identifier", policy);
        let hints = found.value(signer, &oid::CONTENT_HINTS, "content-hints", content_hints);
        let mime = found.value(signer, &oid::MIME_TYPE, "mime-type", |value| Ok(value.text()));
        let place = found.value(signer, &oid::SIGNER_LOCATION, "signer-location", place);
        let commitments = found.value(signer, &oid::COMMITMENT_TYPE, "commitment-type-indication", commitments);
        let older = found.value(signer, &oid::SIGNER_ATTRIBUTES, "signer-attributes", roles);
        let newer = found.value(signer, &oid::SIGNER_ATTRIBUTES_V2, "signer-attributes-v2", roles);
        (found.signing_time, found.policy, found.content_hints, found.mime_type) = (signing_time, policy, hints, mime);
        found.place = place.filter(|place| !place.is_empty());
        found.commitments = commitments.unwrap_or_default();
        found.roles = roles_of(older, newer);
        found
    }

    fn value<T>(
        &mut self,
        signer: &SignerInfo<'_>,
        kind: &ObjectIdentifier,
        name: &'static str,
        read: impl Fn(&Element<'_>) -> Result<T, BerError>,
    ) -> Option<T> {
        let mut values = signer.signed_attributes(kind).flat_map(|attribute| &attribute.values);
        let value = values.next()?;
        if values.next().is_some() {
            self.repeated.push(name);
        }
        let read = read(value);
        if read.is_err() {
            self.unreadable.push(name);
        }
        read.ok()
    }
}

fn signing_time(value: &Element<'_>) -> Result<OffsetDateTime, BerError> {
    value.time()
}

fn roles_of(older: Option<Vec<String>>, newer: Option<Vec<String>>) -> Vec<String> {
    let mut roles = older.unwrap_or_default();
    roles.extend(newer.unwrap_or_default());
    roles
}

/// `SignaturePolicy ::= CHOICE { SignaturePolicyId SEQUENCE, SignaturePolicyImplied NULL }`.
fn policy(value: &Element<'_>) -> Result<Policy, BerError> {
    if value.tag == tag::NULL {
        return Ok(Policy { implied: true, ..Policy::default() });
    }
    let mut fields = value.reader();
    let mut policy = Policy { id: dotted(fields.oid("l'identifiant de la politique")?), ..Policy::default() };
    if let Some(hash) = fields.optional(tag::SEQUENCE)? {
        let mut inside = hash.reader();
        policy.digest = DigestAlgorithm::from_oid(AlgorithmId::read(&mut inside)?.oid);
        policy.hash = inside.octets("le condensat de la politique")?.into_owned();
    }
    let mut qualifiers = match fields.optional(tag::SEQUENCE)? {
        Some(list) => list.reader(),
        None => return Ok(policy),
    };
    for _ in 0..MAX_ITEMS {
        if qualifiers.is_empty() {
            break;
        }
        let mut qualifier = qualifiers.sequence("un qualificatif de politique")?;
        let kind = qualifier.oid("un qualificatif de politique")?;
        let value = qualifier.any()?;
        if kind == oid::POLICY_URI.as_bytes() {
            policy.uri = Some(value.text());
        } else if kind == oid::POLICY_NOTICE.as_bytes() {
            policy.notice = notice(&value)?;
        }
    }
    Ok(policy)
}

/// `SPUserNotice ::= SEQUENCE { noticeRef SEQUENCE OPTIONAL, explicitText DisplayText OPTIONAL }`.
fn notice(value: &Element<'_>) -> Result<Option<String>, BerError> {
    let mut fields = value.reader();
    fields.optional(tag::SEQUENCE)?;
    if fields.is_empty() { Ok(None) } else { Ok(Some(fields.any()?.text())) }
}

/// `ContentHints ::= SEQUENCE { contentDescription UTF8String OPTIONAL, contentType OID }`.
fn content_hints(value: &Element<'_>) -> Result<String, BerError> {
    let mut fields = value.reader();
    let description = fields.optional(tag::UTF8_STRING)?.map(|text| text.text());
    let kind = dotted(fields.oid("le type du contenu")?);
    Ok(description.map_or(kind.clone(), |description| format!("{description} ({kind})")))
}

/// `SignerLocation ::= SEQUENCE { [0] country, [1] locality, [2] postalAddress SEQUENCE }`, all optional.
fn place(value: &Element<'_>) -> Result<String, BerError> {
    let mut fields = value.reader();
    let mut parts: Vec<String> = Vec::new();
    while !fields.is_empty() && parts.len() < MAX_ITEMS {
        let field = fields.any()?;
        let mut inside = field.reader();
        match field.tag {
            0xa2 => {
                let mut lines = inside.sequence("une adresse")?;
                while !lines.is_empty() && parts.len() < MAX_ITEMS {
                    parts.push(lines.any()?.text());
                }
            }
            // DirectoryString is a CHOICE: its tag is explicit in most producers, implicit in some.
            tag if tag & 0x20 != 0 => parts.push(inside.any()?.text()),
            _ => parts.push(field.text()),
        }
    }
    Ok(parts.join(", "))
}

/// One CommitmentTypeIndication, or (as some producers write it) a sequence of them.
fn commitments(value: &Element<'_>) -> Result<Vec<String>, BerError> {
    let mut fields = value.reader();
    if fields.peek() == Some(tag::OID) {
        return Ok(vec![dotted(fields.oid("un engagement")?)]);
    }
    let mut found = Vec::new();
    while !fields.is_empty() && found.len() < MAX_ITEMS {
        found.push(dotted(fields.sequence("un engagement")?.oid("un engagement")?));
    }
    Ok(found)
}

/// `SEQUENCE OF CHOICE { [0] claimedAttributes, [1] certifiedAttributes, [2] signedAssertions }`: the strings of the
/// claimed ones; of the certified ones, that they are there.
fn roles(value: &Element<'_>) -> Result<Vec<String>, BerError> {
    let mut choices = value.reader();
    let mut found = Vec::new();
    while !choices.is_empty() && found.len() < MAX_ITEMS {
        let choice = choices.any()?;
        match choice.tag {
            0xa0 => claimed(&choice, &mut found)?,
            0xa1 => found.push("attribut certifié".to_owned()),
            _ => found.push("assertion signée".to_owned()),
        }
    }
    Ok(found)
}

/// `SEQUENCE OF Attribute`, implicit or explicit under `[0]`.
fn claimed(choice: &Element<'_>, found: &mut Vec<String>) -> Result<(), BerError> {
    let mut list: Reader<'_> = choice.reader();
    if list.peek() == Some(tag::SEQUENCE) {
        let first = list.clone().any()?;
        // Explicit: the first element is the list, not an attribute, which begins with its type.
        if first.reader().peek() == Some(tag::SEQUENCE) {
            list = first.reader();
        }
    }
    while !list.is_empty() && found.len() < MAX_ITEMS {
        let mut attribute = list.sequence("un rôle")?;
        attribute.oid("le type d'un rôle")?;
        let mut values = attribute.expect(tag::SET, "un rôle")?.reader();
        while !values.is_empty() && found.len() < MAX_ITEMS {
            found.push(values.any()?.text());
        }
    }
    Ok(())
}
