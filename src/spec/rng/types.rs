//! Datatypes: those of XML Schema by their lexical form, and the two built in RELAX NG.

use crate::spec::seda::Datatype;

/// A datatype with its facets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Data {
    kind: Kind,
    length_min: Option<usize>,
    length_max: Option<usize>,
    least: Option<(i64, bool)>,
    most: Option<(i64, bool)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// White space kept.
    Text,
    /// White space collapsed.
    Token,
    Known(Datatype),
    Name,
    Tokens,
    Hex,
    Number,
    Year,
    Time,
}

impl Data {
    /// The datatype of this name; `None` for one not known here.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        let kind = match name {
            "string" | "normalizedString" => Kind::Text,
            "token" => Kind::Token,
            "NCName" | "Name" | "NMTOKEN" | "QName" | "ENTITY" => Kind::Name,
            "ID" => Kind::Known(Datatype::Id),
            "IDREF" => Kind::Known(Datatype::IdRef),
            "NMTOKENS" | "IDREFS" => Kind::Tokens,
            "date" => Kind::Known(Datatype::Date),
            "dateTime" => Kind::Known(Datatype::DateTime),
            "boolean" => Kind::Known(Datatype::Boolean),
            "decimal" | "double" | "float" => Kind::Known(Datatype::Decimal),
            "anyURI" => Kind::Known(Datatype::Uri),
            "language" => Kind::Known(Datatype::Language),
            "base64Binary" => Kind::Known(Datatype::Base64),
            "duration" => Kind::Known(Datatype::Duration),
            "positiveInteger" => Kind::Known(Datatype::Positive),
            "integer" | "long" => Kind::Known(Datatype::Integer),
            "int" | "short" | "byte" => Kind::Known(Datatype::Int),
            "nonNegativeInteger" | "unsignedLong" | "unsignedInt" | "unsignedShort" | "unsignedByte" => Kind::Number,
            "hexBinary" => Kind::Hex,
            "gYear" => Kind::Year,
            "time" => Kind::Time,
            _ => return None,
        };
        Some(Self { kind, length_min: None, length_max: None, least: None, most: None })
    }

    /// Adds a facet; what is wrong with it otherwise.
    pub(super) fn facet(&mut self, name: &str, value: &str) -> Result<(), String> {
        let number = || value.trim().parse::<i64>().map_err(|_| format!("facette {name} : « {value} »"));
        let length = || value.trim().parse::<usize>().map_err(|_| format!("facette {name} : « {value} »"));
        match name {
            "length" => (self.length_min, self.length_max) = (Some(length()?), Some(length()?)),
            "minLength" => self.length_min = Some(length()?),
            "maxLength" => self.length_max = Some(length()?),
            "minInclusive" => self.least = Some((number()?, true)),
            "minExclusive" => self.least = Some((number()?, false)),
            "maxInclusive" => self.most = Some((number()?, true)),
            "maxExclusive" => self.most = Some((number()?, false)),
            _ => return Err(format!("facette « {name} » non prise en charge")),
        }
        Ok(())
    }

    pub(super) fn accepts(&self, text: &str) -> bool {
        let value = collapsed(text);
        let of_kind = match self.kind {
            Kind::Text | Kind::Token => true,
            Kind::Known(datatype) => datatype.accepts(&value),
            Kind::Name => is_name(&value),
            Kind::Tokens => !value.is_empty(),
            Kind::Hex => value.len().is_multiple_of(2) && value.bytes().all(|byte| byte.is_ascii_hexdigit()),
            Kind::Number => {
                let digits = value.strip_prefix('+').unwrap_or(&value);
                !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
            }
            Kind::Year => Datatype::Date.accepts(&format!("{value}-01-01")),
            Kind::Time => Datatype::DateTime.accepts(&format!("2000-01-01T{value}")),
        };
        let characters = if self.kind == Kind::Text { text.chars().count() } else { value.chars().count() };
        let number = || value.parse::<i64>().ok();
        of_kind
            && self.length_min.is_none_or(|min| characters >= min)
            && self.length_max.is_none_or(|max| characters <= max)
            && self.least.is_none_or(|(least, too)| number().is_some_and(|n| n > least || too && n == least))
            && self.most.is_none_or(|(most, too)| number().is_some_and(|n| n < most || too && n == most))
    }

    /// Whether a text is the value expected.
    pub(super) fn is(&self, expected: &str, found: &str) -> bool {
        match self.kind {
            Kind::Text => expected == found,
            Kind::Known(Datatype::Boolean) => truth(&collapsed(expected)) == truth(&collapsed(found)),
            _ => collapsed(expected) == collapsed(found),
        }
    }
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|c| c == '_' || c == ':' || c.is_alphanumeric())
        && characters.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '\u{B7}'))
}

/// White space as a token has it.
pub(super) fn collapsed(text: &str) -> String {
    text.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}
