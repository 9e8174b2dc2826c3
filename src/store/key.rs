//! Names of objects in the bucket. `docs/` and the architecture list them; no other place spells them.

use crate::spec::tlog::tile::group_path;
use object_store::path::Path;
use uuid::Uuid;

/// Whether an agency or rule code may stand in a key: `[a-z0-9-]{1,64}`, not starting with a dash.
pub fn agency_is_valid(code: &str) -> bool {
    (1..=64).contains(&code.len())
        && !code.starts_with('-')
        && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// A pack of small payloads.
pub(super) fn pack_key(agency: &str, rule: &str, id: Uuid) -> Path {
    Path::from(format!("payload/{agency}/{rule}-{id}.tar.zst"))
}

/// A large payload.
pub(super) fn large_key(agency: &str, id: Uuid) -> Path {
    Path::from(format!("payload/{agency}/{id}.zst"))
}

/// Whether a location's object is a pack.
pub(super) fn is_pack(object: &str) -> bool {
    object.ends_with(".tar.zst")
}

/// The RFC 3161 response over the checkpoint of `size` entries.
pub fn timestamp_key(size: u64) -> String {
    format!("log/timestamp/{}.tsr", group_path(size))
}

/// The RFC 3161 response of another authority over the checkpoint of `size` entries.
pub fn external_key(size: u64) -> String {
    format!("log/external/{}.tsr", group_path(size))
}

/// The checkpoint of `size` entries with the cosignatures of witnesses, a signed note.
pub fn cosigned_key(size: u64) -> String {
    format!("log/cosigned/{}.note", group_path(size))
}

/// The CMS seal of the signed checkpoint of `size` entries.
pub fn seal_key(size: u64) -> String {
    format!("log/seal/{}.p7s", group_path(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_could_walk_out_of_the_bucket_are_refused() {
        for code in ["", "..", "a/b", "A", "é", "-a", &"a".repeat(65)] {
            assert!(!agency_is_valid(code), "{code}");
        }
        assert!(agency_is_valid("200040475") && agency_is_valid("mont-de-marsan"));
    }
}
