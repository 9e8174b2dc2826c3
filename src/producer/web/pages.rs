//! `pages.csv`: the pages of a capture by URL and date, in the order of the capture.

use crate::spec::warc::Record;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// The list, as it is written.
#[derive(Debug)]
pub struct Pages {
    file: BufWriter<File>,
    /// Told at the end: a record has passed by then.
    failed: Option<io::Error>,
}

impl Pages {
    /// Begins a list.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all("url;date;statut;type;octets;enregistrement\n".as_bytes())?;
        Ok(Self { file, failed: None })
    }

    pub(super) fn add(&mut self, record: &Record, uri: &str) {
        let status = record.status.map_or_else(String::new, |status| status.to_string());
        let kind = record.media_type.as_deref().unwrap_or_default();
        let (uri, date, size, id) = (cell(uri), cell(&record.date), record.size_bytes, cell(&record.id));
        let written = writeln!(self.file, "{uri};{date};{status};{kind};{size};{id}");
        self.failed = self.failed.take().or(written.err());
    }

    pub(super) fn end(&mut self) -> io::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.file.flush()
    }
}

/// Quoted; what a spreadsheet would run is kept from it.
fn cell(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    let guard = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}
