//! An antivirus that speaks clamd's protocol.
#![allow(clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

/// Speaks clamd's protocol, and takes the word for the thing.
pub(crate) fn antivirus(listener: TcpListener) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut command, mut content, mut length) = ([0; 10], Vec::new(), [0; 4]);
            stream.read_exact(&mut command).unwrap();
            assert_eq!(&command, b"zINSTREAM\0");
            loop {
                stream.read_exact(&mut length).unwrap();
                let start = content.len();
                content.resize(start + u32::from_be_bytes(length) as usize, 0);
                if content.len() == start {
                    break;
                }
                stream.read_exact(&mut content[start..]).unwrap();
            }
            let found = String::from_utf8_lossy(&content).contains("virus");
            stream.write_all(if found { b"stream: Essai FOUND\0" } else { b"stream: OK\0" }).unwrap();
        }
    });
}
