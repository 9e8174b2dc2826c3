//! The few XML documents of the S3 interface, written by hand and read by element name.

use super::objects::Listing;
use super::objects::Part;
use std::fmt::Write as _;

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
const NAMESPACE: &str = r#"xmlns="http://s3.amazonaws.com/doc/2006-03-01/""#;

/// The body of an error answer.
pub(super) fn error(code: &str, message: &str, key: &str) -> String {
    let (message, key) = (escape(message), escape(key));
    format!("{HEAD}<Error><Code>{code}</Code><Message>{message}</Message><Resource>{key}</Resource></Error>")
}

/// `ListBucketResult` of ListObjectsV2.
pub(super) fn listing(bucket: &str, prefix: &str, delimiter: Option<&str>, page: &Listing) -> String {
    let mut out = format!("{HEAD}<ListBucketResult {NAMESPACE}><Name>{}</Name>", escape(bucket));
    let _ = write!(out, "<Prefix>{}</Prefix>", escape(prefix));
    if let Some(delimiter) = delimiter {
        let _ = write!(out, "<Delimiter>{}</Delimiter>", escape(delimiter));
    }
    let _ = write!(out, "<KeyCount>{}</KeyCount>", page.contents.len() + page.common_prefixes.len());
    let _ = write!(out, "<IsTruncated>{}</IsTruncated>", page.next.is_some());
    for (key, object) in &page.contents {
        let _ = write!(
            out,
            "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>{}</ETag><Size>{}</Size>\
             <StorageClass>STANDARD</StorageClass></Contents>",
            escape(key),
            object.modified_iso(),
            escape(&object.etag),
            object.len()
        );
    }
    for prefix in &page.common_prefixes {
        let _ = write!(out, "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", escape(prefix));
    }
    if let Some(next) = &page.next {
        let _ = write!(out, "<NextContinuationToken>{}</NextContinuationToken>", escape(next));
    }
    out.push_str("</ListBucketResult>");
    out
}

/// `InitiateMultipartUploadResult`.
pub(super) fn upload_created(bucket: &str, key: &str, id: &str) -> String {
    let (bucket, key) = (escape(bucket), escape(key));
    format!(
        "{HEAD}<InitiateMultipartUploadResult {NAMESPACE}><Bucket>{bucket}</Bucket><Key>{key}</Key>\
         <UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
    )
}

/// `CompleteMultipartUploadResult`.
pub(super) fn upload_completed(bucket: &str, key: &str, etag: &str) -> String {
    let (bucket, key, etag) = (escape(bucket), escape(key), escape(etag));
    format!(
        "{HEAD}<CompleteMultipartUploadResult {NAMESPACE}><Bucket>{bucket}</Bucket><Key>{key}</Key><ETag>{etag}</ETag>\
         </CompleteMultipartUploadResult>"
    )
}

/// `CopyObjectResult`.
pub(super) fn copied(modified: &str, etag: &str) -> String {
    let etag = escape(etag);
    format!("{HEAD}<CopyObjectResult><LastModified>{modified}</LastModified><ETag>{etag}</ETag></CopyObjectResult>")
}

/// `DeleteResult`.
pub(super) fn deleted(keys: &[String]) -> String {
    let mut out = format!("{HEAD}<DeleteResult {NAMESPACE}>");
    for key in keys {
        let _ = write!(out, "<Deleted><Key>{}</Key></Deleted>", escape(key));
    }
    out.push_str("</DeleteResult>");
    out
}

/// The keys of a `Delete` request.
pub(super) fn keys_to_delete(body: &str) -> Vec<String> {
    elements(body, "Object").filter_map(|object| elements(object, "Key").next().map(unescape)).collect()
}

/// The parts of a `CompleteMultipartUpload` request; `None` when one of them makes no sense.
pub(super) fn parts(body: &str) -> Option<Vec<Part>> {
    elements(body, "Part")
        .map(|part| {
            Some(Part {
                number: elements(part, "PartNumber").next()?.trim().parse().ok()?,
                etag: unescape(elements(part, "ETag").next()?).trim_matches('"').to_owned(),
            })
        })
        .collect()
}

/// The text between each `<name>` (or `<name …>`) and the `</name>` that follows.
fn elements<'a>(xml: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let mut rest = xml;
    std::iter::from_fn(move || {
        loop {
            let (_, tail) = rest.split_once('<')?;
            rest = tail;
            let Some(after) = tail.strip_prefix(name) else { continue };
            if !after.starts_with(['>', ' ']) {
                continue;
            }
            let (_, content) = after.split_once('>')?;
            let (content, tail) = content.split_once(&format!("</{name}>"))?;
            rest = tail;
            return Some(content);
        }
    })
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn unescape(text: &str) -> String {
    // The ampersand last, so that `&amp;lt;` stays the text `&lt;`.
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    text.replace("&#34;", "\"").replace("&apos;", "'").replace("&#39;", "'").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_the_parts_of_a_completion() {
        let body = "<CompleteMultipartUpload xmlns=\"x\"><Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag></Part>\
                    <Part><ETag>\"b\"</ETag><PartNumber>2</PartNumber></Part></CompleteMultipartUpload>";
        let parts = parts(body).unwrap();
        assert_eq!(parts.iter().map(|p| (p.number, p.etag.as_str())).collect::<Vec<_>>(), [(1, "a"), (2, "b")]);
    }

    #[test]
    fn reads_the_keys_of_a_deletion() {
        let body = "<Delete><Object><Key>a&amp;b</Key></Object><Object><Key>c</Key></Object></Delete>";
        assert_eq!(keys_to_delete(body), ["a&b", "c"]);
    }
}
