//! What the fuzz targets of web captures and of folders of a parapheur promise.

use archiland::spec::premis::{EVENTS_MAX, OBJECTS_MAX, Premis};
use archiland::spec::warc;

/// A web capture: read in bounded memory, whatever it says of itself; records come numbered, and as many as are told.
pub(crate) fn warc(data: &[u8]) {
    let limits = warc::Limits { records_max: 100, header_bytes_max: 4 << 10, bytes_max: 1 << 20, ratio_max: 50 };
    let mut count = 0;
    let read = warc::check(data, &limits, &mut |record| {
        count += 1;
        assert_eq!(record.number, count, "numbered in order");
        assert!(record.size_bytes <= limits.bytes_max, "a block beyond the limit was read");
        for fault in &record.faults {
            assert!(!fault.to_string().is_empty(), "told");
        }
    });
    if let Ok(told) = read {
        assert_eq!(told, count, "as many as were seen");
    }
}

/// A PREMIS summary: bounded lists, and no agent left as an identifier with its role beside it.
pub(crate) fn premis(data: &[u8]) {
    if let Ok(premis) = Premis::parse(data) {
        assert!(premis.objects.len() <= OBJECTS_MAX && premis.events.len() <= EVENTS_MAX);
        assert!(premis.events.iter().all(|event| event.agent.as_ref().is_none_or(|agent| !agent.contains('\n'))));
    }
}
