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

/// VITAM's own description of inheritance: what a unit prevents, nothing below it gets from above, unless another parent
/// brings it.
#[test]
fn what_is_prevented_stays_out_below_unless_another_way_brings_it() {
    const PREVENT: &str = "<AccessRule><PreventInheritance>true</PreventInheritance></AccessRule>";
    let access = "<AccessRule><Rule>A</Rule><StartDate>2000-01-01</StartDate></AccessRule>";
    let units = [
        unit("top", access, &["cut", "other"]),
        unit("cut", PREVENT, &["below", "both"]),
        unit("other", "", &["both"]),
        unit("below", "", &[]),
        unit("both", "", &[]),
    ];
    let appraisal = "<AppraisalRule><Rule>C</Rule><FinalAction>Keep</FinalAction></AppraisalRule>";
    let manifest = manifest(&units.concat(), appraisal);
    let a = Some(date!(2025 - 01 - 01));
    assert_eq!(applied(&manifest, "top"), [("A".into(), a), ("C".into(), None)]);
    assert_eq!(applied(&manifest, "cut"), [("C".into(), None)]);
    assert_eq!(applied(&manifest, "below"), [("C".into(), None)]);
    assert_eq!(applied(&manifest, "both"), [("A".into(), a), ("C".into(), None)]);
}

/// A rule named by `RefNonRuleId` is left out alone; a rule redefined takes its own date; the same rule by two ways with
/// two dates applies twice, and the later date is the one that counts.
#[test]
fn one_rule_left_out_one_redefined_one_twice() {
    let access = |start: &str| format!("<AccessRule><Rule>B</Rule><StartDate>{start}</StartDate></AccessRule>");
    let two =
        "<AccessRule><Rule>A</Rule><StartDate>2000-01-01</StartDate><Rule>B</Rule><StartDate>2000-01-15</StartDate>";
    let units = [
        unit("x", &format!("{two}</AccessRule>"), &["z", "v", "w"]),
        unit("y", &access("2010-01-15"), &["z"]),
        unit("z", "", &[]),
        unit("v", "<AccessRule><RefNonRuleId>B</RefNonRuleId></AccessRule>", &[]),
        unit("w", &access("2020-03-31"), &[]),
    ];
    let manifest = manifest(&units.concat(), "");
    let (a, first) = (Some(date!(2025 - 01 - 01)), Some(date!(2000 - 02 - 15)));
    assert_eq!(
        applied(&manifest, "z"),
        [("A".into(), a), ("B".into(), first), ("B".into(), Some(date!(2010 - 02 - 15)))]
    );
    assert_eq!(applied(&manifest, "v"), [("A".into(), a)]);
    // The last day of April, which has no 31st.
    assert_eq!(applied(&manifest, "w"), [("A".into(), a), ("B".into(), Some(date!(2020 - 04 - 30)))]);
}

#[test]
fn without_a_start_or_for_ever_there_is_no_end() {
    let units = [
        unit("x", "<AccessRule><Rule>A</Rule></AccessRule>", &[]),
        unit(
            "y",
            "<AppraisalRule><Rule>C</Rule><StartDate>2000-01-01</StartDate><FinalAction>Destroy</FinalAction></AppraisalRule>",
            &[],
        ),
        unit("z", "<HoldRule><Rule>H</Rule><StartDate>2000-01-01</StartDate></HoldRule>", &[]),
    ];
    let manifest = manifest(&units.concat(), "");
    for (id, rule) in [("x", "A"), ("y", "C"), ("z", "H")] {
        assert_eq!(applied(&manifest, id), [(rule.into(), None)]);
    }
}
