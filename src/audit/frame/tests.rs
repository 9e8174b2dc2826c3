#![allow(clippy::unwrap_used)]

use super::*;
use crate::audit::source::Bucket;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use proptest::prelude::*;
use std::sync::Arc;

/// Content and frames of a part of an object made of `bytes`, on a local disk and in memory.
fn read(bytes: &[u8]) -> Result<(Vec<u8>, Vec<Frame>), Fault> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let local = object_store::local::LocalFileSystem::new_with_prefix(directory.path()).unwrap();
    let stores: [Arc<dyn ObjectStore>; 2] = [Arc::new(local), Arc::new(InMemory::new())];
    let mut answers = stores.map(|store| {
        runtime.block_on(store.put(&Path::from("o"), bytes.to_vec().into())).unwrap();
        let bucket = Bucket::new(store, runtime.handle().clone());
        let object = bucket.open("o").unwrap().unwrap();
        let mut workspace = Workspace::new().unwrap();
        let mut frames = workspace.frames(&object, 0, u64::MAX);
        let mut sink = Collect { bytes: Vec::new(), bytes_max: 16 << 20 };
        let mut found = Vec::new();
        while !frames.at_end() {
            found.push(frames.next(&mut sink)?);
        }
        Ok((sink.bytes, found))
    });
    assert_eq!(answers[0], answers[1], "local and remote objects read the same");
    std::mem::replace(&mut answers[0], Ok((vec![], vec![])))
}

fn compress(content: &[u8], level: i32, checksum: bool) -> Vec<u8> {
    let mut encoder = zstd::bulk::Compressor::new(level).unwrap();
    encoder.include_checksum(checksum).unwrap();
    encoder.compress(content).unwrap()
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
    .take(length)
    .collect()
}

#[test]
fn raw_repeated_and_compressed_blocks_in_one_frame() {
    // Noise is stored raw, then zeros are repeated, then text is compressed: the decoder takes over midway.
    for checksum in [false, true] {
        let mut content = noise(700_000);
        content.extend(vec![0; 400_000]);
        content.extend("Le conseil municipal, après en avoir délibéré, ".repeat(9000).into_bytes());
        content.extend(noise(300_000));
        let mut object = compress(&content, 1, checksum);
        object.extend(compress(b"", 3, checksum));
        let (read, frames) = read(&object).unwrap();
        assert!(read == content);
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[0].content_bytes, content.len() as u64);
    }
}

#[test]
fn a_flipped_bit_of_a_raw_frame_is_noticed_anywhere() {
    let frame = compress(&noise(3000), -5, true);
    for at in 0..frame.len() {
        let mut bad = frame.clone();
        bad[at] ^= 0x10;
        assert!(read(&bad).is_err(), "byte {at}");
    }
    for cut in 1..frame.len() {
        assert!(read(&frame[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_skippable_frame_is_kept_apart() {
    let mut object = compress(b"abc", 3, true);
    object.extend([0x5E, 0x2A, 0x4D, 0x18, 2, 0, 0, 0, 7, 8]);
    let (content, frames) = read(&object).unwrap();
    assert_eq!(content, b"abc");
    assert_eq!(frames[1].skipped.as_deref(), Some(&[7, 8][..]));
    assert_eq!(frames[1].length, 10);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_zstd_writes_reads_back(parts in prop::collection::vec((0u8..3, 0usize..200_000), 1..4), level in -7i32..6, checksum: bool) {
        let mut content = Vec::new();
        for (kind, length) in parts {
            match kind {
                0 => content.extend(noise(length)),
                1 => content.extend(std::iter::repeat_n(9, length)),
                _ => content.extend(b"budget primitif ".iter().copied().cycle().take(length)),
            }
        }
        let (read, _) = read(&compress(&content, level, checksum)).unwrap();
        prop_assert!(read == content);
    }

    #[test]
    fn hostile_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut object = MAGIC.to_le_bytes().to_vec();
        object.extend(bytes);
        let _ = read(&object);
    }
}
