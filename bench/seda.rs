//! SEDA: a manifest validated and read, a package of a thousand objects checked; beside `xmllint --schema` on the same
//! manifest, when it and `../shared/data/seda-xsd` are there.
#![allow(clippy::unwrap_used, missing_docs, clippy::print_stderr)]

use archiland::spec::seda::{Bounds, read};
use archiland::transfer::check::{Options, check};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sha2::Digest as _;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const DOCUMENT: &[u8] = b"Madame la Maire,\n";

/// A manifest of so many units, each with an object.
fn manifest(units: usize) -> String {
    let digest = hex::encode(sha2::Sha512::digest(DOCUMENT));
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ArchiveTransfer xmlns=\"fr:gouv:culture:archivesdefrance:seda:v2.1\">\n\
         <Date>2026-01-01T00:00:00</Date><MessageIdentifier>M1</MessageIdentifier>\
         <ArchivalAgreement>IC</ArchivalAgreement><CodeListVersions/>\n<DataObjectPackage>\n",
    );
    for n in 0..units {
        _ = writeln!(
            text,
            "<DataObjectGroup id=\"G{n}\"><BinaryDataObject id=\"O{n}\"><DataObjectVersion>BinaryMaster_1</DataObjectVersion>\
             <Uri>content/{n}.txt</Uri><MessageDigest algorithm=\"SHA-512\">{digest}</MessageDigest><Size>{}</Size>\
             <FormatIdentification><FormatId>x-fmt/111</FormatId></FormatIdentification><FileInfo><Filename>lettre {n}.txt\
             </Filename></FileInfo></BinaryDataObject></DataObjectGroup>",
            DOCUMENT.len()
        );
    }
    text.push_str("<DescriptiveMetadata>\n");
    for n in 0..units {
        _ = writeln!(
            text,
            "<ArchiveUnit id=\"U{n}\"><Management><AppraisalRule><Rule>APP-00001</Rule><StartDate>2020-01-01</StartDate>\
             <FinalAction>Keep</FinalAction></AppraisalRule></Management>\n<Content><DescriptionLevel>Item</DescriptionLevel>\
             <Title>Pièce numéro {n}</Title><Description>Une description de taille ordinaire, avec des accents.\
             </Description><StartDate>2020-01-01</StartDate><EndDate>2020-12-31</EndDate></Content>\n<DataObjectReference>\
             <DataObjectGroupReferenceId>G{n}</DataObjectGroupReferenceId></DataObjectReference></ArchiveUnit>"
        );
    }
    text.push_str(
        "</DescriptiveMetadata><ManagementMetadata><OriginatingAgencyIdentifier>M</OriginatingAgencyIdentifier>\
         </ManagementMetadata></DataObjectPackage>\n<ArchivalAgency><Identifier>A</Identifier></ArchivalAgency>\
         <TransferringAgency><Identifier>M</Identifier></TransferringAgency></ArchiveTransfer>\n",
    );
    text
}

fn seda(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let text = manifest(10_000);
    let mut group = c.benchmark_group("seda");
    group.sample_size(10).measurement_time(Duration::from_secs(8));
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("manifest of 10,000 units: validated and read", |b| {
        b.iter(|| black_box(read(text.as_bytes(), &Bounds::default()).unwrap()));
    });
    let schemas = ["../shared/data/seda-xsd", "../../shared/data/seda-xsd"].iter().map(Path::new).find(|p| p.is_dir());
    match schemas.filter(|_| Command::new("xmllint").arg("--version").output().is_ok()) {
        Some(schemas) => {
            let file = folder.path().join("manifest.xml");
            std::fs::write(&file, &text).unwrap();
            group.bench_function("the same: xmllint --schema, process included", |b| {
                b.iter(|| {
                    let mut xmllint = Command::new("xmllint");
                    xmllint.args(["--noout", "--nonet", "--huge", "--schema"]);
                    xmllint.arg(schemas.join("seda-2.1/seda-2.1-main.xsd")).arg(&file);
                    xmllint.env("XML_CATALOG_FILES", schemas.join("catalog.xml"));
                    assert!(xmllint.output().unwrap().status.success());
                });
            });
        }
        None => eprintln!("skipped: xmllint --schema needs xmllint and ../shared/data/seda-xsd"),
    }
    let package = folder.path().join("sip.zip");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&package).unwrap());
    zip.start_file("manifest.xml", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(manifest(1_000).as_bytes()).unwrap();
    for n in 0..1_000 {
        zip.start_file(format!("content/{n}.txt"), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(DOCUMENT).unwrap();
    }
    zip.finish().unwrap();
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("package of 1,000 units and objects: every check", |b| {
        b.iter(|| black_box(check(&package, &Options::default()).unwrap().report.outcome));
    });
    group.finish();
}

criterion_group!(benches, seda);
criterion_main!(benches);
