//! What is converted is valid in the version asked for, and says the same.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::spec::seda::{Bounds, read};

const OLD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ArchiveTransfer xmlns="fr:gouv:culture:archivesdefrance:seda:v1.0">
<Comment>Versement annuel</Comment><Date>2014-01-01T00:00:00Z</Date><TransferIdentifier>T-1</TransferIdentifier>
<ArchivalAgency><Identification>AD40</Identification><Name>Archives</Name></ArchivalAgency>
<TransferringAgency><Identification>MAIRIE</Identification></TransferringAgency>
<Archive><ArchivalAgreement>CONV</ArchivalAgreement><DescriptionLanguage>fra</DescriptionLanguage>
<Name>Dossiers &amp; pièces</Name>
<ContentDescription><Description>Tout</Description><DescriptionLevel>file</DescriptionLevel><Language>fra</Language>
<LatestDate>2013-12-31</LatestDate><OldestDate>2013-01-01</OldestDate>
<CustodialHistory><CustodialHistoryItem when="2013-06-01">Reçu</CustodialHistoryItem></CustodialHistory>
<Keyword><KeywordContent>urbanisme</KeywordContent><KeywordType>subject</KeywordType></Keyword></ContentDescription>
<AccessRestrictionRule><Code>AR048</Code><StartDate>2013-12-31</StartDate></AccessRestrictionRule>
<AppraisalRule><Code>detruire</Code><Duration>P10Y</Duration><StartDate>2013-12-31</StartDate></AppraisalRule>
<ArchiveObject><Name>Sous-dossier</Name>
<Document><Attachment filename="a.pdf" mimeCode="application/pdf" format="fmt/18"/><Description>Pièce</Description>
<Integrity algorithme="SHA-256">47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=</Integrity><Size unitCode="AD">12</Size>
<Type>CDO</Type></Document></ArchiveObject></Archive></ArchiveTransfer>"#;

#[test]
fn a_transfer_of_1_0_is_valid_in_every_2_x() {
    let old = read(OLD.as_bytes(), &Bounds::default()).unwrap();
    assert_eq!(old.checked.findings.errors, 0, "{:?}", old.checked.findings);
    for target in [Version::V2_1, Version::V2_2, Version::V2_3] {
        let converted = convert(OLD.as_bytes(), target, &Limits::default()).unwrap();
        let new = read(converted.manifest.as_bytes(), &Bounds::default()).unwrap();
        assert!(new.checked.findings.kept.is_empty(), "{target}: {:?}", new.checked.findings.kept);
        let (old, new) = (&old.manifest, &new.manifest);
        assert_eq!(new.version, Some(target));
        assert_eq!((new.units.len(), new.objects.len()), (old.units.len(), old.objects.len()));
        let titles = |manifest: &crate::spec::seda::manifest::Manifest| -> Vec<String> {
            manifest.units.iter().map(|unit| manifest.optional(unit.title).unwrap_or_default().to_owned()).collect()
        };
        assert_eq!(titles(new), titles(old));
        assert_eq!((new.rules.len(), new.categories.len()), (old.rules.len(), old.categories.len()));
        assert_eq!(new.objects[0].digest, old.objects[0].digest);
        assert_eq!(new.header.agreement.as_deref(), Some("CONV"));
        assert_eq!(new.management.originating_agency.as_deref(), Some("MAIRIE"));
        assert_eq!(converted.notes.len(), 1, "{:?}", converted.notes);
    }
}

#[test]
fn only_old_transfers_are_converted() {
    let new = OLD.replace("seda:v1.0", "seda:v2.1");
    assert!(matches!(convert(new.as_bytes(), Version::V2_2, &Limits::default()), Err(ConvertError::NotOld(_))));
    assert!(matches!(convert(OLD.as_bytes(), Version::V1_0, &Limits::default()), Err(ConvertError::NotOld(_))));
    assert!(convert(&b"<a>"[..], Version::V2_2, &Limits::default()).is_err());
}
