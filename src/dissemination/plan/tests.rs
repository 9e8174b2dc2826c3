//! What leaves is described in every version as the schema wants it, with the rules that applied.
#![allow(clippy::unwrap_used)]

use super::super::{Head, manifest};
use super::*;
use crate::package::{Dates, Location};
use crate::spec::seda::{validate, xml::Limits};

fn payload(name: &str) -> Payload {
    Payload {
        name: name.into(),
        size_bytes: 5,
        sha256: "ab".repeat(32),
        sha512: "cd".repeat(64),
        media_type: "application/pdf".into(),
        puid: Some("fmt/18".into()),
        location: Location { object: "payload/a/x.zst".into(), offset: 0, length: 1 },
    }
}

fn deposit(payloads: &[&str]) -> Archived {
    let deposit = Deposit {
        title: "Délibération n° 12 & suite".into(),
        document_type: "deliberation".into(),
        rule: "pes-10-ans".into(),
        external_id: Some("D-12".into()),
        dates: Dates { created: Some("2026-03-31".into()), start: None, end: Some("2026-12-31".into()) },
        payloads: payloads.iter().map(|name| payload(name)).collect(),
        ..Deposit::default()
    };
    Archived {
        ark: "ark:/99999/d1-4-b".into(),
        index: 4,
        agency: "mairie".into(),
        time: "2026-11-23T20:06:13.042Z".into(),
        deposit,
        ..Archived::default()
    }
}

fn unit(id: &str, parents: &[&str], objects: &[(&str, &str)], fragment: &str) -> Archived {
    let came = crate::package::Unit {
        transfer: "op".into(),
        message: "M-1".into(),
        id: id.into(),
        parents: parents.iter().map(|&id| id.into()).collect(),
        level: Some("Item".into()),
        originating_agency: Some("PRODUCTEUR".into()),
        rules: vec![
            AppliedRule {
                category: "AccessRule".into(),
                rule: "ACC-1".into(),
                start: Some("2020-01-01".into()),
                origin: Some("top".into()),
                ..AppliedRule::default()
            },
            AppliedRule {
                category: "AppraisalRule".into(),
                rule: "APP-1".into(),
                final_action: Some("Destroy".into()),
                ..AppliedRule::default()
            },
        ],
        objects: objects
            .iter()
            .zip(1..)
            .map(|((id, group), payload)| UnitObject {
                id: (*id).into(),
                group: Some((*group).into()),
                payload: Some(payload),
                usage: Some("BinaryMaster_1".into()),
                ..UnitObject::default()
            })
            .collect(),
        ..crate::package::Unit::default()
    };
    let mut archived = deposit(&["unit.xml", "a.pdf"]);
    archived.ark = format!("ark:/99999/d1-{id}");
    archived.deposit.unit = Some(Box::new(came));
    archived.fragment = Some(fragment.as_bytes().to_vec());
    archived
}

fn fragment(version: Version, title: &str, rest: &str) -> String {
    format!(
        "<ArchiveUnit xmlns=\"{}\" id=\"x\"><Management><AccessRule><Rule>OWN</Rule></AccessRule></Management><Content>\
         <DescriptionLevel>Item</DescriptionLevel><Title>{title}</Title>{rest}</Content></ArchiveUnit>",
        version.namespace()
    )
}

fn valid(archives: &[Archived], version: Version, purpose: Purpose) -> (Plan, String) {
    let plan = plan(archives, version, purpose, &Policies::embedded().unwrap()).unwrap();
    let head = Head {
        identifier: "DIP-1".into(),
        date: "2026-11-24T00:00:00Z".into(),
        request: "R-1".into(),
        archives: "AD40".into(),
        other: "LECTEUR".into(),
        agreement: Some("IC-1".into()),
        units: archives.iter().map(|archive| archive.ark.clone()).collect(),
        ..Head::default()
    };
    let text = manifest(version, purpose, &head, &plan).unwrap();
    let checked = validate(text.as_bytes(), &Limits::default()).unwrap();
    assert!(checked.findings.kept.is_empty(), "{version}: {:?}\n{text}", checked.findings.kept);
    (plan, text)
}

const SECOND: [Version; 3] = [Version::V2_1, Version::V2_2, Version::V2_3];

#[test]
fn deposits_are_described_from_their_records() {
    for version in SECOND {
        for purpose in [Purpose::Dip, Purpose::Transfer] {
            let mut second = deposit(&["b.tar.gz", "c"]);
            second.ark.push('2');
            let (plan, text) = valid(&[deposit(&["a.pdf"]), second], version, purpose);
            assert_eq!(plan.package.units.len(), 4);
            let names: Vec<&str> = plan.members.iter().map(|member| member.name.as_str()).collect();
            assert_eq!(names[1..], ["content/OBJ_1_0.gz", "content/OBJ_2_0"]);
            let id = if purpose == Purpose::Dip { "<SystemId>ark" } else { "<OriginatingSystemId>ark" };
            assert!(text.contains(id), "{text}");
            assert!(
                text.contains("<Rule>pes-10-ans</Rule><StartDate>2026-12-31</StartDate><FinalAction>Destroy"),
                "{text}"
            );
        }
    }
}

#[test]
fn units_keep_their_description_place_and_rules() {
    for version in SECOND {
        let related = "<RelatedObjectReference><Replaces><ArchiveUnitRefId>top</ArchiveUnitRefId></Replaces></RelatedObjectReference>";
        let archives = [
            unit("top", &[], &[], &fragment(Version::V2_2, "Dossier", "")),
            unit("leaf", &["top", "elsewhere"], &[("o1", "g1")], &fragment(Version::V2_2, "Pièce", related)),
            unit("other", &["elsewhere"], &[("o1", "g1")], &fragment(Version::V2_2, "Autre", "")),
        ];
        let (plan, text) = valid(&archives, version, Purpose::Transfer);
        assert_eq!(plan.package.units[0].children, [1]);
        // One group, used by two units; its document is there once.
        assert_eq!((plan.package.groups.len(), plan.members.len()), (1, 1));
        assert!(text.contains("<ArchiveUnitRefId>UNIT_0</ArchiveUnitRefId>"));
        assert!(text.contains("<RelatedTransferReference>M-1</RelatedTransferReference>"));
        // At the top: what applied, inherited rules included; below: its own only.
        assert!(plan.package.units[2].management.contains("APP-1"));
        assert!(
            plan.package.units[1].management.contains("OWN") && !plan.package.units[1].management.contains("APP-1")
        );
    }
}

#[test]
fn a_unit_of_an_older_version_is_described_from_its_record() {
    let old = format!("<Archive xmlns=\"{}\"><Name>Ancien</Name></Archive>", Version::V1_0.namespace());
    let (_, text) = valid(&[unit("a", &[], &[], &old)], Version::V2_1, Purpose::Dip);
    assert!(text.contains("<Title>Délibération n° 12 &amp; suite</Title>"));
}

#[test]
fn nothing_or_too_much_is_refused() {
    let policies = Policies::embedded().unwrap();
    assert_eq!(plan(&[], Version::V2_1, Purpose::Dip, &policies), Err(PlanError::Nothing));
    let many = vec![deposit(&["a"]); EXPORTED_MAX + 1];
    assert_eq!(plan(&many, Version::V2_1, Purpose::Dip, &policies), Err(PlanError::TooMany));
    let broken = unit("a", &[], &[], &format!("<ArchiveUnit xmlns=\"{}\">", Version::V2_1.namespace()));
    assert!(matches!(plan(&[broken], Version::V2_1, Purpose::Dip, &policies), Err(PlanError::Description { .. })));
}
