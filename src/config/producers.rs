//! Which depositing service may use which producer profile: nobody may, but where it is said.

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
        Self { folder: self.folder.map(|folder| base.join(folder)), ..self }
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
