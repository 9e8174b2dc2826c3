//! Files for the accountant before the antivirus, where one is configured: the file, and what its attachments hold once
//! decoded and decompressed. Without an answer nothing is taken in: the sender tries again.

use super::import::Refused;
use crate::api::problem::Problem;
use crate::api::services::App;
use crate::producer::helios::{Extract, Fault};
use crate::transfer::clamd::{Clamd, ClamdError, Verdict};
use bytes::Bytes;
use std::io::{self, Read};

/// What was found, if anything.
pub(super) async fn scanned(app: &App, file: &Bytes, extracts: &[Extract]) -> Result<Option<Fault>, Refused> {
    let Some(clamd) = app.clamd.clone() else { return Ok(None) };
    let (file, extracts) = (file.clone(), extracts.to_vec());
    let scanning = tokio::task::spawn_blocking(move || all(&clamd, &file, &extracts));
    match scanning.await.map_err(|error| Problem::internal(&error))? {
        Ok(found) => Ok(found.map(Fault::Virus)),
        Err(error) => {
            tracing::error!(%error, "télétransmission suspendue : l'antivirus ne répond pas");
            Err(Refused::later("L'antivirus ne répond pas : renvoyez ce fichier dans quelques minutes"))
        }
    }
}

fn all(clamd: &Clamd, file: &Bytes, extracts: &[Extract]) -> Result<Option<String>, ClamdError> {
    if let Verdict::Infected(name) = clamd.scan(&mut &file[..])? {
        return Ok(Some(name));
    }
    for extract in extracts {
        let mut content = extract.content(file.slice(extract.place.clone()));
        let mut next = move || content.piece().map_err(io::Error::other);
        if let Verdict::Infected(name) = clamd.scan(&mut Pieces { next: &mut next, left: Vec::new(), at: 0 })? {
            return Ok(Some(format!("{name} dans la pièce jointe {}", extract.name)));
        }
    }
    Ok(None)
}

/// The pieces of an attachment, one after the other.
struct Pieces<'a> {
    next: &'a mut dyn FnMut() -> io::Result<Option<Vec<u8>>>,
    left: Vec<u8>,
    at: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.left.len() {
            match (self.next)()? {
                Some(piece) => (self.left, self.at) = (piece, 0),
                None => return Ok(0),
            }
        }
        let count = (&self.left[self.at..]).read(buffer)?;
        self.at += count;
        Ok(count)
    }
}
