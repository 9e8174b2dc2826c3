//! What may be eliminated, and why the rest may not.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::package::{Dates, Deposit, Transfer, Unit};
use time::macros::date;

const TODAY: Date = date!(2026 - 11 - 24);

fn policies() -> Policies {
    Policies::embedded().unwrap()
}

fn rule(category: &str, name: &str, end: Option<&str>, action: Option<&str>) -> AppliedRule {
    AppliedRule {
        category: category.into(),
        rule: name.into(),
        end: end.map(Into::into),
        final_action: action.map(Into::into),
        ..AppliedRule::default()
    }
}

fn unit(rules: Vec<AppliedRule>) -> Archived {
    let unit = Unit { rules, ..Unit::default() };
    Archived {
        ark: "ark:/1/x".into(),
        deposit: Deposit { unit: Some(Box::new(unit)), ..Deposit::default() },
        ..Archived::default()
    }
}

fn obstacle(archive: &Archived) -> Option<Obstacle> {
    due(archive, &policies(), TODAY).err().map(|not| not.obstacle)
}

#[test]
fn every_rule_is_over_and_says_destroy() {
    let over = || rule("AppraisalRule", "APP-1", Some("2026-11-24"), Some("Destroy"));
    assert_eq!(obstacle(&unit(vec![over()])), None);
    assert_eq!(obstacle(&unit(vec![])), Some(Obstacle::NoRule));
    let running = rule("AppraisalRule", "APP-2", Some("2026-11-25"), Some("Destroy"));
    let until = Some("2026-11-25".to_owned());
    assert_eq!(obstacle(&unit(vec![over(), running])), Some(Obstacle::Running { rule: "APP-2".into(), until }));
    let endless = rule("AppraisalRule", "APP-3", None, Some("Destroy"));
    assert_eq!(obstacle(&unit(vec![over(), endless])), Some(Obstacle::Running { rule: "APP-3".into(), until: None }));
    // A final action that is not said is to keep.
    for action in [None, Some("Keep")] {
        let kept = rule("AppraisalRule", "APP-4", Some("2000-01-01"), action);
        assert_eq!(obstacle(&unit(vec![over(), kept])), Some(Obstacle::Kept { rule: "APP-4".into() }));
    }
}

#[test]
fn what_is_held_stays() {
    let over = || rule("AppraisalRule", "APP-1", Some("2000-01-01"), Some("Destroy"));
    let held = unit(vec![over(), rule("HoldRule", "HOL-1", None, None)]);
    assert_eq!(obstacle(&held), Some(Obstacle::Held { rule: "HOL-1".into(), until: None }));
    assert_eq!(obstacle(&unit(vec![over(), rule("HoldRule", "HOL-1", Some("2026-11-24"), None)])), None);
    // A change stands in place of what was computed.
    let mut changed = unit(vec![over()]);
    changed.rules = Some(vec![over(), rule("HoldRule", "HOL-2", Some("2030-01-01"), None)]);
    let until = Some("2030-01-01".to_owned());
    assert_eq!(obstacle(&changed), Some(Obstacle::Held { rule: "HOL-2".into(), until }));
}

#[test]
fn deposits_follow_the_retention_schedule() {
    let policies = policies();
    let eliminated = policies.rules().find(|rule| {
        rule.disposition == Disposition::Eliminate && rule.retention_years.is_some() && rule.starts == Starts::End
    });
    let Some(scheduled) = eliminated else { return };
    let years = i32::from(scheduled.retention_years.unwrap_or(0));
    let deposit = |end: i32| Archived {
        time: "1990-01-01T00:00:00.000Z".into(),
        deposit: Deposit {
            rule: scheduled.code.clone(),
            dates: Dates { end: Some(format!("{end}-02-28")), ..Dates::default() },
            ..Deposit::default()
        },
        ..Archived::default()
    };
    assert_eq!(obstacle(&deposit(2026 - years)), None);
    let later = obstacle(&deposit(2027 - years));
    assert!(matches!(later, Some(Obstacle::Running { until: Some(_), .. })), "{later:?}");
    let mut messages = deposit(1990);
    messages.deposit.transfer = Some(Box::new(Transfer::default()));
    assert_eq!(obstacle(&messages), Some(Obstacle::Transfer));
    assert_eq!(years_after("2024-02-29", 1).as_deref(), Some("2025-02-28"));
}
