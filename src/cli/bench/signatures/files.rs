//! What to compare: a file, how to validate it here, and how with the program of its kind.

use crate::spec::cms::received::{SignedData, unarmour};
use crate::spec::xml::{Document, Limits};
use crate::validation::facts::InputKind;
use crate::validation::format;
use anyhow::Context;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Each peer, and how many times faster is asked.
pub(super) const WANTED: [(&str, f64); 3] = [("xmlsec1", 5.0), ("openssl", 3.0), ("pdfsig", 3.0)];

/// A file, and its two validations.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) file: PathBuf,
    /// Our arguments after the file.
    pub(super) ours: Vec<OsString>,
    pub(super) program: OsString,
    pub(super) theirs: Vec<OsString>,
    /// A file whose bytes take longer than starting a program.
    pub(super) large: bool,
}

impl Case {
    /// The peer's name.
    pub(super) fn peer(&self) -> &str {
        self.program.to_str().unwrap_or_default()
    }

    /// What is asked for this file, when `usual` is for those of its kind.
    pub(super) fn wanted(&self, usual: f64) -> f64 {
        // A hundred megabytes of XML are held against a library that reads them in one pass (bench/README.md).
        if self.large && self.peer() == "xmlsec1" { 1.0 } else { usual }
    }

    /// An XML signature. `xmlsec1` must be told which attributes are identifiers.
    pub(super) fn xml(name: &str, file: &Path, identified: &[String]) -> Self {
        let mut theirs: Vec<OsString> = vec!["--verify".into(), "--insecure".into()];
        for element in identified {
            theirs.extend(["--id-attr:Id".into(), element.into()]);
        }
        theirs.push(file.into());
        Self::of(name, file, "xmlsec1", theirs)
    }

    /// A CMS, with the content beside it when it is detached.
    pub(super) fn cms(name: &str, file: &Path, form: &str, content: Option<&Path>) -> Self {
        let mut theirs: Vec<OsString> =
            ["cms", "-verify", "-binary", "-noverify", "-inform", form, "-in"].map(Into::into).into();
        theirs.extend([file.into(), "-out".into(), "/dev/null".into()]);
        theirs.extend(content.into_iter().flat_map(|content| ["-content".into(), content.into()]));
        let mut case = Self::of(name, file, "openssl", theirs);
        case.ours = content.into_iter().flat_map(|content| ["--content".into(), content.into()]).collect();
        case
    }

    /// A PDF.
    pub(super) fn pdf(name: &str, file: &Path) -> Self {
        Self::of(name, file, "pdfsig", vec!["-nocert".into(), file.into()])
    }

    fn of(name: &str, file: &Path, program: &str, theirs: Vec<OsString>) -> Self {
        Self {
            name: name.to_owned(),
            file: file.to_owned(),
            ours: Vec::new(),
            program: program.into(),
            theirs,
            large: false,
        }
    }
}

/// The files of a folder that one of the peers can look at: XML, CMS with its content inside, PDF.
pub(super) fn of(folder: &Path) -> anyhow::Result<Vec<Case>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("lecture de {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    files.sort();
    Ok(files.into_iter().filter(|file| file.is_file()).filter_map(|file| case(&file)).collect())
}

fn case(file: &Path) -> Option<Case> {
    let bytes = std::fs::read(file).ok()?;
    let name = file.file_name()?.to_string_lossy().into_owned();
    match format::detect(&bytes) {
        InputKind::Xml | InputKind::Pes => {
            let document = Document::parse(&bytes, &Limits::default()).ok()?;
            let identified = document.elements().filter(|element| element.attribute("Id").is_some());
            let identified: BTreeSet<String> = identified
                .map(|element| match element.namespace() {
                    "" => element.name().into_owned(),
                    namespace => format!("{namespace}:{}", element.name()),
                })
                .collect();
            Some(Case::xml(&name, file, &identified.into_iter().collect::<Vec<_>>()))
        }
        InputKind::Cms => {
            let (binary, armour) = unarmour(&bytes).ok()?;
            let attached = SignedData::parse(&binary).ok()?.content.is_some();
            let form = if armour == crate::spec::cms::received::Armour::None { "DER" } else { "PEM" };
            attached.then(|| Case::cms(&name, file, form, None))
        }
        InputKind::Pdf => Some(Case::pdf(&name, file)),
        _ => None,
    }
}
