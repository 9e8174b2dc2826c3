//! Where the keys are, and when to worry about them.

use serde::Deserialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The section as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) warn_days: u32,
    pub(super) pkcs11: Option<Pkcs11Config>,
}

impl Default for File {
    fn default() -> Self {
        Self { path: PathBuf::from("keys"), warn_days: WARN_DAYS, pkcs11: None }
    }
}

/// Days before the end of a certificate from which it is an alarm, by default: a new one takes weeks to obtain.
pub const WARN_DAYS: u32 = 60;

/// A PKCS#11 module that holds private keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pkcs11Config {
    /// The module: a shared library.
    pub module: PathBuf,
    /// The token's label.
    pub token: String,
    /// Label of the time-stamping key in the token; a file otherwise.
    #[serde(default)]
    pub tsa: Option<String>,
    /// Label of the seal's key in the token; a file otherwise.
    #[serde(default)]
    pub seal: Option<String>,
    /// How long a signature may take.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms_max: u64,
}

/// How long a signature of a module may take, by default, in milliseconds.
pub const PKCS11_TIMEOUT_MS: u64 = 5000;

fn default_timeout_ms() -> u64 {
    PKCS11_TIMEOUT_MS
}

impl Pkcs11Config {
    /// How long a signature may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms_max)
    }

    pub(super) fn at(self, base: &Path) -> Self {
        Self { module: base.join(self.module), ..self }
    }

    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if !(100..=60_000).contains(&self.timeout_ms_max) {
            return Err(("keys.pkcs11.timeout_ms_max", "de 100 à 60000".into()));
        }
        // PKCS#11 pads labels to 32 bytes.
        if self.token.is_empty() || self.token.len() > 32 {
            return Err(("keys.pkcs11.token", "étiquette de 1 à 32 octets".into()));
        }
        if [&self.tsa, &self.seal].into_iter().flatten().any(String::is_empty) {
            return Err(("keys.pkcs11", "étiquette de clé vide".into()));
        }
        Ok(())
    }
}

/// The section as `archiland init` writes it.
pub(super) fn render(
    out: &mut String,
    folder: &str,
    warn_days: u32,
    pkcs11: Option<&Pkcs11Config>,
) -> std::fmt::Result {
    let mark = if warn_days == WARN_DAYS { "# " } else { "" };
    writeln!(
        out,
        "[keys]\npath = {folder}\n# Jours avant l'échéance d'un certificat à partir desquels /readyz avertit."
    )?;
    writeln!(out, "{mark}warn_days = {warn_days}\n")?;
    let Some(pkcs11) = pkcs11 else {
        return writeln!(
            out,
            "# Clés dans un module PKCS#11 (docs/cles.md) ; le PIN est dans keys/hsm.pin ou le credential hsm.pin.\n\
             # [keys.pkcs11]\n# module = \"/usr/lib/softhsm/libsofthsm2.so\"\n# token = \"archiland\"\n\
             # tsa = \"tsa\"\n# seal = \"seal\"\n"
        );
    };
    let text = |value: &str| toml::Value::from(value).to_string();
    writeln!(out, "[keys.pkcs11]\nmodule = {}", text(&pkcs11.module.to_string_lossy()))?;
    writeln!(out, "token = {}", text(&pkcs11.token))?;
    for (name, label) in [("tsa", &pkcs11.tsa), ("seal", &pkcs11.seal)] {
        if let Some(label) = label {
            writeln!(out, "{name} = {}", text(label))?;
        }
    }
    writeln!(out, "timeout_ms_max = {}\n", pkcs11.timeout_ms_max)
}
