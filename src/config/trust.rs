//! What may be fetched for the validation of signatures, from whom, and when. Nothing, unless it is written here.

use serde::Deserialize;
use std::fmt::Write;
use std::time::Duration;

/// What may be fetched, from whom.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrustFetch {
    /// Hosts that may be called for revocation data and lists, names or addresses. A name that leads to a private address is
    /// refused, unless that address is here too.
    pub hosts: Vec<String>,
    /// Where trusted lists are: lists of lists, or lists without one.
    pub lists: Vec<String>,
    /// The territories whose lists are wanted (`FR`…); none means every one that the list of lists points to.
    pub territories: Vec<String>,
    /// Seconds between two looks at the lists.
    pub every_s: u64,
    /// The longest that one request may take.
    pub request_ms_max: u64,
    /// The longest that a deposit may be kept waiting for revocation data.
    pub deposit_ms_max: u64,
}

impl Default for TrustFetch {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            lists: Vec::new(),
            territories: Vec::new(),
            every_s: 86_400,
            request_ms_max: 10_000,
            deposit_ms_max: 5_000,
        }
    }
}

impl TrustFetch {
    /// The longest that one request may take.
    pub fn request_time_max(&self) -> Duration {
        Duration::from_millis(self.request_ms_max)
    }

    /// The longest that a deposit may be kept waiting.
    pub fn deposit_time_max(&self) -> Duration {
        Duration::from_millis(self.deposit_ms_max)
    }

    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.hosts.iter().any(|host| host.is_empty() || host.contains(['/', ' '])) {
            return Err(("trust.hosts", "noms d'hôtes ou adresses seuls, sans « http:// » ni chemin".into()));
        }
        if !self.lists.is_empty() && self.hosts.is_empty() {
            return Err(("trust.lists", "les hôtes de ces listes sont à nommer dans trust.hosts".into()));
        }
        if !(60..=30 * 86_400).contains(&self.every_s) {
            return Err(("trust.every_s", "de 60 à 2592000 (une minute à trente jours)".into()));
        }
        for (key, value) in
            [("trust.request_ms_max", self.request_ms_max), ("trust.deposit_ms_max", self.deposit_ms_max)]
        {
            if !(100..=120_000).contains(&value) {
                return Err((key, "de 100 à 120000".into()));
            }
        }
        Ok(())
    }

    pub(super) fn render(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "# Révocations et listes de confiance européennes : rien n'est cherché sans hôte nommé ici.")?;
        let default = Self::default();
        let mark = |same: bool| if same { "# " } else { "" };
        writeln!(out, "[trust]")?;
        for (key, value, example) in [
            ("hosts", &self.hosts, "[\"crl.exemple.fr\", \"ec.europa.eu\"]"),
            ("lists", &self.lists, "[\"https://ec.europa.eu/tools/lotl/eu-lotl.xml\"]"),
            ("territories", &self.territories, "[\"FR\"]"),
        ] {
            if value.is_empty() {
                writeln!(out, "# {key} = {example}")?;
            } else {
                let texts: Vec<_> = value.iter().map(|text| super::template::text(text)).collect();
                writeln!(out, "{key} = [{}]", texts.join(", "))?;
            }
        }
        for (key, value, usual) in [
            ("every_s", self.every_s, default.every_s),
            ("request_ms_max", self.request_ms_max, default.request_ms_max),
            ("deposit_ms_max", self.deposit_ms_max, default.deposit_ms_max),
        ] {
            writeln!(out, "{}{key} = {value}", mark(value == usual))?;
        }
        writeln!(out)
    }
}
