#![allow(clippy::unwrap_used)]

use super::*;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SignatureAlgorithm,
};
use time::Duration;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-06-01 12:00 UTC);

/// A certificate in the making, with the key that it will certify.
struct Draft {
    params: CertificateParams,
    key: KeyPair,
}

impl Draft {
    fn new(name: &str, algorithm: &'static SignatureAlgorithm) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = NOW - Duration::days(1);
        params.not_after = NOW + Duration::days(1);
        Self { params, key: KeyPair::generate_for(algorithm).unwrap() }
    }

    fn leaf(name: &str) -> Self {
        let mut draft = Self::new(name, &PKCS_ECDSA_P256_SHA256);
        draft.params.is_ca = IsCa::ExplicitNoCa;
        draft.params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        draft
    }

    fn authority(name: &str) -> Self {
        let mut draft = Self::new(name, &PKCS_ECDSA_P256_SHA256);
        draft.params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        draft.params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        draft
    }

    fn with(mut self, change: impl FnOnce(&mut CertificateParams)) -> Self {
        change(&mut self.params);
        self
    }

    fn self_signed(&self) -> Certificate {
        Certificate::from_der(self.params.self_signed(&self.key).unwrap().der()).unwrap()
    }

    fn issued_by(&self, issuer: &Draft) -> Certificate {
        let issuer = Issuer::from_params(&issuer.params, &issuer.key);
        Certificate::from_der(self.params.signed_by(&self.key, &issuer).unwrap().der()).unwrap()
    }
}

fn verdict(leaf: &Certificate, pool: &[Certificate], anchors: &[Certificate]) -> Result<usize, PathError> {
    let anchors = Anchors::new(anchors.to_vec());
    find(leaf, pool, &anchors, NOW, Purpose::Signature).map(|path| path.len())
}

#[test]
fn a_path_goes_through_intermediates_in_any_order() {
    let (root, middle, low, leaf) =
        (Draft::authority("root"), Draft::authority("middle"), Draft::authority("low"), Draft::leaf("leaf"));
    let anchor = root.self_signed();
    let pool = [middle.issued_by(&root), low.issued_by(&middle)];
    let end = leaf.issued_by(&low);
    assert_eq!(verdict(&end, &pool, std::slice::from_ref(&anchor)), Ok(4));
    let reversed = [pool[1].clone(), pool[0].clone()];
    assert_eq!(verdict(&end, &reversed, std::slice::from_ref(&anchor)), Ok(4));
    assert!(
        matches!(verdict(&end, &pool[1..], &[anchor]), Err(PathError::NoAnchor { subject }) if subject == "CN=low")
    );
    // An intermediate may be the anchor, and so may the signer.
    assert_eq!(verdict(&end, &pool[1..], std::slice::from_ref(&pool[0])), Ok(3));
    assert_eq!(verdict(&end, &[], std::slice::from_ref(&end)), Ok(1));
}

#[test]
fn authorities_of_every_kind() {
    for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519] {
        let mut root = Draft::new("root", algorithm);
        root.params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let leaf = Draft::leaf("leaf").issued_by(&root);
        assert_eq!(verdict(&leaf, &[], &[root.self_signed()]), Ok(2));
        assert!(verdict(&leaf, &[], &[Draft::authority("root").self_signed()]).is_err());
    }
}

#[test]
fn an_authority_must_be_one() {
    let leaf = Draft::leaf("leaf");
    let refused = |issuer: &Draft| verdict(&leaf.issued_by(issuer), &[], &[issuer.self_signed()]).unwrap_err();
    let usage = |error| matches!(error, PathError::Usage { .. });
    assert!(usage(refused(&Draft::leaf("not an authority"))));
    assert!(usage(refused(&Draft::new("nothing said", &PKCS_ECDSA_P256_SHA256))));
    assert!(usage(refused(&Draft::authority("crl").with(|params| params.key_usages = vec![KeyUsagePurpose::CrlSign]))));
    let old = Draft::authority("old").with(|params| params.not_after = NOW - Duration::seconds(1));
    assert!(matches!(refused(&old), PathError::NotValidAt { .. }));
    let strange = Draft::authority("strange").with(|params| {
        let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions.push(extension);
    });
    assert!(matches!(refused(&strange), PathError::UnknownCritical { extension, .. } if extension == "1.2.3.4"));
}

#[test]
fn a_signer_cannot_issue() {
    // The classic: a plain certificate used as an authority.
    let (root, leaf, forged) = (Draft::authority("root"), Draft::leaf("leaf"), Draft::leaf("forged"));
    let pool = [leaf.issued_by(&root)];
    assert!(matches!(verdict(&forged.issued_by(&leaf), &pool, &[root.self_signed()]), Err(PathError::Usage { .. })));
}

#[test]
fn a_path_length_is_kept() {
    let root = Draft::authority("root").with(|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let (middle, leaf) = (Draft::authority("middle"), Draft::leaf("leaf"));
    assert_eq!(verdict(&leaf.issued_by(&root), &[], &[root.self_signed()]), Ok(2));
    let pool = [middle.issued_by(&root)];
    assert!(matches!(verdict(&leaf.issued_by(&middle), &pool, &[root.self_signed()]), Err(PathError::Usage { .. })));
}

#[test]
fn usages_confine_signers_and_intermediates() {
    let root = Draft::authority("root");
    let anchors = [root.self_signed()];
    let with_usages = |usages: &[ExtendedKeyUsagePurpose]| {
        let usages = usages.to_vec();
        Draft::leaf("leaf").with(|params| params.extended_key_usages = usages).issued_by(&root)
    };
    for (usages, good) in [
        (&[ExtendedKeyUsagePurpose::EmailProtection][..], true),
        (&[ExtendedKeyUsagePurpose::Any], true),
        (&[ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::EmailProtection], true),
        (&[ExtendedKeyUsagePurpose::ServerAuth], false),
        (&[ExtendedKeyUsagePurpose::TimeStamping], false),
    ] {
        assert_eq!(verdict(&with_usages(usages), &[], &anchors).is_ok(), good, "{usages:?}");
    }
    let stamping = with_usages(&[ExtendedKeyUsagePurpose::TimeStamping]);
    let trusted = Anchors::new(anchors.to_vec());
    let refused = find(&stamping, &[], &trusted, NOW, Purpose::TimeStamping);
    assert!(matches!(refused, Err(PathError::Usage { .. })), "not critical");

    let agreement = Draft::leaf("leaf").with(|params| params.key_usages = vec![KeyUsagePurpose::KeyAgreement]);
    assert!(matches!(verdict(&agreement.issued_by(&root), &[], &anchors), Err(PathError::Usage { .. })));

    let web =
        Draft::authority("web").with(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    let pool = [web.issued_by(&root)];
    assert!(matches!(verdict(&Draft::leaf("leaf").issued_by(&web), &pool, &anchors), Err(PathError::Usage { .. })));
}

#[test]
fn validity_counts_at_the_time_asked() {
    let root = Draft::authority("root").with(|params| params.not_after = NOW + Duration::days(900));
    let leaf = Draft::leaf("leaf").issued_by(&root);
    let anchors = Anchors::new(vec![root.self_signed()]);
    for (offset, good) in [(-86_401, false), (-86_400, true), (0, true), (86_400, true), (86_401, false)] {
        let at = NOW + Duration::seconds(offset);
        assert_eq!(find(&leaf, &[], &anchors, at, Purpose::Signature).is_ok(), good, "{offset} s");
    }
}

#[test]
fn a_maze_of_certificates_costs_a_bounded_time() {
    // Authorities of one name, each certified by all the others: without a limit, every order would be tried.
    let drafts: Vec<_> = (0..8).map(|_| Draft::authority("maze")).collect();
    let pool: Vec<_> =
        drafts.iter().flat_map(|subject| drafts.iter().map(|issuer| subject.issued_by(issuer))).collect();
    let leaf = Draft::leaf("leaf").issued_by(&drafts[0]);
    let refused = verdict(&leaf, &pool, &[Draft::authority("elsewhere").self_signed()]).unwrap_err();
    assert_eq!(refused, PathError::TooComplex);
}

#[test]
fn two_algorithms_in_one_certificate_are_refused() {
    let root = Draft::authority("root").self_signed();
    let mut der = root.der().to_vec();
    // ecdsa-with-SHA256 outside becomes ecdsa-with-SHA384; inside it stays.
    let outside = der.windows(8).rposition(|window| window == oid::ECDSA_SHA256.as_bytes()).unwrap();
    der[outside + 7] = 3;
    assert!(Certificate::from_der(&der).is_err());
    for cut in 0..root.der().len() {
        assert!(Certificate::from_der(&root.der()[..cut]).is_err());
    }
}
