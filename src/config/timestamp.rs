//! The time-stamping authority: what its tokens say, who may ask, and what its clock is held against.

use const_oid::ObjectIdentifier;
use serde::Deserialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The time-stamping authority.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timestamp {
    /// Policy that tokens announce, a dotted object identifier; without it, a placeholder of the documentation arc.
    pub policy: Option<String>,
    /// Whether tokens say `ordering`, and no two bear the same time. True of one node alone.
    pub ordering: bool,
    /// Whether anyone may ask for tokens at `/tsa`; otherwise a token that allows deposits is needed.
    pub open: bool,
    /// What the clock is held against.
    pub clock: ClockConfig,
    /// Other authorities that stamp our checkpoints too.
    pub external: ExternalConfig,
}

/// Other authorities that stamp our checkpoints too.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExternalConfig {
    /// Whether receipts wait for them.
    pub mode: ExternalMode,
    /// Once a checkpoint is stamped, the next one is asked for after this many seconds at the earliest; without effect
    /// where receipts wait.
    pub every_s: u64,
    /// The authorities, the preferred one first.
    pub tsa: Vec<ExternalTsaConfig>,
}

/// Whether receipts wait for external time-stamps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExternalMode {
    /// Receipts are given at once; those fetched later carry the external token.
    #[default]
    Attach,
    /// No receipt is given before an external token covers it.
    Require,
}

/// One external authority.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalTsaConfig {
    /// Its address.
    pub url: String,
    /// PEM: the authorities its tokens must lead to.
    pub anchors: PathBuf,
    /// How long it may take to answer.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms_max: u64,
}

fn default_timeout_ms() -> u64 {
    5_000
}

impl Default for ExternalConfig {
    fn default() -> Self {
        Self { mode: ExternalMode::Attach, every_s: 60, tsa: Vec::new() }
    }
}

/// What the clock is held against.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClockConfig {
    /// NTP servers, `host` or `host:port`; without any, only steps of the clock are noticed.
    pub ntp: Vec<String>,
    /// How many of them must agree with the clock; more than half by default.
    pub quorum: Option<usize>,
    /// How far the clock may be from them, and how far it may step.
    pub drift_ms_max: u64,
    /// How often they are asked, in seconds.
    pub every_s: u64,
}

impl Default for ClockConfig {
    fn default() -> Self {
        Self { ntp: Vec::new(), quorum: None, drift_ms_max: 500, every_s: 64 }
    }
}

impl ClockConfig {
    /// [`ClockConfig::quorum`], or more than half.
    pub fn quorum(&self) -> usize {
        self.quorum.unwrap_or(self.ntp.len() / 2 + 1)
    }

    /// [`ClockConfig::drift_ms_max`] as a duration.
    pub fn drift_max(&self) -> Duration {
        Duration::from_millis(self.drift_ms_max)
    }

    /// [`ClockConfig::every_s`] as a duration.
    pub fn every(&self) -> Duration {
        Duration::from_secs(self.every_s)
    }
}

impl Timestamp {
    /// With paths that start at `base`.
    pub(super) fn at(mut self, base: &Path) -> Self {
        for tsa in &mut self.external.tsa {
            tsa.anchors = base.join(&tsa.anchors);
        }
        self
    }

    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.policy.as_ref().is_some_and(|policy| ObjectIdentifier::new(policy).is_err()) {
            return Err(("timestamp.policy", "un identifiant d'objet, comme 1.3.6.1.4.1.32473.3161.1".into()));
        }
        let clock = &self.clock;
        let servers = clock.ntp.len();
        if servers > 16 || clock.ntp.iter().any(|server| server.is_empty() || server.len() > 255) {
            return Err(("timestamp.clock.ntp", "16 serveurs au plus, chacun un nom ou une adresse".into()));
        }
        if clock.quorum.is_some_and(|quorum| quorum == 0 || quorum > servers) {
            return Err(("timestamp.clock.quorum", format!("entre 1 et le nombre de serveurs ({servers})")));
        }
        if !(10..=60_000).contains(&clock.drift_ms_max) {
            return Err(("timestamp.clock.drift_ms_max", "de 10 à 60000".into()));
        }
        if !(1..=86_400).contains(&clock.every_s) {
            return Err(("timestamp.clock.every_s", "de 1 à 86400".into()));
        }
        self.external.check()
    }

    /// The section of the file that `archiland init` writes.
    pub(super) fn render(&self, out: &mut String, base: &Path) -> std::fmt::Result {
        let text = |value: &str| toml::Value::String(value.to_owned()).to_string();
        writeln!(
            out,
            "[timestamp]\n# Politique d'horodatage annoncée dans les jetons : un identifiant d'objet de votre structure."
        )?;
        match &self.policy {
            Some(policy) => writeln!(out, "policy = {}", text(policy))?,
            None => writeln!(out, "# policy = \"1.2.250.1.…\"")?,
        }
        if self.ordering {
            writeln!(out, "# Jetons ordonnés par leur heure : un seul nœud signe avec cette clé.\nordering = true")?;
        } else {
            writeln!(
                out,
                "# Jetons ordonnés par leur heure (RFC 3161, « ordering ») : seulement si un seul nœud signe avec cette clé.\n# ordering = true"
            )?;
        }
        writeln!(
            out,
            "# Service d'horodatage (/tsa) : ouvert à tous, ou réservé aux jetons qui permettent de déposer."
        )?;
        writeln!(out, "{}open = {}\n", if self.open { "" } else { "# " }, self.open)?;
        self.external.render(out, base)?;
        let default = ClockConfig::default();
        if self.clock == default {
            return writeln!(
                out,
                "# Serveurs NTP qui doivent confirmer l'horloge (plus de la moitié) ; sinon l'horodatage se ferme.\n\
                 # [timestamp.clock]\n# ntp = [\"ntp1.exemple.fr\", \"ntp2.exemple.fr\", \"ntp3.exemple.fr\"]\n"
            );
        }
        let servers: Vec<String> = self.clock.ntp.iter().map(|server| text(server)).collect();
        writeln!(out, "[timestamp.clock]\nntp = [{}]", servers.join(", "))?;
        if let Some(quorum) = self.clock.quorum {
            writeln!(out, "quorum = {quorum}")?;
        }
        writeln!(out, "drift_ms_max = {}\nevery_s = {}\n", self.clock.drift_ms_max, self.clock.every_s)
    }
}

impl ExternalConfig {
    fn check(&self) -> Result<(), (&'static str, String)> {
        if self.tsa.len() > 8 {
            return Err(("timestamp.external.tsa", "8 autorités au plus".into()));
        }
        for tsa in &self.tsa {
            if !tsa.url.starts_with("http://") && !tsa.url.starts_with("https://") {
                return Err(("timestamp.external.tsa.url", "une adresse http:// ou https://".into()));
            }
            if !(100..=60_000).contains(&tsa.timeout_ms_max) {
                return Err(("timestamp.external.tsa.timeout_ms_max", "de 100 à 60000".into()));
            }
        }
        if self.mode == ExternalMode::Require && self.tsa.is_empty() {
            return Err((
                "timestamp.external.mode",
                "« require » demande au moins une [[timestamp.external.tsa]]".into(),
            ));
        }
        if self.every_s > 86_400 {
            return Err(("timestamp.external.every_s", "86400 au plus".into()));
        }
        Ok(())
    }

    fn render(&self, out: &mut String, base: &Path) -> std::fmt::Result {
        let text = |value: &str| toml::Value::String(value.to_owned()).to_string();
        if *self == Self::default() {
            return writeln!(
                out,
                "# Autres autorités d'horodatage (qualifiées), par ordre de préférence. attach : jointes aux récépissés relus ;\n\
                 # require : aucun récépissé sans elles.\n# [timestamp.external]\n# mode = \"attach\"\n# every_s = 60\n\
                 # [[timestamp.external.tsa]]\n# url = \"https://tsa.exemple.fr\"\n# anchors = \"tsa/exemple.pem\"\n"
            );
        }
        let mode = if self.mode == ExternalMode::Require { "require" } else { "attach" };
        writeln!(out, "[timestamp.external]\nmode = \"{mode}\"\nevery_s = {}\n", self.every_s)?;
        for tsa in &self.tsa {
            let anchors = tsa.anchors.strip_prefix(base).unwrap_or(&tsa.anchors).to_string_lossy();
            writeln!(out, "[[timestamp.external.tsa]]\nurl = {}\nanchors = {}", text(&tsa.url), text(&anchors))?;
            writeln!(out, "timeout_ms_max = {}\n", tsa.timeout_ms_max)?;
        }
        Ok(())
    }
}
