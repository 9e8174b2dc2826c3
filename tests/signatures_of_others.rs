//! Promise: whatever form `openssl cms` gives a signature, its facts are right, alone, in a PDF and in a container; and no
//! moved bit of what is signed comes out intact.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "support/pdf_maker.rs"]
mod pdf_maker;
mod support;
#[path = "support/zip_maker.rs"]
mod zip_maker;

use archiland::validation::facts::{
    CertificateReference, Facts, FaultKind, Format, ReferenceState, SignatureFacts, ValueState,
};
use archiland::validation::{Content, Input, gather};
use pdf_maker::{PdfMaker, Seal};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use support::{require_tool, run_ok};

const MESSAGE: &[u8] = b"Le conseil, apr\xe8s en avoir d\xe9lib\xe9r\xe9, adopte.\n";

fn openssl(directory: &Path, command: &str) -> Vec<u8> {
    run_ok(directory, "openssl", &command.split_whitespace().collect::<Vec<_>>())
}

/// Makes a key and a certificate of its own: `NAME.key`, `NAME.pem`.
fn certificate(directory: &Path, name: &str, key: &str) {
    openssl(
        directory,
        &format!("req -x509 -newkey {key} -nodes -keyout {name}.key -out {name}.pem -subj /CN={name} -days 2"),
    );
}

fn facts(bytes: &[u8], beside: Option<&[u8]>) -> Facts {
    let contents: Vec<Content<'_>> = beside.iter().map(|bytes| Content { name: "message", bytes }).collect();
    gather(&Input { name: None, bytes, contents: &contents, certificates: &[] })
}

fn intact(signature: &SignatureFacts) -> bool {
    signature.value == ValueState::Intact
        && !signature.references.is_empty()
        && signature.references.iter().all(|reference| reference.state == ReferenceState::Intact)
        && !signature
            .faults
            .iter()
            .any(|fault| matches!(fault.kind, FaultKind::Malformed | FaultKind::AlgorithmMismatch))
}

/// A directory with the message and certificates of several kinds, or `None` when openssl is not there.
fn prepared() -> Option<tempfile::TempDir> {
    if !require_tool("openssl") {
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("message"), MESSAGE).unwrap();
    for (name, key) in [
        ("rsa", "rsa:2048"),
        ("petit", "rsa:1024"),
        ("p256", "ec -pkeyopt ec_paramgen_curve:P-256"),
        ("p384", "ec -pkeyopt ec_paramgen_curve:P-384"),
        ("p521", "ec -pkeyopt ec_paramgen_curve:P-521"),
    ] {
        certificate(directory.path(), name, key);
    }
    Some(directory)
}

fn sign(directory: &Path, who: &str, options: &str) -> Vec<u8> {
    openssl(
        directory,
        &format!("cms -sign -binary -in message -signer {who}.pem -inkey {who}.key -outform DER -out signed {options}"),
    );
    std::fs::read(directory.join("signed")).unwrap()
}

#[test]
fn every_form_of_openssl_is_intact_over_its_content_and_over_no_other() {
    let Some(directory) = prepared() else { return };
    let forms = [
        ("rsa", "-md sha256 -cades", Format::Cades),
        ("rsa", "-md sha1", Format::Pkcs7),
        ("rsa", "-md sha224", Format::Pkcs7),
        ("rsa", "-md sha3-256", Format::Pkcs7),
        ("rsa", "-md sha512 -noattr", Format::Pkcs7),
        ("rsa", "-md sha256 -keyid", Format::Pkcs7),
        ("rsa", "-md sha256 -keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:20", Format::Pkcs7),
        ("rsa", "-md sha256 -keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:32 -cades", Format::Cades),
        ("rsa", "-md sha384 -keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:max", Format::Pkcs7),
        ("petit", "-md sha256", Format::Pkcs7),
        ("p256", "-md sha256 -cades", Format::Cades),
        ("p256", "-md sha512", Format::Pkcs7),
        ("p384", "-md sha384", Format::Pkcs7),
        ("p521", "-md sha512", Format::Pkcs7),
    ];
    for (who, options, format) in forms {
        let detached = sign(directory.path(), who, options);
        let found = facts(&detached, Some(MESSAGE));
        assert_eq!(found.signatures.len(), 1, "{who} {options}");
        let signature = &found.signatures[0];
        assert!(intact(signature), "{who} {options}: {signature:?}");
        assert_eq!(signature.format, format, "{who} {options}");
        let refers = signature.certificate_reference == CertificateReference::Matches;
        assert_eq!(refers, format == Format::Cades, "{who} {options}");
        assert!(!intact(&facts(&detached, Some(b"autre")).signatures[0]), "{who} {options}: another content");
        assert!(!intact(&facts(&detached, None).signatures[0]), "{who} {options}: no content");
        // Attached, and in BER as openssl streams it (which it cannot with PSS).
        let stream = if options.contains("pss") { "" } else { "-stream" };
        let attached = sign(directory.path(), who, &format!("{options} -nodetach {stream}"));
        assert!(intact(&facts(&attached, None).signatures[0]), "{who} {options}: streamed");
    }
}

#[test]
fn several_signers_no_certificate_pem_and_garbage_are_told_as_they_are() {
    let Some(directory) = prepared() else { return };
    let at = directory.path();
    let two = sign(at, "rsa", "-signer p384.pem -inkey p384.key");
    let found = facts(&two, Some(MESSAGE));
    assert!(found.signatures.len() == 2 && found.signatures.iter().all(intact), "{found:?}");
    let nobody = sign(at, "rsa", "-nocerts");
    assert_eq!(facts(&nobody, Some(MESSAGE)).signatures[0].value, ValueState::NoCertificate);
    let one = sign(at, "p256", "-cades");
    let pem = openssl(at, "cms -cmsout -inform DER -in signed -outform PEM");
    assert!(intact(&facts(&pem, Some(MESSAGE)).signatures[0]));
    let mut padded = one.clone();
    padded.extend(b"reste");
    let found = facts(&padded, Some(MESSAGE));
    assert!(intact(&found.signatures[0]));
    assert!(found.signatures[0].faults.iter().any(|fault| fault.detail.contains("5 octets")));
}

#[test]
fn what_stands_in_pdf_and_containers_is_the_same_signature() {
    let Some(directory) = prepared() else { return };
    let at = directory.path();
    let sign_bytes = |covered: &[u8]| {
        std::fs::write(at.join("message"), covered).unwrap();
        sign(at, "p256", "-cades")
    };
    let mut pdf = PdfMaker::new();
    pdf.sign(&Seal::default(), sign_bytes);
    let found = facts(&pdf.bytes, None);
    assert!(intact(&found.signatures[0]), "{:?}", found.signatures);
    assert_eq!(found.signatures[0].format, Format::Pades);
    let signed = sign_bytes(MESSAGE);
    let container = zip_maker::zip(&[
        ("mimetype", b"application/vnd.etsi.asic-s+zip"),
        ("message", MESSAGE),
        ("META-INF/signature.p7s", &signed),
    ]);
    let found = facts(&container, None);
    assert!(intact(&found.signatures[0]) && found.members[0].covered, "{:?}", found.signatures);
}

#[test]
fn no_bit_of_what_is_signed_moves_unseen() {
    let Some(directory) = prepared() else { return };
    let attached = sign(directory.path(), "p256", "-cades -nodetach");
    let place = |needle: &[u8]| attached.windows(needle.len()).position(|window| window == needle).unwrap();
    let content = place(MESSAGE);
    // The signed attributes stand between the second announcement of the digest and the signature, at the end.
    let attributes =
        attached.windows(11).rposition(|window| window.ends_with(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 3]));
    let ranges = [content..content + MESSAGE.len(), attributes.unwrap()..attached.len()];
    for at in ranges.into_iter().flatten() {
        let mut moved = attached.clone();
        moved[at] ^= 4;
        let found = facts(&moved, None);
        let held =
            found.signatures.iter().any(|signature| intact(signature) && signature.signing_certificate.is_some());
        // An algorithm's NULL parameters may say anything as long as they are ignored: never the content or the value.
        assert!(!held, "octet {at}");
    }
}

/// The project's shared cases, when they are there.
#[test]
fn every_shared_case_is_answered_at_once() {
    let folder =
        ["../shared/data/signatures", "../../shared/data/signatures"].iter().map(PathBuf::from).find(|p| p.is_dir());
    let Some(folder) = folder else {
        eprintln!("skipped: ../shared/data/signatures is not there");
        return;
    };
    for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir()) {
        for file in std::fs::read_dir(entry.path()).unwrap() {
            let path = file.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let start = Instant::now();
            let found = facts(&bytes, None);
            assert!(serde_json::to_vec(&found).is_ok());
            assert!(start.elapsed() < Duration::from_secs(20), "{}: {:?}", path.display(), start.elapsed());
        }
    }
}
