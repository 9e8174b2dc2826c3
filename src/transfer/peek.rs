//! Who sends what, read from a package before anything of it is checked: enough to acknowledge it.

use super::container::{Container, Kind, Limits};
use crate::spec::seda::{Bounds, Head, head};
use std::path::Path;

/// The head of a package's bordereau; `None` when there is none to be read. `flat` is the bordereau's name in a package
/// without a `content` folder.
pub fn peek(package: &Path, flat: Option<&str>, limits: Limits, bounds: &Bounds) -> Option<Head> {
    let container = Container::open(package, limits).ok()?;
    let bordereau = container.members.iter().position(|member| match (container.kind, flat) {
        (Kind::Bordereau, _) => true,
        (_, Some(flat)) => member.name == flat,
        _ => !member.folder && !member.name.contains('/') && member.name.ends_with("manifest.xml"),
    })?;
    container.read(bordereau, |input| Ok(head(input, &bounds.xml))).ok()?.ok()
}
