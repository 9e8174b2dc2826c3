//! XML signatures: a PES of a few kilobytes with a signed bordereau, and one of 100 MiB signed as a whole, made here.
#![allow(clippy::unwrap_used, missing_docs)]

use archiland::spec::xml::c14n::{Method, write};
use archiland::spec::xml::{Document, Limits, Selection};
use archiland::validation::Input;
use archiland::validation::gather::xades::gather;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, SigningKey as _};
use std::hint::black_box;

const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";

/// A PES signed as a whole, with this much of an attachment.
fn signed_pes(attachment_bytes: usize) -> Vec<u8> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = CertificateParams::new(vec!["banc".to_owned()]).unwrap().self_signed(&key).unwrap();
    let lines = (0..60)
        .map(|n| format!("<Piece><IdPce V=\"{n}\"/><MtHT V=\"{n}.75\"/></Piece>\n"))
        .collect::<Vec<_>>()
        .concat();
    let head = format!(
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<n:PES_Aller xmlns:n=\"http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/aller\" Id=\"P\">\
         <EnTetePES><IdPost V=\"034000\"/></EnTetePES><PES_DepenseAller><Bordereau Id=\"B\"><BlocBordereau><IdBord V=\"1\"/></BlocBordereau>{lines}\
         </Bordereau></PES_DepenseAller><PES_PJ><PJ><Contenu><Fichier>{}</Fichier></Contenu></PJ></PES_PJ>",
        "QUJD".repeat(attachment_bytes / 4)
    );
    let tail = "</n:PES_Aller>";
    let digest_of = |xml: &str| BASE64_STANDARD.encode(canonical_digest(xml));
    let info = format!(
        "<ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\"/><ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256\"/>\
         <ds:Reference URI=\"#P\"><ds:Transforms><ds:Transform Algorithm=\"{DSIG}enveloped-signature\"/><ds:Transform Algorithm=\"{EXCLUSIVE}\"/></ds:Transforms>\
         <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><ds:DigestValue>{}</ds:DigestValue></ds:Reference></ds:SignedInfo>",
        digest_of(&format!("{head}{tail}"))
    );
    let mut octets = Vec::new();
    let alone = info.replacen("<ds:SignedInfo>", &format!("<ds:SignedInfo xmlns:ds=\"{DSIG}\">"), 1);
    canonicalise(&alone, &mut |part| octets.extend_from_slice(part));
    let value = raw(&key.sign(&octets).unwrap());
    format!(
        "{head}<ds:Signature xmlns:ds=\"{DSIG}\">{info}<ds:SignatureValue>{}</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}\
         </ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>{tail}",
        BASE64_STANDARD.encode(value),
        BASE64_STANDARD.encode(certificate.der())
    )
    .into_bytes()
}

/// `r ‖ s` of an ECDSA signature in DER.
fn raw(der: &[u8]) -> Vec<u8> {
    let mut numbers = Vec::new();
    let mut at = 2;
    for _ in 0..2 {
        let length = usize::from(der[at + 1]);
        let number = &der[at + 2..at + 2 + length];
        let number = &number[number.len().saturating_sub(32)..];
        numbers.extend(std::iter::repeat_n(0, 32 - number.len()).chain(number.iter().copied()));
        at += 2 + length;
    }
    numbers
}

fn canonicalise(xml: &str, sink: &mut dyn FnMut(&[u8])) {
    let document = Document::parse(xml.as_bytes(), &Limits::default()).unwrap();
    let method = Method::of_uri(EXCLUSIVE).unwrap();
    write(&document, &Selection::subtree(&document.root(), false), &method, sink);
}

fn canonical_digest(xml: &str) -> Vec<u8> {
    let mut hasher = archiland::spec::crypto::DigestAlgorithm::Sha256.hasher().unwrap();
    canonicalise(xml, &mut |part| hasher.update(part));
    hasher.finish()
}

fn signatures(c: &mut Criterion) {
    let mut group = c.benchmark_group("xmldsig");
    for (name, attachment_bytes, samples) in [("9 KB", 3_000, 100), ("100 MiB", 100 << 20, 10)] {
        let pes = signed_pes(attachment_bytes);
        let input = Input { name: None, bytes: &pes, contents: &[] };
        let facts = gather(&input);
        assert!(facts.members.iter().all(|unit| unit.covered), "{:?}", facts.signatures);
        group.throughput(Throughput::Bytes(pes.len() as u64));
        group.sample_size(samples);
        group.bench_function(format!("PES gathered, {name}"), |b| b.iter(|| gather(black_box(&input))));
        group.bench_function(format!("XML read, {name}"), |b| {
            b.iter(|| Document::parse(black_box(&pes), &Limits::default()).unwrap().size_bytes());
        });
    }
    group.finish();
}

criterion_group!(benches, signatures);
criterion_main!(benches);
