//! End dates, and inheritance through a graph with two ways.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::spec::seda::{Bounds, read};
use time::macros::date;

fn rules() -> BTreeMap<String, Rule> {
    let rule = |kind, duration| Rule { kind, value: String::new(), duration };
    BTreeMap::from([
        ("A".to_owned(), rule(Kind::Access, Duration::Of(25, Measure::Year))),
        ("B".to_owned(), rule(Kind::Access, Duration::Of(1, Measure::Month))),
        ("C".to_owned(), rule(Kind::Appraisal, Duration::Unlimited)),
        ("H".to_owned(), rule(Kind::Hold, Duration::Undefined)),
    ])
}

fn manifest(units: &str, management: &str) -> Manifest {
    let text = format!(
        "<ArchiveTransfer xmlns=\"fr:gouv:culture:archivesdefrance:seda:v2.2\"><DataObjectPackage>\
         <DescriptiveMetadata>{units}</DescriptiveMetadata><ManagementMetadata>{management}</ManagementMetadata>\
         </DataObjectPackage></ArchiveTransfer>"
    );
    read(text.as_bytes(), &Bounds::default()).unwrap().manifest
}

fn unit(id: &str, management: &str, below: &[&str]) -> String {
    let below: String = below
        .iter()
        .map(|child| {
            format!("<ArchiveUnit id=\"r{id}{child}\"><ArchiveUnitRefId>{child}</ArchiveUnitRefId></ArchiveUnit>")
        })
        .fold(String::new(), |all, one| all + &one);
    format!("<ArchiveUnit id=\"{id}\"><Management>{management}</Management><Content/>{below}</ArchiveUnit>")
}

fn applied(manifest: &Manifest, id: &str) -> Vec<(String, Option<Date>)> {
    let computed = compute(manifest, &rules()).unwrap();
    let at = manifest.units.iter().position(|unit| manifest.text(unit.id) == id).unwrap();
    let mut found: Vec<_> =
        computed.units[at].iter().map(|one| (manifest.text(one.rule).to_owned(), one.end)).collect();
    found.sort();
    found
}

#[test]
fn end_dates() {
    assert_eq!(later(date!(2024 - 01 - 31), 1, Measure::Month), Some(date!(2024 - 02 - 29)));
    assert_eq!(later(date!(2024 - 02 - 29), 1, Measure::Year), Some(date!(2025 - 02 - 28)));
    assert_eq!(later(date!(2024 - 12 - 31), 1, Measure::Day), Some(date!(2025 - 01 - 01)));
    assert_eq!(later(date!(9999 - 01 - 01), 1, Measure::Year), None);
}

#[test]
fn rules_come_from_all_parents_but_what_is_prevented_or_redefined() {
    let access =
        |rule: &str, start: &str| format!("<AccessRule><Rule>{rule}</Rule><StartDate>{start}</StartDate></AccessRule>");
    let units = [
        unit("x", &access("A", "2000-01-01"), &["z", "w"]),
        unit("y", &access("B", "2024-01-31"), &["z", "v"]),
        unit("z", "", &[]),
        unit("w", "<AccessRule><PreventInheritance>true</PreventInheritance></AccessRule>", &[]),
        unit(
            "v",
            &format!(
                "{}{}",
                access("B", "2020-01-01"),
                "<AppraisalRule><RefNonRuleId>C</RefNonRuleId><FinalAction>Keep</FinalAction></AppraisalRule>"
            ),
            &[],
        ),
    ];
    let manifest =
        manifest(&units.concat(), "<AppraisalRule><Rule>C</Rule><FinalAction>Keep</FinalAction></AppraisalRule>");
    let (a, b) = (Some(date!(2025 - 01 - 01)), Some(date!(2024 - 02 - 29)));
    assert_eq!(applied(&manifest, "z"), [("A".into(), a), ("B".into(), b), ("C".into(), None)]);
    assert_eq!(applied(&manifest, "w"), [("C".into(), None)]);
    assert_eq!(applied(&manifest, "v"), [("B".into(), Some(date!(2020 - 02 - 01)))]);
}

#[test]
fn a_cycle_is_not_computed() {
    let units = [unit("x", "", &["y"]), unit("y", "", &["x"])].concat();
    assert!(compute(&manifest(&units, ""), &rules()).is_none());
}

#[test]
fn what_a_hold_may_say() {
    let hold = |rest: &str| unit("x", &format!("<HoldRule><Rule>H</Rule>{rest}</HoldRule>"), &[]);
    let manifest = manifest(&hold("<StartDate>2020-01-01</StartDate><HoldEndDate>2021-01-01</HoldEndDate>"), "");
    assert_eq!(applied(&manifest, "x"), [("H".into(), Some(date!(2021 - 01 - 01)))]);
}
