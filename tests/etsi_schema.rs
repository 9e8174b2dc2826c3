//! The ETSI TS 119 102-2 report is valid by the official schema: that of real files, when they are there, and of signatures
//! made for the occasion. Needs `xmllint`, and the schemas (Maven Central, `eu.europa.ec.joinup.sd-dss:specs-*`), which
//! `.ci/run` fetches; skipped where they are not, and failed when CI is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use archiland::spec::cms::{Certificate as OwnCertificate, Certificates, CmsSigner, oid};
use archiland::spec::x509::Certificate;
use archiland::validation::policy::SignaturePolicy;
use archiland::validation::trust::TrustMaterial;
use archiland::validation::verdict::{Context, judge};
use archiland::validation::{Content, Input, gather, report};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use std::path::{Path, PathBuf};
use std::process::Command;
use time::macros::datetime;

/// The imports of the schemas, and the files they are in.
const CATALOG: [(&str, &str); 4] = [
    ("http://www.w3.org/TR/2002/REC-xmldsig-core-20020212/xmldsig-core-schema.xsd", "xmldsig-core-schema.xsd"),
    ("http://uri.etsi.org/01903/v1.3.2/XAdES.xsd", "XAdES.xsd"),
    ("http://uri.etsi.org/19612/v2.2.1/ts_119612v020201_201601xsd.xsd", "ts_119612v020301_xsd.xsd"),
    ("http://www.w3.org/2001/xml.xsd", "xml.xsd"),
];
const SCHEMA: &str = "TS119102-2-v141.xsd";

/// Where the schemas are, with a catalogue of them in `scratch`.
fn schemas(scratch: &Path) -> Option<(PathBuf, PathBuf)> {
    let tools = std::env::var_os("ARCHILAND_CI_TOOLS").map(PathBuf::from);
    let cache = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/archiland-ci"));
    let folder = tools.or_else(cache).map(|tools| tools.join("etsi-xsd"));
    let there = folder.filter(|folder| folder.join(SCHEMA).is_file());
    let xmllint = Command::new("xmllint").arg("--version").output().is_ok();
    let Some(folder) = there.filter(|_| xmllint) else {
        assert!(std::env::var_os("CI").is_none(), "CI has xmllint and the schemas");
        eprintln!("skipped: no xmllint, or no schemas (.ci/run tools fetches them)");
        return None;
    };
    let entry = |(id, name): &(&str, &str)| {
        format!("<system systemId=\"{id}\" uri=\"file://{}\"/>", folder.join(name).display())
    };
    let entries: Vec<_> = CATALOG.iter().map(entry).collect();
    let entries = entries.concat();
    let catalog = scratch.join("catalog.xml");
    let text = format!("<catalog xmlns=\"urn:oasis:names:tc:entity:xmlns:xml:catalog\">{entries}</catalog>");
    std::fs::write(&catalog, text).unwrap();
    Some((folder.join(SCHEMA), catalog))
}

fn told(bytes: &[u8], contents: &[Content<'_>], trust: &TrustMaterial, integrity_only: bool) -> String {
    let policy = SignaturePolicy::embedded().unwrap();
    let facts = gather(&Input { name: None, bytes, contents, certificates: &[] });
    let at = datetime!(2026-06-01 0:00 UTC);
    let context = Context { policy: &policy, trust, at, existence: None, beside: None, integrity_only };
    report::etsi::xml(&facts, &judge(&facts, &context))
}

/// A signature over a content beside it, and whom to trust.
fn made() -> (Vec<u8>, TrustMaterial) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "Agente <& Cie>");
    params.key_usages = vec![KeyUsagePurpose::ContentCommitment];
    let key = KeyPair::generate().unwrap();
    let certificate = OwnCertificate::from_der(params.signed_by(&key, &authority).unwrap().der()).unwrap();
    let signer = CmsSigner::new(key.serialized_der(), certificate, &[]).unwrap();
    let at = Some(datetime!(2026-03-01 0:00 UTC));
    let signature = signer.sign(&oid::DATA, b"Acte", at, Certificates::Included).unwrap();
    let anchors = vec![Certificate::from_der(authority.der()).unwrap()];
    (signature, TrustMaterial { anchors, ..TrustMaterial::default() })
}

#[test]
fn reports_are_valid_by_the_official_schema() {
    let scratch = tempfile::tempdir().unwrap();
    let Some((schema, catalog)) = schemas(scratch.path()) else { return };
    let (signature, trust) = made();
    let mut reports = vec![
        told(&signature, &[], &trust, false),
        told(&signature, &[Content { name: "acte.txt", bytes: b"Acte" }], &trust, false),
        told(&signature, &[Content { name: "acte.txt", bytes: b"Autre" }], &TrustMaterial::default(), true),
        told(b"rien", &[], &trust, false),
    ];
    assert!(reports[0].contains("<SignersDocument><DigestAlgAndValue>"));
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/signatures");
    let list = std::fs::read_to_string(shared.join("expected.tsv")).unwrap_or_default();
    for file in list.lines().skip(1).filter_map(|line| line.split('\t').next()) {
        if let Ok(bytes) = std::fs::read(shared.join(file)) {
            reports.push(told(&bytes, &[], &TrustMaterial::default(), true));
        }
    }
    eprintln!("{} reports", reports.len());
    let files: Vec<_> = (0..reports.len()).map(|n| scratch.path().join(format!("{n}.xml"))).collect();
    for (file, report) in files.iter().zip(&reports) {
        std::fs::write(file, report).unwrap();
    }
    let output = Command::new("xmllint")
        .env("XML_CATALOG_FILES", catalog)
        .args(["--nonet", "--noout", "--schema"])
        .arg(schema)
        .args(&files)
        .output()
        .unwrap();
    let faults: Vec<_> = String::from_utf8_lossy(&output.stderr)
        .lines()
        .filter(|line| !line.ends_with(" validates"))
        .take(20)
        .map(str::to_owned)
        .collect();
    assert!(output.status.success(), "{faults:#?}");
}
