//! Checks a bucket's log from its public formats alone (C2SP tlog-tiles, RFC 6962): shares nothing with the writer, not
//! even its hashing.

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use ring::digest::{SHA256, SHA512, digest};

/// A log read back whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadLog {
    pub size: u64,
    pub root: Vec<u8>,
    pub records: Vec<Vec<u8>>,
    pub leaves: Vec<Vec<u8>>,
}

/// Reads everything that the published checkpoint promises; the error names the object that breaks it.
pub async fn read_log(objects: &dyn ObjectStore) -> Result<ReadLog, String> {
    let Some(note) = get(objects, "log/checkpoint").await? else {
        return Ok(ReadLog { size: 0, root: sha256(b""), records: Vec::new(), leaves: Vec::new() });
    };
    let note = String::from_utf8(note).map_err(|e| e.to_string())?;
    let mut lines = note.lines().skip(1);
    let size: u64 = lines.next().and_then(|l| l.parse().ok()).ok_or("checkpoint: size")?;
    let root = base64_decode(lines.next().ok_or("checkpoint: root")?)?;

    let (mut leaves, mut records) = (Vec::new(), Vec::new());
    for bundle in 0..size.div_ceil(256) {
        let width = (size - bundle * 256).min(256);
        let suffix = if width == 256 { String::new() } else { format!(".p/{width}") };
        let number = grouped(bundle);
        let key = format!("log/tile/entries/{number}{suffix}");
        let entries = get(objects, &key).await?.ok_or(format!("{key}: missing"))?;
        let key = format!("records/{number}{suffix}");
        let frames = get(objects, &key).await?.ok_or(format!("{key}: missing"))?;
        let key = format!("log/tile/0/{number}{suffix}");
        let hashes = get(objects, &key).await?.ok_or(format!("{key}: missing"))?;
        check_bundle(bundle, width, &entries, &frames, &hashes, &mut leaves, &mut records)?;
    }
    for level in 1..3 {
        check_level(objects, level, size, &leaves).await?;
    }
    let computed = merkle(&leaves);
    if computed != root {
        return Err(format!("checkpoint: root of {size} entries does not match its tiles"));
    }
    let group = grouped(size);
    for key in [format!("log/timestamp/{group}.tsr"), format!("log/seal/{group}.p7s")] {
        get(objects, &key).await?.ok_or(format!("{key}: missing"))?;
    }
    Ok(ReadLog { size, root, records, leaves })
}

fn check_bundle(
    bundle: u64,
    width: u64,
    mut entries: &[u8],
    mut frames: &[u8],
    hashes: &[u8],
    leaves: &mut Vec<Vec<u8>>,
    records: &mut Vec<Vec<u8>>,
) -> Result<(), String> {
    let wrong = |what: &str, n: u64| format!("bundle {bundle}, entry {n}: {what}");
    for n in 0..width {
        let length = usize::from(u16::from_be_bytes(*entries.first_chunk().ok_or(wrong("entry cut", n))?));
        let entry = entries.get(2..2 + length).ok_or(wrong("entry cut", n))?;
        entries = &entries[2 + length..];
        let frame_length = zstd::zstd_safe::find_frame_compressed_size(frames).map_err(|_| wrong("frame", n))?;
        let record = zstd::decode_all(&frames[..frame_length]).map_err(|e| wrong(&e.to_string(), n))?;
        frames = &frames[frame_length..];
        let commitment = [&[1], digest(&SHA256, &record).as_ref(), digest(&SHA512, &record).as_ref()].concat();
        if commitment != entry {
            return Err(wrong("record and entry differ", n));
        }
        let leaf = sha256(&[&[0], entry].concat());
        let place = usize::try_from(n).unwrap() * 32;
        if hashes.get(place..place + 32) != Some(leaf.as_slice()) {
            return Err(wrong("leaf hash differs", n));
        }
        leaves.push(leaf);
        records.push(record);
    }
    if entries.is_empty() && frames.is_empty() && hashes.len() as u64 == width * 32 {
        Ok(())
    } else {
        Err(format!("bundle {bundle}: more than {width} items"))
    }
}

/// Every hash of a tile level is the root of its full subtree.
async fn check_level(objects: &dyn ObjectStore, level: u32, size: u64, leaves: &[Vec<u8>]) -> Result<(), String> {
    let span = 256u64.pow(level);
    let hashes = size / span;
    for tile in 0..hashes.div_ceil(256) {
        let width = (hashes - tile * 256).min(256);
        let suffix = if width == 256 { String::new() } else { format!(".p/{width}") };
        let key = format!("log/tile/{level}/{}{suffix}", grouped(tile));
        let bytes = get(objects, &key).await?.ok_or(format!("{key}: missing"))?;
        if bytes.len() as u64 != width * 32 {
            return Err(format!("{key}: {} bytes", bytes.len()));
        }
        for (n, hash) in bytes.chunks(32).enumerate() {
            let first = usize::try_from((tile * 256 + n as u64) * span).unwrap();
            let subtree = &leaves[first..first + usize::try_from(span).unwrap()];
            if merkle(subtree) != hash {
                return Err(format!("{key}: hash {n} differs"));
            }
        }
    }
    Ok(())
}

/// RFC 6962 §2.1, as written there, over leaf hashes.
pub fn merkle(leaves: &[Vec<u8>]) -> Vec<u8> {
    match leaves {
        [] => sha256(b""),
        [leaf] => leaf.clone(),
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(split);
            sha256(&[&[1], merkle(left).as_slice(), merkle(right).as_slice()].concat())
        }
    }
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

fn grouped(mut n: u64) -> String {
    let mut path = format!("{:03}", n % 1000);
    while n >= 1000 {
        n /= 1000;
        path = format!("x{:03}/{path}", n % 1000);
    }
    path
}

fn base64_decode(text: &str) -> Result<Vec<u8>, String> {
    base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).map_err(|e| e.to_string())
}

async fn get(objects: &dyn ObjectStore, key: &str) -> Result<Option<Vec<u8>>, String> {
    match objects.get(&Path::from(key)).await {
        Ok(found) => found.bytes().await.map(|b| Some(b.to_vec())).map_err(|e| format!("{key}: {e}")),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(format!("{key}: {error}")),
    }
}
