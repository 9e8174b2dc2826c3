//! Which depositing service may use which producer profile: nobody may, but where it is said.

use super::ConfigError;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Producers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Producers {
    /// Folder of profiles beside those the program carries.
    pub folder: Option<PathBuf>,
    /// Who deposits by which profile.
    pub allow: Vec<Allowed>,
    /// Systems that announce what they have, with a shared secret.
    pub webhook: Vec<Webhook>,
    /// Folders where systems put files.
    pub watch: Vec<Watched>,
}

/// A folder where a system puts files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watched {
    /// The folder.
    pub folder: PathBuf,
    /// Code of the profile.
    pub profile: String,
    /// Code of the agency whose system it is.
    pub agency: String,
    /// How long a file must stand still before it is taken, in milliseconds.
    #[serde(default = "settle_ms")]
    pub settle_ms: u64,
    /// What becomes of files once archived.
    #[serde(default)]
    pub archived: ArchivedFiles,
}

/// What becomes of the files of a watched folder, once their receipt is beside them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArchivedFiles {
    /// They go to `archives/`, with their receipts.
    #[default]
    Keep,
    /// They are removed; their receipts stay in `archives/`.
    Remove,
}

fn settle_ms() -> u64 {
    5_000
}

/// A system that announces what it has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Code of the profile.
    pub profile: String,
    /// Code of the agency whose system it is.
    pub agency: String,
    /// File of the secret, shared with the system; else the systemd credential `webhook-<profile>-<agency>`.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
}

impl Webhook {
    /// Its secret.
    pub fn secret(&self) -> Result<String, ConfigError> {
        let credential = format!("webhook-{}-{}", self.profile, self.agency);
        let missing = || ConfigError::NoSecret { credential: credential.clone() };
        super::secret(self.secret_file.as_deref(), &credential)?.ok_or_else(missing)
    }
}

/// Depositing services allowed something about a profile.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    /// Code of the profile.
    pub profile: String,
    /// Codes of agencies; `*` is all of them.
    pub agencies: Vec<String>,
}

impl Producers {
    /// With its paths from `base`.
    pub(super) fn at(self, base: &Path) -> Self {
        let mut webhook = self.webhook;
        for hook in &mut webhook {
            hook.secret_file = hook.secret_file.take().map(|file| base.join(file));
        }
        let mut watch = self.watch;
        for watched in &mut watch {
            watched.folder = base.join(&watched.folder);
        }
        Self { folder: self.folder.map(|folder| base.join(folder)), webhook, watch, ..self }
    }

    /// Whether an agency deposits by a profile.
    pub fn allows(&self, profile: &str, agency: &str) -> bool {
        let named = |allowed: &&Allowed| allowed.profile == profile;
        self.allow.iter().filter(named).any(|allowed| allowed.agencies.iter().any(|code| code == "*" || code == agency))
    }
}

/// As the configuration file writes it.
pub(super) fn render(out: &mut String, producers: &Producers, base: &Path) -> std::fmt::Result {
    use super::template::{path, text};
    use std::fmt::Write as _;
    writeln!(out, "# Producteurs : qui verse par quel profil (docs/producteurs-profils.md). Sans ligne, personne.")?;
    if *producers == Producers::default() {
        return writeln!(
            out,
            "# [[producers.allow]]\n# profile = \"rgpd\"\n# agencies = [\"214099998\"] # \"*\" : tous\n"
        );
    }
    writeln!(out, "[producers]")?;
    if let Some(folder) = &producers.folder {
        writeln!(out, "folder = {}", path(folder, base))?;
    }
    for allowed in &producers.allow {
        let agencies: Vec<String> = allowed.agencies.iter().map(|code| text(code)).collect();
        let agencies = agencies.join(", ");
        writeln!(out, "[[producers.allow]]\nprofile = {}\nagencies = [{agencies}]", text(&allowed.profile))?;
    }
    for hook in &producers.webhook {
        let (profile, agency) = (text(&hook.profile), text(&hook.agency));
        writeln!(out, "[[producers.webhook]]\nprofile = {profile}\nagency = {agency}")?;
        if let Some(file) = &hook.secret_file {
            writeln!(out, "secret_file = {}", path(file, base))?;
        }
    }
    for watched in &producers.watch {
        let (profile, agency) = (text(&watched.profile), text(&watched.agency));
        let folder = path(&watched.folder, base);
        writeln!(out, "[[producers.watch]]\nfolder = {folder}\nprofile = {profile}\nagency = {agency}")?;
        writeln!(out, "settle_ms = {}", watched.settle_ms)?;
        if watched.archived == ArchivedFiles::Remove {
            writeln!(out, "archived = \"remove\"")?;
        }
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_allowed_but_who_is_named() {
        let allow = |profile: &str, agency: &str| Allowed { profile: profile.into(), agencies: vec![agency.into()] };
        let producers = Producers { allow: vec![allow("a", "mairie"), allow("b", "*")], ..Producers::default() };
        assert!(producers.allows("a", "mairie") && producers.allows("b", "autre"));
        assert!(!producers.allows("a", "autre") && !Producers::default().allows("a", "mairie"));
    }
}
