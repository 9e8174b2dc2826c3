//! Path building and the rules of RFC 5280 § 6.1, on authorities made for the occasion.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::spec::x509::revocation::{Evidence, Relied};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, NameConstraints,
    RevokedCertParams, SanType, SerialNumber,
};
use time::macros::datetime;

type Authority = CertifiedIssuer<'static, KeyPair>;

const AT: OffsetDateTime = datetime!(2026-06-01 12:00 UTC);

fn wanted(purpose: Purpose) -> Wanted<'static> {
    Wanted { purpose, at: AT, policies: &[] }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = datetime!(2025-01-01 00:00 UTC);
    params.not_after = datetime!(2027-01-01 00:00 UTC);
    params.use_authority_key_identifier_extension = true;
    params
}

fn authority(name: &str, change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    change(&mut params);
    params
}

fn root(change: impl FnOnce(&mut CertificateParams)) -> Authority {
    Authority::self_signed(authority("Racine", change), KeyPair::generate().unwrap()).unwrap()
}

fn below(issuer: &Authority, params: CertificateParams) -> Authority {
    Authority::signed_by(params, KeyPair::generate().unwrap(), issuer).unwrap()
}

fn leaf(issuer: &Authority, params: &CertificateParams) -> Certificate {
    let key = KeyPair::generate().unwrap();
    Certificate::from_der(params.signed_by(&key, issuer).unwrap().der()).unwrap()
}

fn of(authority: &Authority) -> Certificate {
    Certificate::from_der(authority.der()).unwrap()
}

/// certificatePolicies with these last arcs under 1.3.6.1.4.1.99.
fn policies(arcs: &[u8]) -> CustomExtension {
    use crate::spec::cms::asn1;
    let infos: Vec<_> = arcs
        .iter()
        .map(|arc| {
            let dotted = if *arc == 0 { ANY.to_owned() } else { policy(*arc) };
            asn1::sequence(&[&asn1::oid(&const_oid::ObjectIdentifier::new(&dotted).unwrap())])
        })
        .collect();
    let infos: Vec<_> = infos.iter().map(Vec::as_slice).collect();
    CustomExtension::from_oid_content(&[2, 5, 29, 32], asn1::sequence(&infos))
}

const ANY: &str = "2.5.29.32.0";

fn policy(arc: u8) -> String {
    format!("1.3.6.1.4.1.99.{arc}")
}

fn mapping(from: u8, to: u8) -> CustomExtension {
    use crate::spec::cms::asn1;
    let oid = |arc| asn1::oid(&const_oid::ObjectIdentifier::new(&policy(arc)).unwrap());
    let pair = asn1::sequence(&[&oid(from), &oid(to)]);
    CustomExtension::from_oid_content(&[2, 5, 29, 33], asn1::sequence(&[&pair]))
}

/// policyConstraints with requireExplicitPolicy 0.
fn explicit() -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 36], vec![0x30, 0x03, 0x80, 0x01, 0x00]);
    extension.set_criticality(true);
    extension
}

#[test]
fn a_path_goes_through_the_issuer_that_signed_among_several_of_one_name() {
    let root = root(|_| {});
    let middle = below(&root, authority("Intermédiaire", |_| {}));
    let twin = below(&root, authority("Intermédiaire", |_| {}));
    let signer = leaf(&middle, &params("Signataire"));
    let pool = [of(&twin), of(&middle)];
    let path = find(&signer, &pool, &[of(&root)], &wanted(Purpose::Signature)).unwrap();
    assert_eq!(path, [signer.clone(), of(&middle), of(&root)]);
    let alone = find(&signer, &[of(&twin)], &[of(&root)], &wanted(Purpose::Signature)).unwrap_err();
    assert!(matches!(alone.error, PathError::Signature(_)));
    let lost = find(&signer, &pool, &[], &wanted(Purpose::Signature)).unwrap_err();
    assert!(lost.path.is_empty());
}

#[test]
fn dates_usages_and_lengths_are_kept() {
    let root = root(|_| {});
    let short = below(&root, authority("Courte", |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))));
    let deeper = below(&short, authority("Trop loin", |_| {}));
    let signer = leaf(&deeper, &params("Signataire"));
    let failure = find(&signer, &[of(&deeper), of(&short)], &[of(&root)], &wanted(Purpose::Signature)).unwrap_err();
    assert!(matches!(&failure.error, PathError::Constraint(_, why) if why.contains("pathLen")), "{}", failure.error);
    assert_eq!(failure.path.len(), 4);

    let signer = leaf(&root, &params("Signataire"));
    let late = Wanted { at: datetime!(2027-01-01 00:00:01 UTC), ..wanted(Purpose::Signature) };
    let failure = find(&signer, &[], &[of(&root)], &late).unwrap_err();
    assert_eq!((failure.error, failure.path.len()), (PathError::LeafNotValid(signer.subject().to_owned()), 2));

    let failure = find(&signer, &[], &[of(&root)], &wanted(Purpose::TimeStamping)).unwrap_err();
    assert!(matches!(failure.error, PathError::Constraint(..)));
    let mut stamping = params("Horodateur");
    stamping.extended_key_usages = vec![ExtendedKeyUsagePurpose::TimeStamping];
    assert!(find(&leaf(&root, &stamping), &[], &[of(&root)], &wanted(Purpose::TimeStamping)).is_ok());

    let no_authority = Authority::signed_by(params("Pas une autorité"), KeyPair::generate().unwrap(), &root).unwrap();
    let signer = leaf(&no_authority, &params("Signataire"));
    let failure = find(&signer, &[of(&no_authority)], &[of(&root)], &wanted(Purpose::Signature)).unwrap_err();
    assert!(matches!(&failure.error, PathError::Constraint(_, why) if why.contains("basicConstraints")));
}

#[test]
fn an_unknown_critical_extension_makes_a_certificate_unusable() {
    let root = root(|_| {});
    let mut odd = params("Signataire");
    let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99, 7], vec![5, 0]);
    extension.set_criticality(true);
    odd.custom_extensions = vec![extension];
    let failure = find(&leaf(&root, &odd), &[], &[of(&root)], &wanted(Purpose::Signature)).unwrap_err();
    assert!(matches!(&failure.error, PathError::Constraint(_, why) if why.contains("critique")));
}

#[test]
fn names_stay_within_constraints() {
    let root = root(|_| {});
    let confined = below(
        &root,
        authority("Confinée", |params| {
            params.name_constraints = Some(NameConstraints {
                permitted_subtrees: vec![GeneralSubtree::Rfc822Name("mairie.fr".into())],
                excluded_subtrees: vec![GeneralSubtree::Rfc822Name("maire@mairie.fr".into())],
            });
        }),
    );
    let with = |address: &str| {
        let mut params = params("Signataire");
        params.subject_alt_names = vec![SanType::Rfc822Name(address.try_into().unwrap())];
        find(&leaf(&confined, &params), &[of(&confined)], &[of(&root)], &wanted(Purpose::Signature))
    };
    assert!(with("agent@mairie.fr").is_ok());
    for outside in ["agent@ailleurs.fr", "maire@mairie.fr"] {
        assert!(matches!(with(outside).unwrap_err().error, PathError::Constraint(..)), "{outside}");
    }
}

#[test]
fn policies_are_followed_through_mappings() {
    let root = root(|_| {});
    let strict = below(
        &root,
        authority("Stricte", |params| params.custom_extensions = vec![policies(&[1]), mapping(1, 2), explicit()]),
    );
    let with = |arcs: &[u8], wanted_arcs: &[u8]| {
        let mut params = params("Signataire");
        if !arcs.is_empty() {
            params.custom_extensions = vec![policies(arcs)];
        }
        let list: Vec<_> = wanted_arcs.iter().map(|arc| policy(*arc)).collect();
        let wanted = Wanted { policies: &list, ..wanted(Purpose::Signature) };
        find(&leaf(&strict, &params), &[of(&strict)], &[of(&root)], &wanted).is_ok()
    };
    assert!(with(&[2], &[]), "mapped");
    assert!(with(&[2], &[1]), "named in the anchor's domain");
    assert!(!with(&[2], &[3]), "not what is wanted");
    assert!(!with(&[1], &[]), "the mapping renamed it");
    assert!(!with(&[], &[]), "a policy is required");
    assert!(with(&[0], &[1]), "anyPolicy");
}

#[test]
fn a_maze_costs_a_bounded_time() {
    let root = root(|_| {});
    let first = below(&root, authority("Dédale", |_| {}));
    let pool: Vec<_> = (0..200).map(|_| of(&below(&first, authority("Dédale", |_| {})))).collect();
    let signer = leaf(&first, &params("Signataire"));
    let failure = find(&signer, &pool, &[of(&root)], &wanted(Purpose::Signature)).unwrap_err();
    assert!(matches!(failure.error, PathError::Signature(_) | PathError::TooComplex | PathError::NoAnchor(_)));
}

#[test]
fn a_list_says_who_is_revoked_and_only_its_issuer_is_heard() {
    let (root, other) = (root(|_| {}), root(|params| params.not_after = datetime!(2028-01-01 00:00 UTC)));
    let mut revoked = params("Révoqué");
    revoked.serial_number = Some(SerialNumber::from_slice(&[0x7a, 1]));
    let (revoked, good) = (leaf(&root, &revoked), leaf(&root, &params("Bon")));
    let list = |authority: &Authority| {
        let entry = RevokedCertParams {
            serial_number: SerialNumber::from_slice(&[0x7a, 1]),
            revocation_time: datetime!(2026-03-01 00:00 UTC),
            reason_code: Some(rcgen::RevocationReason::KeyCompromise),
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: datetime!(2026-05-01 00:00 UTC),
            next_update: datetime!(2026-07-01 00:00 UTC),
            crl_number: SerialNumber::from_slice(&[1]),
            issuing_distribution_point: None,
            revoked_certs: vec![entry],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(authority).unwrap().der().to_vec()
    };
    let (own, foreign) = (list(&root), list(&other));
    let evidence = Evidence::read([own.as_slice()].into_iter(), std::iter::empty());
    let nobody: Vec<Certificate> = Vec::new();
    let relied = Relied { others: &nobody, responders: &nobody, leads_to_anchor: &|_, _| false };
    let answer = &evidence.answers(&revoked, &of(&root), &relied)[0];
    assert_eq!(answer.revoked, Some((datetime!(2026-03-01 00:00 UTC), Some(1))));
    assert_eq!(evidence.answers(&good, &of(&root), &relied)[0].revoked, None);
    let evidence = Evidence::read([foreign.as_slice()].into_iter(), std::iter::empty());
    let others = [of(&root)];
    assert!(evidence.answers(&revoked, &of(&root), &Relied { others: &others, ..relied }).is_empty());
}
