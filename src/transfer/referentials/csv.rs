//! CSV (RFC 4180), separated by commas or semicolons, as spreadsheets write it.

/// A row and the line it begins at.
pub(super) type Row = (usize, Vec<String>);

/// The rows of a file, fields unquoted; the separator is the one the first line has most of. What is wrong comes with its
/// line.
pub(super) fn rows(text: &str) -> Result<Vec<Row>, (usize, String)> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let head = text.lines().next().unwrap_or_default();
    let separator = if head.matches(';').count() > head.matches(',').count() { ';' } else { ',' };
    let mut reader = Reader { rows: Vec::new(), row: Vec::new(), field: String::new(), line: 1, start: 1 };
    let mut characters = text.chars().peekable();
    let (mut quoted, mut closed) = (false, false);
    while let Some(c) = characters.next() {
        reader.line += usize::from(c == '\n');
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                reader.field.push('"');
            }
            '"' if quoted => (quoted, closed) = (false, true),
            _ if quoted => reader.field.push(c),
            '"' if reader.field.trim().is_empty() && !closed => {
                reader.field.clear();
                quoted = true;
            }
            '\r' if characters.peek() == Some(&'\n') => {}
            '\n' => {
                reader.end_row();
                closed = false;
            }
            _ if c == separator => {
                reader.end_field();
                closed = false;
            }
            _ if closed && !c.is_whitespace() => {
                return Err((reader.line, "texte après un guillemet fermant".into()));
            }
            _ if closed => {}
            _ => reader.field.push(c),
        }
    }
    if quoted {
        return Err((reader.start, "guillemet jamais fermé".into()));
    }
    reader.end_row();
    Ok(reader.rows)
}

struct Reader {
    rows: Vec<Row>,
    row: Vec<String>,
    field: String,
    line: usize,
    start: usize,
}

impl Reader {
    fn end_field(&mut self) {
        self.row.push(std::mem::take(&mut self.field));
    }

    fn end_row(&mut self) {
        self.end_field();
        let row = std::mem::take(&mut self.row);
        if row.iter().any(|field| !field.trim().is_empty()) {
            self.rows.push((self.start, row));
        }
        self.start = self.line;
    }
}
