//! Archival Resource Keys whose name carries the place in the log: `ark:/<NAAN>/<log>-<index, base 29>-<check>`.
//!
//! From the identifier alone a node finds the entry and the record bundle, so that reading by id needs no index. The
//! alphabet and the check character are those of NOID (betanumeric, no vowels, no `l`), which catches every single
//! mistyped character and most transpositions.

use std::fmt;
use std::str::FromStr;
use thiserror::Error;

const ALPHABET: &[u8; 29] = b"0123456789bcdfghjkmnpqrstvwxz";

/// An archive's identifier.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ark {
    naan: String,
    log: String,
    index: u64,
}

/// Why a text is no identifier of ours.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ArkError {
    /// It does not have the form `ark:/NAAN/log-index-check`.
    #[error("identifiant ARK mal formé : attendu ark:/NAAN/journal-numéro-contrôle")]
    Form,
    /// The check character does not match: most likely a typing mistake.
    #[error("caractère de contrôle de l'identifiant ARK erroné : vérifiez la saisie")]
    Check,
}

impl Ark {
    /// The identifier of entry `index` of the log named `log` under the name-assigning authority `naan`.
    ///
    /// `naan` and `log` are configuration: digits and betanumeric characters, checked by [`Ark::part_is_valid`].
    pub fn new(naan: &str, log: &str, index: u64) -> Self {
        Self { naan: naan.to_owned(), log: log.to_owned(), index }
    }

    /// Whether a NAAN or log name may stand in an identifier.
    pub fn part_is_valid(part: &str) -> bool {
        (1..=32).contains(&part.len()) && part.bytes().all(|b| ALPHABET.contains(&b))
    }

    /// The name-assigning authority number.
    pub fn naan(&self) -> &str {
        &self.naan
    }

    /// The log's short name.
    pub fn log(&self) -> &str {
        &self.log
    }

    /// The entry's index in the log, from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    fn unchecked(&self) -> String {
        format!("{}/{}-{}", self.naan, self.log, base29(self.index))
    }
}

impl fmt::Display for Ark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.unchecked();
        write!(f, "ark:/{body}-{}", char::from(check_character(&body)))
    }
}

impl FromStr for Ark {
    type Err = ArkError;

    /// Accepts `ark:/…` and the newer `ark:…` without the slash, as the ARK specification asks of resolvers.
    fn from_str(text: &str) -> Result<Self, ArkError> {
        let rest = text.strip_prefix("ark:").ok_or(ArkError::Form)?;
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        let (body, check) = rest.rsplit_once('-').ok_or(ArkError::Form)?;
        let (naan, name) = body.split_once('/').ok_or(ArkError::Form)?;
        let (log, number) = name.split_once('-').ok_or(ArkError::Form)?;
        if !Self::part_is_valid(naan) || !Self::part_is_valid(log) {
            return Err(ArkError::Form);
        }
        let index = parse_base29(number).ok_or(ArkError::Form)?;
        if check.as_bytes() != [check_character(body)] {
            return Err(ArkError::Check);
        }
        Ok(Self::new(naan, log, index))
    }
}

fn base29(mut number: u64) -> String {
    let mut digits = Vec::with_capacity(14);
    loop {
        let digit = usize::try_from(number % 29).unwrap_or(0);
        digits.push(ALPHABET[digit]);
        number /= 29;
        if number == 0 {
            break;
        }
    }
    digits.iter().rev().map(|&b| char::from(b)).collect()
}

/// One text per number: leading zeros are refused.
fn parse_base29(text: &str) -> Option<u64> {
    if text.is_empty() || (text.len() > 1 && text.starts_with('0')) {
        return None;
    }
    text.bytes().try_fold(0u64, |acc, b| {
        let digit = ALPHABET.iter().position(|&a| a == b)?;
        acc.checked_mul(29)?.checked_add(u64::try_from(digit).ok()?)
    })
}

/// NOID check digit: sum of ordinal × position (from 1) modulo 29; characters outside the alphabet count 0.
fn check_character(body: &str) -> u8 {
    let sum = body.bytes().zip(1usize..).fold(0usize, |sum, (b, position)| {
        let ordinal = ALPHABET.iter().position(|&a| a == b).unwrap_or(0);
        (sum + ordinal * position) % 29
    });
    ALPHABET[sum]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn noid_published_example() {
        // The worked example of the NOID documentation: 13030/xf93gt2 has check character q.
        assert_eq!(check_character("13030/xf93gt2"), b'q');
    }

    #[test]
    fn a_wrong_character_is_caught() {
        let ark = Ark::new("12345", "f4", 1_234_567).to_string();
        let wrong = ark.replacen("12345", "12346", 1);
        assert_eq!(wrong.parse::<Ark>(), Err(ArkError::Check));
        assert_eq!("ark:/12345/f4-b".parse::<Ark>(), Err(ArkError::Form));
    }

    proptest! {
        #[test]
        fn round_trip(index: u64) {
            let ark = Ark::new("99999", "c1", index);
            prop_assert_eq!(ark.to_string().parse::<Ark>(), Ok(ark));
        }

        #[test]
        fn one_text_per_identifier(text in "ark:/[0-9]{5}/[0-9bc]{1,3}-[0-9bcd]{1,6}-[0-9b-z]") {
            if let Ok(ark) = text.parse::<Ark>() {
                prop_assert_eq!(ark.to_string(), text);
            }
        }
    }
}
