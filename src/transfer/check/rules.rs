//! UNITS_RULES_COMPUTE: rules known, of the right kind, with their end date; and what each unit inherits through the graph.
//!
//! A unit inherits what all its parents bear or inherit, except what it prevents (`PreventInheritance` for a whole kind,
//! `RefNonRuleId` for one rule) and what it redefines under the same identifier. The rules of the package are those of the
//! units no other contains. `EndDate = StartDate + duration`; without a start date, or for ever, there is none.

use super::package::children;
use super::{at, unit_name};
use crate::spec::seda::Text;
use crate::spec::seda::manifest::{Kind, Manifest, Owner, Rule as Borne, Said};
use crate::transfer::event::{Journal, Outcome};
use crate::transfer::referentials::{Duration, Measure, Referentials, Rule};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use time::{Date, Month};

const EVENT: &str = "UNITS_RULES_COMPUTE";

/// A rule that applies to a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// Its kind.
    pub kind: Kind,
    /// Its identifier.
    pub rule: Text,
    /// Who bears it: the unit itself, one above it, or the package.
    pub origin: Owner,
    /// When it ends; `None` when it cannot be told, or never.
    pub end: Option<Date>,
}

/// The rules that apply to each unit, in the manifest's order; units that bear nothing share those of their parent.
#[derive(Debug, Clone, Default)]
pub struct Computed {
    /// By unit.
    pub units: Vec<Arc<[Applied]>>,
}

/// The most rules kept in all, shared ones counted once.
const APPLIED_MAX: usize = 5_000_000;

/// Computes what applies to each unit; `None` when the graph has a cycle, or when it would not fit in memory.
pub fn compute(manifest: &Manifest, rules: &BTreeMap<String, Rule>) -> Option<Computed> {
    let children = children(manifest);
    let mut local: HashMap<Owner, Vec<Applied>> = HashMap::new();
    for borne in &manifest.rules {
        let end = rules.get(manifest.text(borne.id)).and_then(|rule| end_of(manifest, borne, rule).ok().flatten());
        let applied = Applied { kind: borne.kind, rule: borne.id, origin: borne.owner, end };
        local.entry(borne.owner).or_default().push(applied);
    }
    let mut except: HashMap<u32, Vec<(Kind, Option<Text>)>> = HashMap::new();
    for category in &manifest.categories {
        let Some(owner) = category.owner else { continue };
        match category.said {
            Said::PreventInheritance(true) => except.entry(owner).or_default().push((category.kind, None)),
            Said::Except(rule) => except.entry(owner).or_default().push((category.kind, Some(rule))),
            _ => {}
        }
    }
    let package: Arc<[Applied]> = local.remove(&None).unwrap_or_default().into();
    let mut walk = Walk { local, except, units: vec![None; manifest.units.len()], kept: package.len() };
    walk.run(&children, &package)?;
    Some(Computed { units: walk.units.into_iter().map(Option::unwrap_or_default).collect() })
}

struct Walk {
    local: HashMap<Owner, Vec<Applied>>,
    except: HashMap<u32, Vec<(Kind, Option<Text>)>>,
    units: Vec<Option<Arc<[Applied]>>>,
    kept: usize,
}

impl Walk {
    /// Parents before children.
    fn run(&mut self, children: &[Vec<u32>], package: &Arc<[Applied]>) -> Option<()> {
        let mut parents: Vec<Vec<u32>> = vec![Vec::new(); children.len()];
        for (unit, below) in (0_u32..).zip(children) {
            for &child in below {
                parents[child as usize].push(unit);
            }
        }
        let mut waiting: Vec<usize> = parents.iter().map(Vec::len).collect();
        let mut ready: Vec<u32> = (0..).zip(&waiting).filter(|(_, count)| **count == 0).map(|(unit, _)| unit).collect();
        let mut done = 0;
        while let Some(unit) = ready.pop() {
            done += 1;
            let applied = self.unit(unit, &parents[unit as usize], package)?;
            self.units[unit as usize] = Some(applied);
            for &child in &children[unit as usize] {
                waiting[child as usize] -= 1;
                if waiting[child as usize] == 0 {
                    ready.push(child);
                }
            }
        }
        (done == children.len()).then_some(())
    }

    fn unit(&mut self, unit: u32, parents: &[u32], package: &Arc<[Applied]>) -> Option<Arc<[Applied]>> {
        let above: Vec<Arc<[Applied]>> = if parents.is_empty() {
            vec![package.clone()]
        } else {
            parents.iter().filter_map(|parent| self.units[*parent as usize].clone()).collect()
        };
        let own = self.local.get(&Some(unit)).map(Vec::as_slice).unwrap_or_default();
        let except = self.except.get(&unit).map(Vec::as_slice).unwrap_or_default();
        if let ([only], [], []) = (above.as_slice(), own, except) {
            return Some(only.clone());
        }
        let mut seen = HashSet::new();
        let redefined: HashSet<(Kind, Text)> = own.iter().map(|own| (own.kind, own.rule)).collect();
        let prevented = |one: &Applied| {
            except.iter().any(|(kind, rule)| *kind == one.kind && rule.is_none_or(|rule| rule == one.rule))
        };
        let mut applied: Vec<Applied> = own.to_vec();
        for one in above.iter().flat_map(|rules| rules.iter()) {
            if !redefined.contains(&(one.kind, one.rule))
                && !prevented(one)
                && seen.insert((one.kind, one.rule, one.origin))
            {
                applied.push(*one);
            }
        }
        self.kept += applied.len();
        (self.kept <= APPLIED_MAX).then(|| applied.into())
    }
}

pub(super) fn check(journal: &mut Journal, manifest: &Manifest, referentials: Option<&Referentials>) {
    let mut good = true;
    let mut refuse = |code: &str, owner: Owner, detail: &str, location: Option<String>| {
        good = false;
        let name = owner.map_or_else(|| "paquet".to_owned(), |unit| unit_name(manifest, unit));
        journal.ko(&format!("{EVENT}.{code}"), format!("{name} : {detail}"), location);
    };
    for borne in &manifest.rules {
        if let (Some(start), Some(end)) = (manifest.optional(borne.start), manifest.optional(borne.hold_end))
            && end < start
        {
            let detail = format!("la fin de gel ({end}) précède son début ({start})");
            refuse("INCONSISTENCY", borne.owner, &detail, at(borne.position));
        }
    }
    let rules = referentials.and_then(|r| r.rules.as_ref());
    // The codes and durations of 0.2 and 1.0 are those of the standard, not of the reference data.
    let Some(rules) = rules.filter(|_| manifest.version.is_some_and(crate::spec::seda::Version::is_second)) else {
        if good && !manifest.rules.is_empty() {
            journal.ok(EVENT, format!("{} règles (référentiel des règles non fourni)", manifest.rules.len()));
        }
        return;
    };
    for borne in &manifest.rules {
        if let Err((code, detail)) = known(manifest, borne, rules) {
            refuse(code, borne.owner, &detail, at(borne.position));
        }
    }
    for category in &manifest.categories {
        let Said::Except(id) = category.said else { continue };
        let id = manifest.text(id);
        if rules.get(id).is_none_or(|rule| rule.kind != category.kind) {
            let detail = format!("la règle exclue « {id} » n'est pas une règle {} connue", category.kind.name());
            refuse("UNKNOWN", category.owner, &detail, at(category.position));
        }
    }
    if !good {
        return;
    }
    if compute(manifest, rules).is_some() {
        journal.ok(EVENT, format!("{} règles calculées et héritées", manifest.rules.len()));
    } else if journal.outcome() != Outcome::Ko {
        // A loop was told before; here, there are too many.
        let detail = format!("plus de {APPLIED_MAX} règles héritées en tout : l'héritage ne peut être calculé");
        journal.ko(&format!("{EVENT}.TOO_MANY"), detail, None);
    }
}

/// What is wrong with a rule: the end of VITAM's code, and a detail.
fn known(manifest: &Manifest, borne: &Borne, rules: &BTreeMap<String, Rule>) -> Result<(), (&'static str, String)> {
    let id = manifest.text(borne.id);
    let Some(rule) = rules.get(id) else {
        return Err(("UNKNOWN", format!("la règle « {id} » n'est pas dans le référentiel des règles")));
    };
    if rule.kind != borne.kind {
        let (expected, found) = (borne.kind.name(), rule.kind.name());
        return Err(("INCONSISTENCY", format!("la règle « {id} » est une {found}, et non une {expected}")));
    }
    if borne.hold_end.is_some() && matches!(rule.duration, Duration::Of(..) | Duration::Unlimited) {
        let detail = format!("HoldEndDate n'est pas admis : la règle « {id} » a une durée définie");
        return Err(("INCONSISTENCY", detail));
    }
    end_of(manifest, borne, rule).map(|_| ()).map_err(|detail| ("INCONSISTENCY", detail))
}

/// The end of a rule.
fn end_of(manifest: &Manifest, borne: &Borne, rule: &Rule) -> Result<Option<Date>, String> {
    let (start, hold_end) = (manifest.optional(borne.start), manifest.optional(borne.hold_end));
    end(rule, manifest.text(borne.id), start, hold_end)
}

/// When a rule of the reference data ends that starts on a day (`YYYY-MM-DD…`); `hold_end` is what is said of the end where
/// the rule has no duration. `None` when it never ends or nobody can tell.
///
/// # Errors
///
/// A date that is none, or an end beyond the year 9999: a sentence in French.
pub fn end(rule: &Rule, id: &str, start: Option<&str>, hold_end: Option<&str>) -> Result<Option<Date>, String> {
    let read = |text: Option<&str>| {
        let text = text?;
        Some(date(text).ok_or_else(|| format!("la date « {text} » ne permet pas de calculer une échéance")))
    };
    let start = read(start).transpose()?;
    match (rule.duration, start) {
        (Duration::Undefined, _) => read(hold_end).transpose(),
        (Duration::Unlimited, _) | (_, None) => Ok(None),
        (Duration::Of(count, measure), Some(start)) => {
            let end = later(start, count, measure);
            end.map(Some).ok_or_else(|| format!("l'échéance de la règle « {id} » dépasse l'an 9999"))
        }
    }
}

fn date(text: &str) -> Option<Date> {
    let year = text.get(..4)?.parse().ok()?;
    let month: u8 = text.get(5..7)?.parse().ok()?;
    let day = text.get(8..10)?.parse().ok()?;
    Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()
}

/// A date so many days, months or years later; the last day of the month when the day is not in it.
fn later(start: Date, count: u32, measure: Measure) -> Option<Date> {
    let months = match measure {
        Measure::Day => return start.checked_add(time::Duration::days(i64::from(count))),
        Measure::Month => i64::from(count),
        Measure::Year => i64::from(count).checked_mul(12)?,
    };
    let total = i64::from(start.year()) * 12 + i64::from(u8::from(start.month())) - 1 + months;
    let (year, month) = (i32::try_from(total.div_euclid(12)).ok()?, u8::try_from(total.rem_euclid(12) + 1).ok()?);
    let month = Month::try_from(month).ok()?;
    if !(0..=9999).contains(&year) {
        return None;
    }
    Date::from_calendar_date(year, month, start.day().min(month.length(year))).ok()
}

#[cfg(test)]
mod tests;
