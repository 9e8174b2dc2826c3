//! Small SEDA packages, for tests: a fonds with so many letters in it.
#![allow(dead_code, clippy::unwrap_used)]

use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::io::Write as _;
use zip::write::SimpleFileOptions;

/// What a package is made of.
pub(crate) struct Sip {
    pub(crate) version: &'static str,
    pub(crate) message: String,
    pub(crate) letters: usize,
    /// Where the objects are: `content/`, or nothing.
    pub(crate) folder: &'static str,
    /// Units before the fonds.
    pub(crate) more: String,
}

impl Default for Sip {
    fn default() -> Self {
        Self { version: "2.1", message: "M-1".into(), letters: 2, folder: "content/", more: String::new() }
    }
}

impl Sip {
    pub(crate) fn letter(n: usize) -> String {
        format!("Madame la Maire,\nlettre {n}\n")
    }

    /// The bordereau.
    pub(crate) fn manifest(&self) -> String {
        let (mut objects, mut units) = (String::new(), String::new());
        for n in 0..self.letters {
            let letter = Self::letter(n);
            let (digest, size) = (hex::encode(Sha256::digest(&letter)), letter.len());
            writeln!(
                objects,
                "<DataObjectGroup id=\"G{n}\"><BinaryDataObject id=\"O{n}\"><DataObjectVersion>BinaryMaster_1</DataObjectVersion>\
                 <Uri>{}lettre-{n}.txt</Uri><MessageDigest algorithm=\"SHA-256\">{digest}</MessageDigest><Size>{size}</Size>\
                 <FormatIdentification><FormatId>x-fmt/111</FormatId></FormatIdentification>\
                 </BinaryDataObject></DataObjectGroup>",
                self.folder
            )
            .unwrap();
            writeln!(
                units,
                "<ArchiveUnit id=\"U{n}\"><Content><DescriptionLevel>Item</DescriptionLevel><Title>Lettre n° {n}</Title>\
                 <StartDate>2025-01-02</StartDate></Content><DataObjectReference>\
                 <DataObjectGroupReferenceId>G{n}</DataObjectGroupReferenceId></DataObjectReference></ArchiveUnit>"
            )
            .unwrap();
        }
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <ArchiveTransfer xmlns=\"fr:gouv:culture:archivesdefrance:seda:v{}\">\n<Comment>Courrier 2025</Comment>\
             <Date>2026-01-01T00:00:00</Date><MessageIdentifier>{}</MessageIdentifier>\
             <ArchivalAgreement>IC</ArchivalAgreement><CodeListVersions/>\n<DataObjectPackage>{objects}\
             <DescriptiveMetadata>\n{}<ArchiveUnit id=\"FONDS\"><Management><AppraisalRule><Rule>APP-1</Rule>\
             <StartDate>2025-12-31</StartDate><FinalAction>Destroy</FinalAction></AppraisalRule></Management>\
             <Content><DescriptionLevel>RecordGrp</DescriptionLevel><Title>Courrier</Title></Content>\n{units}\
             </ArchiveUnit></DescriptiveMetadata><ManagementMetadata>\
             <OriginatingAgencyIdentifier>MAIRIE</OriginatingAgencyIdentifier></ManagementMetadata></DataObjectPackage>\n\
             <ArchivalAgency><Identifier>AD40</Identifier></ArchivalAgency>\
             <TransferringAgency><Identifier>MAIRIE</Identifier></TransferringAgency></ArchiveTransfer>\n",
            self.version, self.message, self.more
        )
    }

    /// The objects and their names.
    pub(crate) fn members(&self) -> Vec<(String, Vec<u8>)> {
        (0..self.letters).map(|n| (format!("{}lettre-{n}.txt", self.folder), Self::letter(n).into_bytes())).collect()
    }

    /// The package, as a zip.
    pub(crate) fn zip(&self) -> Vec<u8> {
        self.zip_as("manifest.xml", &self.manifest())
    }

    /// The package with another bordereau, or under another name.
    pub(crate) fn zip_as(&self, name: &str, manifest: &str) -> Vec<u8> {
        let mut members = vec![(name.to_owned(), manifest.as_bytes().to_vec())];
        members.extend(self.members());
        zip(&members)
    }

    /// The objects alone, as a tar.gz.
    pub(crate) fn attachments(&self) -> Vec<u8> {
        let packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut tar = tar::Builder::new(packed);
        for (name, content) in self.members() {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, content.as_slice()).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    }
}

/// A zip of these members.
pub(crate) fn zip(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in members {
        zip.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A transfer of SEDA 1.0 with one document beside it.
pub(crate) fn first_version(message: &str) -> String {
    let letter = Sip::letter(0);
    let digest = hex::encode(Sha256::digest(&letter));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ArchiveTransfer xmlns=\"fr:gouv:culture:archivesdefrance:seda:v1.0\">\
         <Comment>Actes</Comment><Date>2026-01-01T00:00:00Z</Date><TransferIdentifier>{message}</TransferIdentifier>\
         <ArchivalAgency><Identification>AD40</Identification></ArchivalAgency>\
         <TransferringAgency><Identification>MAIRIE</Identification></TransferringAgency>\n\
         <Archive><ArchivalAgreement>ACTES</ArchivalAgreement>\
         <DescriptionLanguage listVersionID=\"edition 2009\">fra</DescriptionLanguage>\
         <Name>Délibération n° 12</Name><ContentDescription>\
         <DescriptionLevel listVersionID=\"edition 2009\">file</DescriptionLevel>\
         <Language listVersionID=\"edition 2009\">fra</Language>\
         <OriginatingAgency><Identification>MAIRIE</Identification></OriginatingAgency></ContentDescription>\
         <AccessRestrictionRule><Code listVersionID=\"edition 2009\">AR038</Code><StartDate>2026-01-01</StartDate></AccessRestrictionRule>\
         <AppraisalRule><Code listVersionID=\"edition 2009\">conserver</Code><Duration>P10Y</Duration><StartDate>2026-01-01</StartDate></AppraisalRule>\
         <Document><Attachment filename=\"content/lettre-0.txt\" mimeCode=\"text/plain\"/>\
         <Integrity algorithme=\"http://www.w3.org/2001/04/xmlenc#sha256\">{digest}</Integrity>\
         <Type listVersionID=\"edition 2009\">CDO</Type></Document></Archive></ArchiveTransfer>"
    )
}
