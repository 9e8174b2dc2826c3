//! The filters that structures use (ISO 32000-1 § 7.4): FlateDecode with its predictors, ASCIIHexDecode, none.

use super::PdfError;
use super::object::{Dictionary, Object};
use flate2::read::ZlibDecoder;
use std::io::Read as _;

/// Decodes stream data to at most `max_bytes`.
pub(super) fn decode(dictionary: &Dictionary, data: &[u8], max_bytes: usize) -> Result<Vec<u8>, PdfError> {
    let filters = match dictionary.get(b"Filter") {
        None | Some(Object::Null) => return Ok(data.get(..max_bytes).unwrap_or(data).to_vec()),
        Some(Object::Name(name)) => vec![name.clone()],
        Some(Object::Array(names)) => names
            .iter()
            .map(|name| if let Object::Name(name) = name { Ok(name.clone()) } else { Err(PdfError::Filter) })
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(PdfError::Filter),
    };
    let mut decoded = data.to_vec();
    for filter in filters.iter().take(4) {
        decoded = match filter.as_slice() {
            b"FlateDecode" | b"Fl" => unpredict(dictionary, inflate(&decoded, max_bytes)?)?,
            b"ASCIIHexDecode" | b"AHx" => hexadecimal(&decoded),
            _ => return Err(PdfError::Filter),
        };
    }
    Ok(decoded)
}

fn inflate(data: &[u8], max_bytes: usize) -> Result<Vec<u8>, PdfError> {
    let mut decoded = Vec::new();
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX);
    // A damaged end still gives what came before it, as readers do.
    let outcome = ZlibDecoder::new(data).take(limit.saturating_add(1)).read_to_end(&mut decoded);
    if decoded.len() > max_bytes {
        return Err(PdfError::Limit("taille d'un flux décompressé"));
    }
    if outcome.is_err() && decoded.is_empty() { Err(PdfError::Filter) } else { Ok(decoded) }
}

fn hexadecimal(data: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> = data
        .iter()
        .take_while(|octet| **octet != b'>')
        .filter_map(|octet| char::from(*octet).to_digit(16).and_then(|value| u8::try_from(value).ok()))
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0)).collect()
}

/// Undoes the PNG predictors, which cross-reference streams use (§ 7.4.4.4).
fn unpredict(dictionary: &Dictionary, data: Vec<u8>) -> Result<Vec<u8>, PdfError> {
    let parameters = match dictionary.get(b"DecodeParms").or_else(|| dictionary.get(b"DP")) {
        Some(Object::Dictionary(parameters)) => parameters,
        Some(Object::Array(list)) => match list.first() {
            Some(Object::Dictionary(parameters)) => parameters,
            _ => return Ok(data),
        },
        _ => return Ok(data),
    };
    let number = |key: &[u8], default: i64| parameters.get(key).and_then(Object::integer).unwrap_or(default);
    let predictor = number(b"Predictor", 1);
    if predictor < 10 {
        return if predictor == 1 { Ok(data) } else { Err(PdfError::Filter) };
    }
    let bits = number(b"Colors", 1).checked_mul(number(b"BitsPerComponent", 8)).filter(|bits| (1..=256).contains(bits));
    let bits = bits.ok_or(PdfError::Filter)?;
    let columns = number(b"Columns", 1);
    let row = bits.checked_mul(columns).map(|bits| bits.div_euclid(8) + i64::from(bits % 8 != 0));
    let row = row.and_then(|row| usize::try_from(row).ok()).filter(|row| (1..=1 << 20).contains(row));
    let row = row.ok_or(PdfError::Filter)?;
    let pixel = usize::try_from((bits + 7) / 8).unwrap_or(1);
    let mut decoded: Vec<u8> = Vec::with_capacity(data.len());
    let mut above = vec![0_u8; row];
    for line in data.chunks(row + 1) {
        let [kind, coded @ ..] = line else { break };
        let mut current = vec![0_u8; row];
        for (at, octet) in coded.iter().enumerate() {
            let left = if at >= pixel { current[at - pixel] } else { 0 };
            let corner = if at >= pixel { above[at - pixel] } else { 0 };
            let guess = match kind {
                1 => left,
                2 => above[at],
                3 => u8::midpoint(left, above[at]),
                4 => paeth(left, above[at], corner),
                _ => 0,
            };
            current[at] = octet.wrapping_add(guess);
        }
        decoded.extend_from_slice(&current[..coded.len()]);
        above = current;
    }
    Ok(decoded)
}

fn paeth(left: u8, above: u8, corner: u8) -> u8 {
    let (a, b, c) = (i16::from(left), i16::from(above), i16::from(corner));
    let estimate = a + b - c;
    let (da, db, dc) = ((estimate - a).abs(), (estimate - b).abs(), (estimate - c).abs());
    if da <= db && da <= dc {
        left
    } else if db <= dc {
        above
    } else {
        corner
    }
}
