//! Configuration errors: the file, the line, the key, in French.

use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a configuration is unusable.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{} : fichier de configuration illisible ({source}) ; créez-le avec « archiland init »", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no TOML, or a key is unknown, missing or of the wrong type.
    #[error("{}, ligne {line}, colonne {column} : {detail}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
        /// What is wrong there.
        detail: String,
    },
    /// A value is out of bounds or contradicts another.
    #[error("{}, clé {key} : {detail}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The key, dotted.
        key: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// A secret's file cannot be read.
    #[error("{} : secret illisible ({source}) ; vérifiez le chemin et les droits du fichier", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A secret that must be there is not.
    #[error("aucun secret : nommez son fichier (secret_file), ou passez le credential « {credential} »")]
    NoSecret {
        /// Name of the systemd credential.
        credential: String,
    },
    /// A secret's file holds nothing.
    #[error("{} : le fichier de secret est vide", path.display())]
    EmptySecret {
        /// The file.
        path: PathBuf,
    },
}

impl ConfigError {
    pub(super) fn value(path: &Path, key: &'static str, detail: String) -> Self {
        Self::Value { path: path.to_owned(), key, detail }
    }

    pub(super) fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self::Syntax {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            detail: in_french(error.message()),
        }
    }
}

/// The messages of serde that a configuration meets, in French; anything else is given as it is.
pub(crate) fn in_french(message: &str) -> String {
    let message = message.trim();
    if let Some((name, expected)) = quoted(message, "unknown field ") {
        return format!("clé inconnue « {name} »{}", admitted("clés admises ici", expected));
    }
    if let Some((name, expected)) = quoted(message, "unknown variant ") {
        return format!("valeur inconnue « {name} »{}", admitted("valeurs admises", expected));
    }
    if let Some((name, _)) = quoted(message, "missing field ") {
        return format!("il manque la clé « {name} »");
    }
    if let Some((name, _)) = quoted(message, "duplicate field ") {
        return format!("clé « {name} » donnée deux fois");
    }
    if let Some((found, expected)) =
        message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "))
    {
        return format!("type inattendu ({found}) ; attendu : {expected}");
    }
    if let Some((found, expected)) =
        message.strip_prefix("invalid value: ").and_then(|rest| rest.split_once(", expected "))
    {
        return format!("valeur inattendue ({found}) ; attendu : {expected}");
    }
    format!("syntaxe ou valeur incorrecte ({message})")
}

/// Splits ``unknown field `x`, expected …`` into the name and what follows.
fn quoted<'a>(message: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    message.strip_prefix(prefix)?.strip_prefix('`')?.split_once('`')
}

fn admitted(label: &str, rest: &str) -> String {
    let names: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    if names.is_empty() { String::new() } else { format!(" ; {label} : {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::in_french;

    #[test]
    fn serde_messages_are_translated() {
        assert_eq!(
            in_french("unknown field `x`, expected one of `a`, `b`"),
            "clé inconnue « x » ; clés admises ici : a, b"
        );
        assert_eq!(in_french("missing field `naan`"), "il manque la clé « naan »");
        assert_eq!(in_french("boum"), "syntaxe ou valeur incorrecte (boum)");
    }
}
