//! What a check says: the events of a transfer, under VITAM's names, in its order.

use serde::Serialize;
use std::sync::mpsc::Sender;

/// How many events a report keeps; the others are counted.
pub const EVENTS_KEPT_MAX: usize = 1_000;

/// The outcome of a check, or of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
pub enum Outcome {
    /// As it should be.
    #[serde(rename = "OK")]
    Ok,
    /// Accepted, with something to look at.
    #[serde(rename = "WARNING")]
    Warning,
    /// Refused.
    #[serde(rename = "KO")]
    Ko,
}

impl Outcome {
    /// Its name in replies and journals.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Ko => "KO",
        }
    }

    /// The outcome of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Ok, Self::Warning, Self::Ko].into_iter().find(|outcome| outcome.name() == name)
    }
}

/// One check done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Event {
    /// VITAM's name, the most precise one that applies: `CHECK_HEADER.CHECK_AGENT.UNKNOWN`.
    pub event: String,
    /// Its outcome.
    pub outcome: Outcome,
    /// What an archivist needs to know, in French.
    pub detail: String,
    /// Where: a place in the bordereau, or the name of a member.
    pub location: Option<String>,
}

/// Every check done, and the outcome of all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Report {
    /// The outcome of the transfer.
    pub outcome: Outcome,
    /// The version of the standard, when the bordereau says.
    pub version: Option<String>,
    /// The checks, in their order.
    pub events: Vec<Event>,
}

/// Gathers events.
#[derive(Debug)]
pub struct Journal {
    report: Report,
    dropped: usize,
    told: Option<Sender<Event>>,
}

impl Default for Journal {
    fn default() -> Self {
        let report = Report { outcome: Outcome::Ok, version: None, events: Vec::new() };
        Self { report, dropped: 0, told: None }
    }
}

impl Journal {
    /// A journal whose events are told to somebody as they come.
    pub fn telling(told: Option<&Sender<Event>>) -> Self {
        Self { told: told.cloned(), ..Self::default() }
    }

    /// Goes on with a report.
    pub fn resume(report: Report) -> Self {
        Self { report, dropped: 0, told: None }
    }

    /// The outcome so far.
    pub fn outcome(&self) -> Outcome {
        self.report.outcome
    }

    /// Notes the version of the bordereau.
    pub fn version(&mut self, version: &str) {
        self.report.version = Some(version.to_owned());
    }

    /// A check that found nothing to say.
    pub fn ok(&mut self, event: &str, detail: impl Into<String>) {
        self.add(event, Outcome::Ok, detail.into(), None);
    }

    /// Something to look at.
    pub fn warning(&mut self, event: &str, detail: impl Into<String>, location: Option<String>) {
        self.add(event, Outcome::Warning, detail.into(), location);
    }

    /// A reason to refuse.
    pub fn ko(&mut self, event: &str, detail: impl Into<String>, location: Option<String>) {
        self.add(event, Outcome::Ko, detail.into(), location);
    }

    /// A remark for who makes the bordereaux, that leaves the outcome as it is: a deviation from the official schema that
    /// archives accept.
    pub fn remark(&mut self, event: &str, detail: impl Into<String>, location: Option<String>) {
        let outcome = self.report.outcome;
        self.add(event, Outcome::Warning, detail.into(), location);
        self.report.outcome = outcome;
    }

    fn add(&mut self, event: &str, outcome: Outcome, detail: String, location: Option<String>) {
        self.report.outcome = self.report.outcome.max(outcome);
        if self.report.events.len() < EVENTS_KEPT_MAX {
            let event = Event { event: event.to_owned(), outcome, detail, location };
            if let Some(told) = &self.told {
                // Whoever listened may have left.
                let _ = told.send(event.clone());
            }
            self.report.events.push(event);
        } else {
            self.dropped += 1;
        }
    }

    /// The report, with how many events it could not keep.
    pub fn finish(mut self) -> Report {
        if self.dropped > 0 {
            self.report.events.push(Event {
                event: "REPORT".into(),
                outcome: self.report.outcome,
                detail: format!("{} autres événements ne sont pas détaillés", self.dropped),
                location: None,
            });
        }
        self.report
    }
}
