//! Byte sequences in PRONOM's notation: bytes in hexadecimal, `??` for any byte, `{n}`, `{n-m}`, `{n-*}` and `*` for gaps,
//! `(a|b)` for alternatives, `[a:b]` for a range, `[!a]` for anything else.

/// The most steps one pattern may take over one content.
const STEPS_MAX: u32 = 400_000;

/// A piece of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Byte(u8),
    Gap(usize, Option<usize>),
    /// From a number to another, both of so many bytes; or anything but that.
    Range {
        low: Vec<u8>,
        high: Vec<u8>,
        not: bool,
    },
    Choice(Vec<Vec<Piece>>),
}

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    pieces: Vec<Piece>,
    /// The bytes it begins with.
    head: Vec<u8>,
    least: usize,
    most: Option<usize>,
}

impl Pattern {
    /// Reads a pattern; `None` for what is not one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.as_bytes();
        let pieces = sequence(&mut rest, 0)?;
        if !rest.is_empty() || pieces.is_empty() {
            return None;
        }
        let bytes = pieces.iter().map_while(|piece| if let Piece::Byte(byte) = piece { Some(*byte) } else { None });
        let head = bytes.collect();
        let (least, most) = lengths(&pieces);
        Some(Self { pieces, head, least, most })
    }

    /// Whether `data` begins with it.
    pub(super) fn at_start(&self, data: &[u8]) -> bool {
        data.starts_with(&self.head) && self.matches(data, 0, false, &mut STEPS_MAX.clone())
    }

    /// Whether `data` ends with it.
    pub(super) fn at_end(&self, data: &[u8]) -> bool {
        let Some(last) = data.len().checked_sub(self.least) else { return false };
        let first = self.most.map_or(0, |most| data.len().saturating_sub(most));
        let mut steps = STEPS_MAX;
        self.starts(data, first, last).any(|start| self.matches(data, start, true, &mut steps))
    }

    /// Whether it is anywhere in `data`.
    pub(super) fn anywhere(&self, data: &[u8]) -> bool {
        let Some(last) = data.len().checked_sub(self.least) else { return false };
        let mut steps = STEPS_MAX;
        self.starts(data, 0, last).any(|start| self.matches(data, start, false, &mut steps))
    }

    /// Where it may begin: everywhere its first bytes are.
    fn starts<'a>(&'a self, data: &'a [u8], first: usize, last: usize) -> Box<dyn Iterator<Item = usize> + 'a> {
        if self.head.is_empty() {
            return Box::new(first..=last);
        }
        let found = memchr::memmem::find_iter(data.get(first..).unwrap_or_default(), &self.head);
        Box::new(found.map(move |at| first + at).take_while(move |at| *at <= last))
    }

    fn matches(&self, data: &[u8], start: usize, to_end: bool, steps: &mut u32) -> bool {
        Matching { data, to_end, steps }.run(&self.pieces, &After::Nothing, start)
    }
}

/// What follows a sequence within others.
enum After<'a> {
    Nothing,
    Then(&'a [Piece], &'a After<'a>),
}

struct Matching<'d, 's> {
    data: &'d [u8],
    to_end: bool,
    steps: &'s mut u32,
}

impl Matching<'_, '_> {
    fn run(&mut self, mut pieces: &[Piece], after: &After<'_>, mut at: usize) -> bool {
        loop {
            let Some(left) = self.steps.checked_sub(1) else { return false };
            *self.steps = left;
            let Some((piece, rest)) = pieces.split_first() else {
                return match after {
                    After::Nothing => !self.to_end || at == self.data.len(),
                    After::Then(pieces, after) => self.run(pieces, after, at),
                };
            };
            match piece {
                Piece::Byte(byte) => {
                    if self.data.get(at) != Some(byte) {
                        return false;
                    }
                    at += 1;
                }
                Piece::Range { low, high, not } => {
                    let Some(found) = self.data.get(at..at + low.len()) else { return false };
                    if (found >= &low[..] && found <= &high[..]) == *not {
                        return false;
                    }
                    at += low.len();
                }
                Piece::Gap(least, most) => return self.gap(rest, after, at, *least, *most),
                Piece::Choice(all) => {
                    let then = After::Then(rest, after);
                    return all.iter().any(|one| self.run(one, &then, at));
                }
            }
            pieces = rest;
        }
    }

    fn gap(&mut self, rest: &[Piece], after: &After<'_>, at: usize, least: usize, most: Option<usize>) -> bool {
        let Some(first) = at.checked_add(least).filter(|first| *first <= self.data.len()) else { return false };
        let last = most.map_or(self.data.len(), |most| (at + most).min(self.data.len()));
        let mut next = first;
        while next <= last && *self.steps > 0 {
            // Straight to where the next byte is, when it is known.
            if let Some(Piece::Byte(byte)) = rest.first() {
                match memchr::memchr(*byte, &self.data[next..]) {
                    Some(skip) => next += skip,
                    None => return false,
                }
                if next > last {
                    return false;
                }
            }
            if self.run(rest, after, next) {
                return true;
            }
            next += 1;
        }
        false
    }
}

fn lengths(pieces: &[Piece]) -> (usize, Option<usize>) {
    pieces.iter().fold((0, Some(0)), |(least, most), piece| {
        let (low, high) = match piece {
            Piece::Byte(_) => (1, Some(1)),
            Piece::Gap(low, high) => (*low, *high),
            Piece::Range { low, .. } => (low.len(), Some(low.len())),
            Piece::Choice(all) => {
                all.iter().map(|one| lengths(one)).fold((usize::MAX, Some(0)), |(least, most), one| {
                    (least.min(one.0), most.zip(one.1).map(|(a, b)| a.max(b)))
                })
            }
        };
        (least + low, most.zip(high).map(|(a, b)| a + b))
    })
}

fn sequence(rest: &mut &[u8], depth: usize) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    while let Some(&next) = rest.first() {
        let piece = match next {
            b'|' | b')' if depth > 0 => break,
            b'*' => {
                *rest = &rest[1..];
                Piece::Gap(0, None)
            }
            b'?' => {
                *rest = rest.strip_prefix(b"??")?;
                Piece::Gap(1, Some(1))
            }
            b'{' => gap(between(rest, b'}')?)?,
            b'[' => range(between(rest, b']')?)?,
            b'(' if depth < 8 => choice(rest, depth)?,
            _ => {
                let bytes = hex::decode(rest.get(..2)?).ok()?;
                *rest = &rest[2..];
                Piece::Byte(*bytes.first()?)
            }
        };
        pieces.push(piece);
    }
    Some(pieces)
}

/// What is between the bracket `rest` begins with and `close`.
fn between<'a>(rest: &mut &'a [u8], close: u8) -> Option<&'a str> {
    let end = memchr::memchr(close, rest)?;
    let inside = std::str::from_utf8(&rest[1..end]).ok();
    *rest = &rest[end + 1..];
    inside
}

fn gap(text: &str) -> Option<Piece> {
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    let most = if most == "*" { None } else { Some(most.parse().ok()?) };
    Some(Piece::Gap(least.parse().ok()?, most))
}

fn range(text: &str) -> Option<Piece> {
    let (text, not) = text.strip_prefix('!').map_or((text, false), |text| (text, true));
    let (low, high) = text.split_once(':').unwrap_or((text, text));
    let (low, high) = (hex::decode(low).ok()?, hex::decode(high).ok()?);
    (low.len() == high.len() && !low.is_empty()).then_some(Piece::Range { low, high, not })
}

fn choice(rest: &mut &[u8], depth: usize) -> Option<Piece> {
    let mut all = Vec::new();
    loop {
        *rest = rest.get(1..)?;
        all.push(sequence(rest, depth + 1)?);
        if *rest.first()? != b'|' {
            *rest = &rest[1..];
            return Some(Piece::Choice(all));
        }
    }
}
