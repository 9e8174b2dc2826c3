//! The names of members: what may be one, and what a hostile or careless one looks like.

use super::{ContainerError, Member};
use std::collections::HashSet;
use thiserror::Error;

/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 4096;

/// What is wrong with a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameFault {
    /// Empty, or too long.
    #[error("nom vide ou trop long")]
    Length,
    /// It begins at the root, or at a drive.
    #[error("nom absolu")]
    Absolute,
    /// It climbs with `..`.
    #[error("nom qui remonte dans l'arborescence (« .. »)")]
    Climbs,
    /// A backslash.
    #[error("nom qui contient une barre oblique inverse (« \\ »)")]
    Backslash,
    /// A control character.
    #[error("nom qui contient un caractère de contrôle")]
    Control,
    /// A name used twice.
    #[error("nom en double")]
    Twice,
    /// Encrypted.
    #[error("membre chiffré")]
    Encrypted,
    /// Compressed in a way that is not read here.
    #[error("méthode de compression non prise en charge")]
    Method,
    /// A link or a device.
    #[error("ni fichier ni dossier (lien ou périphérique)")]
    Special,
    /// A file that another member uses as a folder.
    #[error("à la fois fichier et dossier")]
    FileAndFolder,
}

/// Judges the names of all members together.
pub(super) fn judge(members: &[Member]) -> Result<(), ContainerError> {
    let mut seen = HashSet::with_capacity(members.len());
    let mut files = HashSet::new();
    for member in members {
        let fault = fault(&member.name).or_else(|| {
            let name = member.name.trim_end_matches('/');
            (!seen.insert(name)).then_some(NameFault::Twice)
        });
        if let Some(fault) = fault {
            return Err(refused(&member.name, fault));
        }
        if !member.folder {
            files.insert(member.name.as_str());
        }
    }
    for member in members {
        for (at, _) in member.name.trim_end_matches('/').match_indices('/') {
            if files.contains(&member.name[..at]) {
                return Err(refused(&member.name[..at], NameFault::FileAndFolder));
            }
        }
    }
    Ok(())
}

pub(super) fn refused(name: &str, fault: NameFault) -> ContainerError {
    let name = name.chars().take(200).map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect();
    ContainerError::Member { name, fault }
}

fn fault(name: &str) -> Option<NameFault> {
    if name.trim_end_matches('/').is_empty() && !name.starts_with('/') || name.len() > NAME_BYTES_MAX {
        return Some(NameFault::Length);
    }
    if name.contains('\\') {
        return Some(NameFault::Backslash);
    }
    if name.starts_with('/') || name.as_bytes().get(1) == Some(&b':') {
        return Some(NameFault::Absolute);
    }
    if name.split('/').any(|part| part == "..") {
        return Some(NameFault::Climbs);
    }
    if name.chars().any(char::is_control) {
        return Some(NameFault::Control);
    }
    None
}

/// Code page 850, which French Windows writes when the names of a zip are not said to be UTF-8.
pub(super) fn decoded(raw: &[u8], utf8: bool) -> String {
    const HIGH: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{AD}±‗¾¶§÷¸°¨·¹³²■\u{A0}";
    match std::str::from_utf8(raw) {
        Ok(name) => name.to_owned(),
        Err(_) if utf8 => String::from_utf8_lossy(raw).into_owned(),
        Err(_) => {
            raw.iter()
                .map(|&b| {
                    if b < 0x80 { char::from(b) } else { HIGH.chars().nth(usize::from(b) - 0x80).unwrap_or('\u{FFFD}') }
                })
                .collect()
        }
    }
}
