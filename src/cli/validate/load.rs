//! Reading a file into memory: a large one by several threads, since the kernel takes longer to find it room than to copy
//! it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// From here on, several threads are worth their start.
const LARGE_BYTES: usize = 16 << 20;
/// Beyond, they wait for the memory.
const THREADS_MAX: usize = 4;

/// The bytes of a file whose length is known, or of what it has become since.
pub(super) fn read(path: &Path, length: u64) -> io::Result<Vec<u8>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    match usize::try_from(length) {
        Ok(length) if length >= LARGE_BYTES && threads > 1 => {
            let file = File::open(path)?;
            let mut bytes = vec![0; length];
            let whole = in_parts(&file, &mut bytes, threads).is_ok() && file.read_at(&mut [0], length as u64)? == 0;
            // Shorter or longer than it was: read as anything else.
            if whole { Ok(bytes) } else { std::fs::read(path) }
        }
        _ => std::fs::read(path),
    }
}

fn in_parts(file: &File, bytes: &mut [u8], threads: usize) -> io::Result<()> {
    let size = bytes.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = bytes
            .chunks_mut(size)
            .enumerate()
            .map(|(rank, part)| scope.spawn(move || file.read_exact_at(part, (rank * size) as u64)))
            .collect();
        parts.into_iter().try_for_each(|part| part.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_is_read_whole_whatever_its_length_was_said_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        let content: Vec<u8> = (0..LARGE_BYTES + 12_345).map(|at| u8::try_from(at / 7 % 251).unwrap()).collect();
        std::fs::write(&path, &content).unwrap();
        let length = content.len() as u64;
        for said in [length, length - 1, length + 1, 0] {
            assert!(read(&path, said).unwrap() == content, "said to have {said} bytes");
        }
        assert!(read(&folder.path().join("absent"), length).is_err());
    }
}
