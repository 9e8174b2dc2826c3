//! The members of a container, expanded once.

use crate::spec::asic::Role;
use crate::spec::asic::zip::{Archive, ZipError};
use crate::spec::crypto::{DigestAlgorithm, Unsupported};
use crate::validation::facts::{Coverage, CoverageKind};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

/// One member, expanded.
pub(super) struct Member<'a> {
    pub(super) name: String,
    role: Role,
    content: Cow<'a, [u8]>,
}

type Digested = Result<Vec<u8>, Unsupported>;

/// The members, in the order of the directory, and the digests of them already computed.
pub(super) struct Members<'a> {
    list: Vec<Member<'a>>,
    /// Certificates from outside the container.
    pub(super) certificates: &'a [&'a [u8]],
    digests: RefCell<HashMap<(String, DigestAlgorithm), Digested>>,
}

impl Member<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.content
    }
}

impl<'a> Members<'a> {
    /// Expands every member that is not a directory.
    pub(super) fn read(archive: &Archive<'a>, certificates: &'a [&'a [u8]]) -> Result<Self, ZipError> {
        let files = archive.members.iter().filter(|member| !member.name.ends_with('/'));
        let read = files.map(|member| {
            Ok(Member { name: member.name.clone(), role: Role::of(&member.name), content: member.read()? })
        });
        let list = read.collect::<Result<_, ZipError>>()?;
        Ok(Self { list, certificates, digests: RefCell::default() })
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Member<'a>> {
        self.list.iter()
    }

    pub(super) fn of(&self, role: Role) -> impl Iterator<Item = &Member<'a>> {
        self.list.iter().filter(move |member| member.role == role)
    }

    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.list.iter().find(|member| member.name == name).map(|member| &*member.content)
    }

    /// The digest of a member, computed once however many manifests list it; `None` when there is no such member.
    pub(super) fn digest(&self, name: &str, algorithm: DigestAlgorithm) -> Option<Digested> {
        let content = self.get(name)?;
        let mut known = self.digests.borrow_mut();
        Some(known.entry((name.to_owned(), algorithm)).or_insert_with(|| algorithm.digest(content)).clone())
    }

    /// The beginning of a member as text, control characters removed.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let content = self.get(name)?;
        let text = String::from_utf8_lossy(&content[..content.len().min(200)]).into_owned();
        Some(text.chars().filter(|character| !character.is_control()).collect())
    }

    /// Each data file, by whether it is covered.
    pub(super) fn coverage(&self, covered: impl Fn(&str) -> bool) -> Vec<Coverage> {
        let told = self.of(Role::Data).map(|member| Coverage {
            kind: CoverageKind::Member,
            name: member.name.clone(),
            covered: covered(&member.name),
            detail: Some(format!("{} octets", member.content.len())),
        });
        told.collect()
    }
}
