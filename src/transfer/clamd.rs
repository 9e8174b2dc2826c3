//! The antivirus: clamd's `INSTREAM` over its socket (clamd(8)), the bytes in chunks with their length, the verdict in one
//! line.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// Longest verdict read, in bytes.
const REPLY_BYTES_MAX: u64 = 4096;
const CHUNK_BYTES: usize = 64 * 1024;

/// How the detail of an antivirus that does not answer begins: nothing is wrong with what was to be scanned.
pub const UNREACHABLE: &str = "antivirus injoignable";

/// Where clamd listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `host:port`.
    Tcp(String),
    /// A socket's path.
    Unix(PathBuf),
}

impl Address {
    /// `unix:/run/clamav/clamd.ctl`, a path, or `host:port`.
    pub fn parse(text: &str) -> Self {
        match text.strip_prefix("unix:") {
            Some(path) => Self::Unix(path.into()),
            None if text.starts_with('/') => Self::Unix(text.into()),
            None => Self::Tcp(text.strip_prefix("tcp:").unwrap_or(text).to_owned()),
        }
    }
}

/// A clamd to ask.
#[derive(Debug, Clone)]
pub struct Clamd {
    /// Where it listens.
    pub address: Address,
    /// How long it may stay silent.
    pub timeout: Duration,
}

/// What clamd says of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing found.
    Clean,
    /// The name of what was found.
    Infected(String),
}

/// Why clamd did not answer.
#[derive(Debug, Error)]
pub enum ClamdError {
    /// It cannot be reached, or went silent.
    #[error("antivirus injoignable : {0}")]
    Io(#[from] io::Error),
    /// It could not scan.
    #[error("antivirus en échec : {0}")]
    Failed(String),
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Clamd {
    /// Has bytes scanned.
    pub fn scan(&self, input: &mut dyn Read) -> Result<Verdict, ClamdError> {
        let mut stream = self.connect()?;
        let sent = send(&mut *stream, input);
        // Beyond its own limit clamd answers and hangs up: its reason is worth more than the broken pipe.
        let mut reply = String::new();
        let read = stream.take(REPLY_BYTES_MAX).read_to_string(&mut reply);
        let reply = reply.trim_end_matches(['\0', '\n', '\r', ' ']);
        if let Some(found) = reply.strip_suffix(" FOUND") {
            return Ok(Verdict::Infected(found.trim_start_matches("stream:").trim().to_owned()));
        }
        if reply.ends_with("OK") && sent.is_ok() {
            return Ok(Verdict::Clean);
        }
        if reply.is_empty() {
            sent?;
            read?;
        }
        Err(ClamdError::Failed(reply.chars().take(200).collect()))
    }

    fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let timeout = Some(self.timeout);
        match &self.address {
            Address::Tcp(address) => {
                let mut addresses = address.to_socket_addrs()?;
                let address = addresses.next().ok_or_else(|| io::Error::other("adresse sans hôte"))?;
                let stream = TcpStream::connect_timeout(&address, self.timeout)?;
                stream.set_read_timeout(timeout)?;
                stream.set_write_timeout(timeout)?;
                Ok(Box::new(stream))
            }
            #[cfg(unix)]
            Address::Unix(path) => {
                let stream = std::os::unix::net::UnixStream::connect(path)?;
                stream.set_read_timeout(timeout)?;
                stream.set_write_timeout(timeout)?;
                Ok(Box::new(stream))
            }
            #[cfg(not(unix))]
            Address::Unix(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "pas de socket Unix ici")),
        }
    }
}

fn send(stream: &mut dyn Stream, input: &mut dyn Read) -> io::Result<()> {
    stream.write_all(b"zINSTREAM\0")?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = input.read(&mut chunk)?;
        let length = u32::try_from(count).map_err(io::Error::other)?;
        stream.write_all(&length.to_be_bytes())?;
        if count == 0 {
            return stream.flush();
        }
        stream.write_all(&chunk[..count])?;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::TcpListener;

    /// EICAR's test file, in two parts so that no antivirus takes this source for it.
    const EICAR: [&str; 2] = [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-", "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"];

    /// A clamd that speaks its protocol and knows one virus; `limit` is its `StreamMaxLength`.
    fn stand_in(limit: usize) -> Clamd {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap().to_string());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut command = [0; 10];
                stream.read_exact(&mut command).unwrap();
                assert_eq!(&command, b"zINSTREAM\0");
                let mut content = Vec::new();
                let reply = loop {
                    let mut length = [0; 4];
                    stream.read_exact(&mut length).unwrap();
                    let length = u32::from_be_bytes(length) as usize;
                    if length == 0 {
                        let bad = EICAR.concat();
                        let found = memchr::memmem::find(&content, bad.as_bytes()).is_some();
                        break if found { "stream: Eicar-Signature FOUND\0" } else { "stream: OK\0" };
                    }
                    if content.len() + length > limit {
                        break "INSTREAM size limit exceeded. ERROR\0";
                    }
                    let start = content.len();
                    content.resize(start + length, 0);
                    stream.read_exact(&mut content[start..]).unwrap();
                };
                stream.write_all(reply.as_bytes()).unwrap();
            }
        });
        Clamd { address, timeout: Duration::from_secs(5) }
    }

    #[test]
    fn clean_and_infected() {
        let clamd = stand_in(1 << 20);
        assert_eq!(clamd.scan(&mut &b"bonjour"[..]).unwrap(), Verdict::Clean);
        assert_eq!(clamd.scan(&mut &vec![0; 200_000][..]).unwrap(), Verdict::Clean);
        let infected = EICAR.concat();
        assert_eq!(clamd.scan(&mut infected.as_bytes()).unwrap(), Verdict::Infected("Eicar-Signature".into()));
    }

    #[test]
    fn no_answer_is_no_clean_bill() {
        let clamd = stand_in(10);
        assert!(clamd.scan(&mut &[0; 4096][..]).is_err());
        let nobody = Clamd { address: Address::parse("127.0.0.1:1"), timeout: Duration::from_secs(1) };
        assert!(matches!(nobody.scan(&mut &b"x"[..]), Err(ClamdError::Io(_))));
    }
}
