//! CSV (RFC 4180 with any separator): columns by name, every error with its row and column.

use super::compose::{Fields, draft, fields};
use super::load::Loaded;
use super::model::{Csv, CsvUnit, Severity};
use super::record::{Record, Row};
use super::{Content, Draft, DraftPayload, Input, Refusal, Refusals};
use bytes::Bytes;
use std::collections::HashMap;

/// Longest cell, in bytes.
const CELL_BYTES_MAX: usize = 64 * 1024;
/// Most columns.
const COLUMNS_MAX: usize = 256;
/// Warnings kept of one file; beyond, they are counted.
const WARNINGS_MAX: usize = 50;

/// A CSV file read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Columns, by name.
    pub columns: HashMap<String, usize>,
    /// Rows, and the line each begins at (from 1).
    pub rows: Vec<(usize, Vec<String>)>,
    /// What was mended on the way, in French.
    pub warnings: Vec<String>,
}

impl Table {
    /// Reads a file as a profile wants it.
    pub fn read(bytes: &[u8], csv: &Csv) -> Result<Self, Refusals> {
        if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\xD0\xCF\x11\xE0") {
            let detail = "classeur (XLSX, XLS ou ODS) au lieu d'un fichier CSV : exportez-le en CSV";
            return Err(Refusal::new("producer-syntax", detail).by("entree").into());
        }
        let (text, mut warnings) = decoded(bytes, csv)?;
        let mut rows = split(&text, csv)?.into_iter();
        let Some((_, header)) = rows.next() else {
            return Err(Refusal::new("producer-syntax", "fichier vide").at("ligne 1").by("entree").into());
        };
        let columns = header_of(&header, csv)?;
        let mut refusals = Refusals::default();
        let mut kept = Vec::new();
        for (line, cells) in rows {
            if cells.len() == 1 && cells[0].trim().is_empty() {
                continue;
            }
            if cells.len() != header.len() {
                let detail = format!("{} cellules au lieu de {}", cells.len(), header.len());
                refusals.push(Refusal::new("producer-syntax", detail).at(format!("ligne {line}")).by("csv"));
            }
            kept.push((line, cells));
        }
        if kept.is_empty() {
            refusals.push(Refusal::new("producer-syntax", "aucune ligne après l'en-tête").at("ligne 2").by("csv"));
        }
        warnings.truncate(WARNINGS_MAX);
        if refusals.is_empty() { Ok(Self { columns, rows: kept, warnings }) } else { Err(refusals) }
    }
}

/// The text: UTF-8, or where the profile allows it Latin-1 (as Windows writes it), mojibake mended.
fn decoded(bytes: &[u8], csv: &Csv) -> Result<(String, Vec<String>), Refusals> {
    let plain = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    match std::str::from_utf8(plain) {
        Ok(text) if csv.latin1 && looks_twice_encoded(text) => match mended(text) {
            Some(text) => Ok((text, vec!["texte encodé deux fois en UTF-8 : remis d'équerre".to_owned()])),
            None => Ok((text.to_owned(), Vec::new())),
        },
        Ok(text) => Ok((text.to_owned(), Vec::new())),
        Err(_) if csv.latin1 => {
            let text = plain.iter().map(|&byte| windows_1252(byte)).collect();
            Ok((text, vec!["fichier lu en Latin-1 (Windows-1252)".to_owned()]))
        }
        Err(error) => {
            let line = memchr::memchr_iter(b'\n', &plain[..error.valid_up_to()]).count() + 1;
            let refusal = Refusal::new("producer-encoding", "ce n'est pas de l'UTF-8");
            Err(refusal.at(format!("ligne {line}")).by("csv.latin1").into())
        }
    }
}

/// `Ã©` for `é`: UTF-8 that was read as Latin-1 and written again.
fn looks_twice_encoded(text: &str) -> bool {
    text.contains("Ã©") || text.contains("Ã¨") || text.contains("Ã ") || text.contains("Ã§") || text.contains("Ãª")
}

/// The text before it was encoded a second time; `None` when it was not, whole.
fn mended(text: &str) -> Option<String> {
    let bytes: Option<Vec<u8>> = text.chars().map(byte_of).collect();
    String::from_utf8(bytes?).ok()
}

const HIGH: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž', '\u{8F}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}', 'ž', 'Ÿ',
];

fn windows_1252(byte: u8) -> char {
    match byte {
        0x80..=0x9F => HIGH[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

fn byte_of(c: char) -> Option<u8> {
    match HIGH.iter().position(|&high| high == c) {
        Some(at) => u8::try_from(at + 0x80).ok(),
        None => u8::try_from(u32::from(c)).ok(),
    }
}

/// Rows of cells, each row with the line it begins at.
fn split(text: &str, csv: &Csv) -> Result<Vec<(usize, Vec<String>)>, Refusals> {
    let mut rows = Vec::new();
    let (mut cells, mut cell) = (Vec::new(), String::new());
    let (mut quoted, mut line, mut begun) = (false, 1, 1);
    let fault = |line: usize, detail: &str| {
        Refusals::from(Refusal::new("producer-syntax", detail).at(format!("ligne {line}")).by("csv"))
    };
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\n' {
            line += 1;
        }
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            _ if quoted => cell.push(c),
            '"' if cell.is_empty() => quoted = true,
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                cells.push(std::mem::take(&mut cell));
                rows.push((begun, std::mem::take(&mut cells)));
                begun = line;
                if rows.len() > csv.rows_max {
                    return Err(fault(line, &format!("plus de {} lignes", csv.rows_max)));
                }
            }
            c if c == csv.separator => {
                cells.push(std::mem::take(&mut cell));
                if cells.len() >= COLUMNS_MAX {
                    return Err(fault(line, &format!("plus de {COLUMNS_MAX} colonnes")));
                }
            }
            c => cell.push(c),
        }
        if cell.len() > CELL_BYTES_MAX {
            return Err(fault(begun, &format!("cellule de plus de {CELL_BYTES_MAX} octets (guillemet non refermé ?)")));
        }
    }
    if quoted {
        return Err(fault(begun, "guillemet non refermé"));
    }
    if !cell.is_empty() || !cells.is_empty() {
        cells.push(cell);
        rows.push((begun, cells));
    }
    Ok(rows)
}

fn header_of(header: &[String], csv: &Csv) -> Result<HashMap<String, usize>, Refusals> {
    let mut refusals = Refusals::default();
    let mut columns = HashMap::new();
    if header.len() == 1 && csv.columns.len() > 1 {
        let detail = format!("une seule colonne : le séparateur attendu est « {} »", csv.separator);
        return Err(Refusal::new("producer-column", detail).at("ligne 1").by("csv.separateur").into());
    }
    for (name, n) in header.iter().zip(0usize..) {
        let name = name.trim();
        let name = csv.aliases.get(name).map_or(name, String::as_str).to_owned();
        let place = format!("ligne 1, colonne {}", n + 1);
        if !csv.columns.is_empty() && !csv.columns.contains(&name) {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
            let detail = format!("colonne « {shown} » inconnue");
            refusals.push(Refusal::new("producer-column", detail).at(place.clone()).by("csv.colonnes"));
        }
        if columns.insert(name, n).is_some() {
            refusals.push(Refusal::new("producer-column", "colonne en double").at(place).by("csv.colonnes"));
        }
    }
    for wanted in csv.columns.iter().filter(|wanted| !columns.contains_key(*wanted)) {
        let detail = format!("la colonne « {wanted} » manque");
        refusals.push(Refusal::new("producer-column", detail).at("ligne 1").by("csv.colonnes"));
    }
    if refusals.is_empty() { Ok(columns) } else { Err(refusals) }
}

pub(super) fn drafts(loaded: &Loaded, input: &Input) -> Result<Vec<Draft>, Refusals> {
    let csv = loaded.profile.csv.clone().unwrap_or_default();
    let table = Table::read(&input.data, &csv)?;
    match csv.unit {
        CsvUnit::Fichier => whole(loaded, input, &table).map(|draft| vec![draft]),
        CsvUnit::Ligne => each(loaded, &table),
    }
}

/// A deposit for the file: its fields are those of the first row, every row is checked.
fn whole(loaded: &Loaded, input: &Input, table: &Table) -> Result<Draft, Refusals> {
    let (mut refusals, mut warnings, mut uncounted) = (Refusals::default(), table.warnings.clone(), 0usize);
    let mut first: Option<Fields> = None;
    let mut unique = Unique::default();
    let mut of_file: Vec<(&str, usize)> = Vec::new();
    for (line, cells) in &table.rows {
        let row = Row { columns: &table.columns, cells, line: *line };
        let mut found = fields(loaded, &row, &mut refusals);
        unique.check(loaded, &row, &mut found, &mut refusals);
        for warning in found.warnings.drain(..) {
            if warnings.len() < WARNINGS_MAX {
                warnings.push(warning);
            } else {
                uncounted += 1;
            }
        }
        let Some(first) = &first else {
            of_file = titled(loaded);
            first = Some(found);
            continue;
        };
        // What names the deposit is the same in every row.
        for &(name, n) in &of_file {
            if found.values.get(name) != first.values.get(name) {
                let source = loaded.profile.fields[n].source.as_deref().unwrap_or_default();
                let refusal = Refusal::new("producer-mixed", "autre valeur que celle de la première ligne");
                refusals.push(refusal.at(row.place(source)).by(format!("champ[{n}]")));
            }
        }
    }
    let mut fields = first.unwrap_or_default();
    if uncounted > 0 {
        warnings.push(format!("{uncounted} autres avertissements de même nature"));
    }
    fields.warnings = warnings;
    fields.values.insert("lignes".to_owned(), table.rows.len().to_string());
    let name = format!("{}.csv", loaded.profile.files.data_name);
    let mut payloads = vec![DraftPayload { name, content: Content::Bytes(input.data.clone()) }];
    payloads.extend(super::json::files(loaded, None, input, &mut refusals));
    let row = Row { columns: &table.columns, cells: table.rows.first().map_or(&[], |(_, cells)| cells), line: 2 };
    let draft = draft(loaded, &row, fields, payloads, &mut refusals);
    if refusals.is_empty() { Ok(draft) } else { Err(refusals) }
}

/// Fields that the deposit's title or identifier is made of.
fn titled(loaded: &Loaded) -> Vec<(&str, usize)> {
    let profile = &loaded.profile;
    let texts = [Some(profile.archive_title.as_str()), profile.external_id.as_deref()];
    let named = |name: &str| texts.iter().flatten().any(|text| text.contains(&format!("{{{name}")));
    let fields = profile.fields.iter().zip(0usize..).filter(|(field, _)| field.source.is_some() && named(&field.name));
    fields.map(|(field, n)| (field.name.as_str(), n)).collect()
}

/// A deposit for each row, which is its only document.
fn each(loaded: &Loaded, table: &Table) -> Result<Vec<Draft>, Refusals> {
    let (mut refusals, mut drafts, mut unique) = (Refusals::default(), Vec::new(), Unique::default());
    for (line, cells) in &table.rows {
        let row = Row { columns: &table.columns, cells, line: *line };
        let mut found = fields(loaded, &row, &mut refusals);
        unique.check(loaded, &row, &mut found, &mut refusals);
        let object = table.columns.iter().map(|(name, at)| (name.clone(), cells.get(*at).cloned().unwrap_or_default()));
        let object: std::collections::BTreeMap<String, String> = object.collect();
        let content = Content::Bytes(Bytes::from(serde_json::to_vec(&object).unwrap_or_default()));
        let payload = DraftPayload { name: format!("{}.json", loaded.profile.files.data_name), content };
        drafts.push(draft(loaded, &row, found, vec![payload], &mut refusals));
    }
    if refusals.is_empty() { Ok(drafts) } else { Err(refusals) }
}

/// Values that must not come twice in a file.
#[derive(Default)]
pub(super) struct Unique(HashMap<(usize, Vec<String>), usize>);

impl Unique {
    pub(super) fn check(&mut self, loaded: &Loaded, row: &Row<'_>, found: &mut Fields, refusals: &mut Refusals) {
        for (field, n) in loaded.profile.fields.iter().zip(0usize..).filter(|(field, _)| field.unique) {
            let Some(value) = found.values.get(&field.name) else { continue };
            let within = field.unique_with.iter().map(|name| found.values.get(name).cloned().unwrap_or_default());
            let whole = within.chain([value.clone()]).collect();
            let Some(first) = self.0.insert((n, whole), row.line) else { continue };
            let place = row.place(field.source.as_deref().unwrap_or_default());
            let detail = format!("même valeur qu'à la ligne {first}");
            match field.severity {
                Severity::Refuser => {
                    refusals.push(Refusal::new("producer-twice", detail).at(place).by(format!("champ[{n}].unique")));
                }
                Severity::Avertir => found.warnings.push(format!("{place} : {detail}")),
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cells_and_lines() {
        let table = Table::read(b"a;b\r\n\"x;\"\"1\"\"\n2\";y\r\n\nz;\n", &Csv::default()).unwrap();
        assert_eq!(table.rows[0], (2, vec!["x;\"1\"\n2".to_owned(), "y".to_owned()]));
        assert_eq!(table.rows[1], (5, vec!["z".to_owned(), String::new()]));
    }

    #[test]
    fn latin1_and_text_encoded_twice() {
        let csv = Csv { latin1: true, ..Csv::default() };
        for bytes in [&b"nom\n\xE9cole\n"[..], "nom\nÃ©cole\n".as_bytes(), "nom\nécole\n".as_bytes()] {
            assert_eq!(Table::read(bytes, &csv).unwrap().rows[0].1, ["école"]);
        }
        let refused = Table::read(b"nom\n\xE9cole\n", &Csv::default()).unwrap_err();
        assert_eq!(refused.list[0].location.as_deref(), Some("ligne 2"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400), latin1: bool) {
            let _ = Table::read(&bytes, &Csv { latin1, ..Csv::default() });
        }

        #[test]
        fn what_is_quoted_reads_back(cells in proptest::collection::vec("[^\r]{0,20}", 1..6)) {
            let header: Vec<String> = (0..cells.len()).map(|n| format!("c{n}")).collect();
            let quoted: Vec<String> = cells.iter().map(|c| format!("\"{}\"", c.replace('"', "\"\""))).collect();
            let text = format!("{}\n{}\n", header.join(";"), quoted.join(";"));
            if let Ok(table) = Table::read(text.as_bytes(), &Csv::default()) {
                prop_assert_eq!(&table.rows[0].1, &cells);
            } else {
                prop_assert!(cells.len() == 1 && cells[0].trim().is_empty());
            }
        }
    }
}
