//! Final disposition: whether an archive may be eliminated today. Its rule is over by the calendar, what is to become of it
//! then is destruction, and nothing holds it; the visa of the control authority is asked for and checked by whoever executes
//! (code du patrimoine, art. L. 212-2 and R. 212-14). Nothing is half said: every reason against is told.

use crate::admission::{Disposition, Policies, Starts};
use crate::dissemination::Archived;
use crate::package::AppliedRule;
use time::{Date, Month};

/// The most archives in one elimination: its record names them all.
pub const ELIMINATED_MAX: usize = 4_000;

/// Why an archive may not be eliminated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotDue {
    /// Its identifier.
    pub archive: String,
    /// What is against it.
    pub obstacle: Obstacle,
}

/// What is against an elimination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// It was eliminated before.
    Gone,
    /// The record of a transfer: its messages tell what became of its units.
    Transfer,
    /// No rule says when it may go.
    NoRule,
    /// A rule says that it is kept.
    Kept {
        /// Which.
        rule: String,
    },
    /// A rule still runs.
    Running {
        /// Which.
        rule: String,
        /// Until when; none when it has no end, or none that can be told.
        until: Option<String>,
    },
    /// It is held (`HoldRule`).
    Held {
        /// By which rule.
        rule: String,
        /// Until when, if that is known.
        until: Option<String>,
    },
}

impl std::fmt::Display for NotDue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let archive = &self.archive;
        match &self.obstacle {
            Obstacle::Gone => write!(f, "{archive} : déjà éliminée"),
            Obstacle::Transfer => write!(f, "{archive} : messages d'un transfert, conservés avec le journal"),
            Obstacle::NoRule => write!(f, "{archive} : aucune règle d'utilité administrative connue"),
            Obstacle::Kept { rule } => write!(f, "{archive} : règle {rule}, sort final « conserver »"),
            Obstacle::Running { rule, until: Some(until) } => {
                write!(f, "{archive} : règle {rule}, à échéance le {until}")
            }
            Obstacle::Running { rule, until: None } => write!(f, "{archive} : règle {rule}, sans échéance calculable"),
            Obstacle::Held { rule, until: Some(until) } => write!(f, "{archive} : gel {rule}, jusqu'au {until}"),
            Obstacle::Held { rule, until: None } => write!(f, "{archive} : gel {rule}, sans fin connue"),
        }
    }
}

/// Whether `archive` may be eliminated on this day; holds are told before anything else.
///
/// # Errors
///
/// What is against it.
pub fn due(archive: &Archived, policies: &Policies, today: Date) -> Result<(), NotDue> {
    let refuse = |obstacle| Err(NotDue { archive: archive.ark.clone(), obstacle });
    if archive.eliminated {
        return refuse(Obstacle::Gone);
    }
    if archive.deposit.transfer.is_some() {
        return refuse(Obstacle::Transfer);
    }
    let rules = in_force(archive, policies);
    let day = today.to_string();
    // Dates of one form: their order is that of their texts. The day a rule ends, it is over.
    let runs = |rule: &&AppliedRule| rule.end.as_ref().is_none_or(|end| *end > day);
    if let Some(held) = rules.iter().filter(|rule| rule.category == "HoldRule").find(runs) {
        return refuse(Obstacle::Held { rule: held.rule.clone(), until: held.end.clone() });
    }
    let appraisal: Vec<&AppliedRule> = rules.iter().filter(|rule| rule.category == "AppraisalRule").collect();
    if appraisal.is_empty() {
        return refuse(Obstacle::NoRule);
    }
    if let Some(kept) = appraisal.iter().find(|rule| rule.final_action.as_deref() != Some("Destroy")) {
        return refuse(Obstacle::Kept { rule: kept.rule.clone() });
    }
    match appraisal.iter().copied().find(runs) {
        Some(running) => refuse(Obstacle::Running { rule: running.rule.clone(), until: running.end.clone() }),
        None => Ok(()),
    }
}

/// The rules that apply to an archive today: as they were changed, as they were computed when it came in a transfer, or as
/// the retention schedule says of its kind.
pub fn in_force(archive: &Archived, policies: &Policies) -> Vec<AppliedRule> {
    let mut rules = match (&archive.rules, &archive.deposit.unit) {
        (Some(changed), _) => changed.clone(),
        (None, Some(unit)) => unit.rules.clone(),
        (None, None) => Vec::new(),
    };
    let said = rules.iter().any(|rule| rule.category == "AppraisalRule");
    if archive.deposit.unit.is_none() && !said {
        rules.extend(scheduled(archive, policies));
    }
    rules
}

/// What the retention schedule says of a deposit.
fn scheduled(archive: &Archived, policies: &Policies) -> Option<AppliedRule> {
    let deposit = &archive.deposit;
    let rule = policies.rule(&deposit.rule)?;
    let deposited = archive.time.get(..10).map(str::to_owned);
    let start = match rule.starts {
        Starts::End => deposit.dates.end.clone().or_else(|| deposit.dates.created.clone()),
        Starts::Created => deposit.dates.created.clone(),
        Starts::Deposited => deposited.clone(),
    };
    // The latest of what is known: nothing goes too early for a date that is missing.
    let start = start.or(deposited);
    let end = start.as_deref().and_then(|start| years_after(start, rule.retention_years?));
    let destroyed = rule.disposition == Disposition::Eliminate;
    Some(AppliedRule {
        category: "AppraisalRule".into(),
        rule: rule.code.clone(),
        start,
        end,
        final_action: Some(if destroyed { "Destroy" } else { "Keep" }.into()),
        origin: None,
    })
}

/// `YYYY-MM-DD` so many years later.
fn years_after(start: &str, years: u16) -> Option<String> {
    let day = crate::admission::parse_date(start)?;
    let year = day.year() + i32::from(years);
    let later = day.replace_year(year).or_else(|_| Date::from_calendar_date(year, Month::February, 28)).ok()?;
    Some(later.to_string())
}

#[cfg(test)]
mod tests;
