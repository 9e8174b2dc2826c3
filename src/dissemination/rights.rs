//! What may be given to whom. The agency whose archives they are always may have them (code du patrimoine, art. L. 213-1 and
//! following speak of the others); anybody else once every access rule has ended. Where no access rule is known nothing says
//! that the archive is communicable, and the control authority is asked.

use super::plan::Archived;
use crate::package::AppliedRule;
use time::Date;

/// An archive that may not be given yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// Its identifier.
    pub archive: String,
    /// The rule, when there is one.
    pub rule: Option<String>,
    /// When the rule ends; none when it cannot be told, or never.
    pub until: Option<String>,
}

impl std::fmt::Display for Withheld {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.rule, &self.until) {
            (Some(rule), Some(until)) => write!(f, "{} : règle {rule}, communicable le {until}", self.archive),
            (Some(rule), None) => write!(f, "{} : règle {rule}, sans échéance calculable", self.archive),
            (None, _) => write!(f, "{} : aucune règle de communicabilité connue", self.archive),
        }
    }
}

/// Why `archive` may not be given to `requester` today; `None` when it may.
pub fn withheld(archive: &Archived, requester: &str, today: Date) -> Option<Withheld> {
    if archive.agency == requester {
        return None;
    }
    let day = today.to_string();
    let came = || archive.deposit.unit.as_ref().map(|unit| unit.rules.as_slice());
    let produced = archive.deposit.produced.as_ref().and_then(|produced| {
        let (rule, end) = (produced.access.clone()?, produced.access_until.clone());
        Some(AppliedRule { category: "AccessRule".to_owned(), rule, end, ..AppliedRule::default() })
    });
    let rules = archive.rules.as_deref().or_else(came).unwrap_or(produced.as_slice());
    let mut access = rules.iter().filter(|rule| rule.category == "AccessRule").peekable();
    let told = |rule: Option<String>, until: Option<String>| Withheld { archive: archive.ark.clone(), rule, until };
    if access.peek().is_none() {
        return Some(told(None, None));
    }
    // Dates of one form: their order is that of their texts.
    let running = access.filter(|rule| rule.end.as_ref().is_none_or(|end| *end > day));
    let last = running.max_by_key(|rule| (rule.end.is_none(), rule.end.clone()))?;
    Some(told(Some(last.rule.clone()), last.end.clone()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::package::{Deposit, Unit};
    use time::macros::date;

    fn archive(rules: &[(&str, &str, Option<&str>)]) -> Archived {
        let rules = rules.iter().map(|(category, rule, end)| AppliedRule {
            category: (*category).into(),
            rule: (*rule).into(),
            end: end.map(Into::into),
            ..AppliedRule::default()
        });
        let unit = Unit { rules: rules.collect(), ..Unit::default() };
        let deposit = Deposit { unit: Some(Box::new(unit)), ..Deposit::default() };
        Archived { ark: "ark:/1/x".into(), agency: "mairie".into(), deposit, ..Archived::default() }
    }

    #[test]
    fn others_wait_for_the_last_access_rule() {
        let today = date!(2026 - 11 - 24);
        let two = archive(&[
            ("AccessRule", "ACC-1", Some("2020-01-01")),
            ("AccessRule", "ACC-2", Some("2030-01-01")),
            ("AppraisalRule", "APP-1", Some("2099-01-01")),
        ]);
        assert_eq!(withheld(&two, "mairie", today), None);
        let kept = withheld(&two, "lecteur", today).unwrap();
        assert_eq!((kept.rule.as_deref(), kept.until.as_deref()), (Some("ACC-2"), Some("2030-01-01")));
        assert_eq!(withheld(&archive(&[("AccessRule", "ACC-1", Some("2026-11-24"))]), "lecteur", today), None);
        let unsaid = withheld(&archive(&[("AccessRule", "ACC-3", None)]), "lecteur", today).unwrap();
        assert_eq!((unsaid.rule.as_deref(), unsaid.until), (Some("ACC-3"), None));
        assert_eq!(withheld(&archive(&[]), "lecteur", today).unwrap().rule, None);
    }
}
