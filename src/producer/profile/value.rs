//! What a value must look like, and the form it is kept in.

use super::model::{Field, Form};
use crate::admission::parse_date;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The value as it is kept; what is wrong with it, in French.
pub(super) fn checked(field: &Field, value: &str) -> Result<String, String> {
    let value = value.trim();
    if value.chars().count() > field.chars_max {
        return Err(format!("plus de {} caractères", field.chars_max));
    }
    if value.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err("caractère de commande".into());
    }
    if !field.values.is_empty() && !field.values.iter().any(|known| known == value) {
        return Err(format!("valeur inconnue ; admises : {}", field.values.join(", ")));
    }
    formed(field.form, value)
}

fn formed(form: Form, value: &str) -> Result<String, String> {
    let kept = || Ok(value.to_owned());
    match form {
        Form::Texte => kept(),
        Form::Date => match parse_date(value) {
            Some(_) => kept(),
            None => Err("date du calendrier AAAA-MM-JJ attendue".into()),
        },
        Form::DateHeure if parse_date(value).is_some() || moment(value).is_some() => kept(),
        Form::DateHeure => Err("date, ou date et heure (RFC 3339), attendue".into()),
        Form::DateFr => french(value).ok_or_else(|| "date du calendrier JJ/MM/AAAA attendue".into()),
        Form::Entier if digits(value) => kept(),
        Form::Entier => Err("nombre entier attendu".into()),
        Form::Booleen => match value.to_lowercase().as_str() {
            "true" | "oui" | "1" | "vrai" => Ok("oui".into()),
            "false" | "non" | "0" | "faux" => Ok("non".into()),
            _ => Err("oui ou non attendu".into()),
        },
        Form::Siren if value.len() == 9 && digits(value) => kept(),
        Form::Siren => Err("SIREN de neuf chiffres attendu".into()),
        Form::Siret if value.len() == 14 && digits(value) => kept(),
        Form::Siret => Err("SIRET de quatorze chiffres attendu".into()),
        Form::Sha256 if value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Ok(value.to_ascii_lowercase())
        }
        Form::Sha256 => Err("empreinte SHA-256 de 64 chiffres hexadécimaux attendue".into()),
        Form::AnneeScolaire => {
            let years = value.split_once('-').map(|(from, to)| (from.parse::<u16>(), to.parse::<u16>()));
            match years {
                Some((Ok(from), Ok(to))) if value.len() == 9 && to == from.saturating_add(1) => kept(),
                _ => Err("année scolaire attendue, comme 2025-2026".into()),
            }
        }
    }
}

/// A date and time as RFC 3339 writes it, or with a space as databases do.
fn moment(value: &str) -> Option<OffsetDateTime> {
    if let Ok(moment) = OffsetDateTime::parse(value, &Rfc3339) {
        return Some(moment);
    }
    let (day, hour) = value.split_once([' ', 'T'])?;
    OffsetDateTime::parse(&format!("{day}T{hour}Z"), &Rfc3339).ok()
}

/// `JJ/MM/AAAA` as `AAAA-MM-JJ`.
fn french(value: &str) -> Option<String> {
    let mut parts = value.split('/');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let text = format!("{year}-{month}-{day}");
    (parts.next().is_none() && parse_date(&text).is_some()).then_some(text)
}

fn digits(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit())
}

/// The day of a date, or of a date and time.
pub(super) fn day_of(value: &str) -> Option<String> {
    let day = value.get(..10)?;
    parse_date(day).map(|_| day.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let good: &[(Form, &str)] = &[
            (Form::Date, "2026-02-28"),
            (Form::DateHeure, "2026-02-11T10:20:00+01:00"),
            (Form::DateHeure, "2026-02-11 10:20:00"),
            (Form::DateHeure, "2026-02-11"),
            (Form::Entier, "412"),
            (Form::Booleen, "oui"),
            (Form::Siren, "214099998"),
            (Form::Siret, "21409999800019"),
            (Form::AnneeScolaire, "2025-2026"),
        ];
        for (form, value) in good {
            assert_eq!(formed(*form, value).as_deref(), Ok(*value), "{form:?}");
        }
        assert_eq!(formed(Form::DateFr, "09/12/1953").as_deref(), Ok("1953-12-09"));
        let bad: &[(Form, &str)] = &[
            (Form::Date, "0000-00-00"),
            (Form::DateHeure, "0000-00-00 00:00:00"),
            (Form::DateFr, "00/00/1953"),
            (Form::Entier, "-1"),
            (Form::Siren, "21409999"),
            (Form::AnneeScolaire, "2025-2027"),
        ];
        for (form, value) in bad {
            assert!(formed(*form, value).is_err(), "{form:?} {value}");
        }
        assert_eq!(day_of("2026-02-11T10:20:00Z").as_deref(), Some("2026-02-11"));
    }
}
