//! Reading an EvidenceRecord (RFC 4998 § 3.1, § 4.1, § 5.1; the module of appendix A, whose tags are implicit).

use super::{ErsError, MAX_HASHES, MAX_RECORD_BYTES, MAX_STAMPS};
use crate::spec::cms::algorithm::{AlgorithmId, Digest};
use crate::spec::cms::asn1::{Reader, Tlv, tag};

/// A record, as received: nothing is checked yet.
#[derive(Debug, Clone)]
pub struct EvidenceRecord<'a> {
    /// The digest algorithms announced (content octets of their identifiers).
    pub digests: Vec<&'a [u8]>,
    /// The chains, oldest first; at least one.
    pub chains: Vec<Chain<'a>>,
}

/// Time-stamps made with one digest algorithm, each renewing the one before.
#[derive(Debug, Clone)]
pub struct Chain<'a> {
    /// As received.
    pub raw: &'a [u8],
    /// Oldest first; at least one.
    pub stamps: Vec<ArchiveTimestamp<'a>>,
}

/// A time-stamp and the part of its hash tree that leads to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveTimestamp<'a> {
    /// The algorithm of the tree; the token's own when not written.
    pub digest: Option<Digest>,
    /// The lists of hash values, from the leaves up; empty when the token covers one object directly.
    pub tree: Vec<Vec<&'a [u8]>>,
    /// The token: a CMS ContentInfo.
    pub token: &'a [u8],
}

impl<'a> EvidenceRecord<'a> {
    /// Parses a record, with nothing after it.
    pub fn parse(der: &'a [u8]) -> Result<Self, ErsError> {
        if der.len() > MAX_RECORD_BYTES {
            return Err(ErsError::TooLarge { size_bytes: der.len() });
        }
        let mut outer = Reader::new(der);
        let mut fields = outer.sequence("un dossier de preuve (EvidenceRecord)")?;
        outer.finish()?;
        if fields.small("la version du dossier de preuve")? != 1 {
            return Err(ErsError::Structure("version de dossier de preuve inconnue"));
        }
        let mut algorithms = fields.sequence("les algorithmes de condensat")?;
        let mut digests = Vec::new();
        while !algorithms.is_empty() {
            if digests.len() == MAX_STAMPS {
                return Err(ErsError::Structure("trop d'algorithmes de condensat"));
            }
            digests.push(AlgorithmId::read(&mut algorithms)?.oid);
        }
        fields.optional(tag::context(0))?;
        if fields.optional(tag::context(1))?.is_some() {
            return Err(ErsError::Structure("les dossiers de preuve de données chiffrées ne sont pas pris en charge"));
        }
        let mut sequence = fields.sequence("une suite de chaînes d'horodatages (ArchiveTimeStampSequence)")?;
        fields.finish()?;
        let (mut chains, mut budget) = (Vec::new(), Budget { stamps: MAX_STAMPS, hashes: MAX_HASHES });
        while !sequence.is_empty() {
            let chain = sequence.expect(tag::SEQUENCE, "une chaîne d'horodatages (ArchiveTimeStampChain)")?;
            chains.push(Chain::read(chain, &mut budget)?);
        }
        if chains.is_empty() {
            return Err(ErsError::Structure("le dossier de preuve ne contient aucun horodatage"));
        }
        Ok(Self { digests, chains })
    }
}

/// What is left to read of what one record may hold.
struct Budget {
    stamps: usize,
    hashes: usize,
}

impl<'a> Chain<'a> {
    fn read(chain: Tlv<'a>, budget: &mut Budget) -> Result<Self, ErsError> {
        let (mut fields, mut stamps) = (chain.reader(), Vec::new());
        while !fields.is_empty() {
            budget.stamps =
                budget.stamps.checked_sub(1).ok_or(ErsError::Structure("trop d'horodatages dans le dossier"))?;
            stamps
                .push(ArchiveTimestamp::read(fields.sequence("un horodatage d'archive (ArchiveTimeStamp)")?, budget)?);
        }
        if stamps.is_empty() {
            return Err(ErsError::Structure("une chaîne ne contient aucun horodatage"));
        }
        Ok(Self { raw: chain.raw, stamps })
    }
}

impl<'a> ArchiveTimestamp<'a> {
    fn read(mut fields: Reader<'a>, budget: &mut Budget) -> Result<Self, ErsError> {
        // [0] IMPLICIT AlgorithmIdentifier: the tag stands in place of the SEQUENCE.
        let digest = match fields.optional(tag::context(0))? {
            Some(algorithm) => Some(Digest::from_oid(algorithm.reader().oid("un algorithme de condensat")?)?),
            None => None,
        };
        // Attributes say nothing that is checked here.
        fields.optional(tag::context(1))?;
        let tree = match fields.optional(tag::context(2))? {
            Some(lists) => read_tree(lists, budget)?,
            None => Vec::new(),
        };
        let token = fields.expect(tag::SEQUENCE, "un jeton d'horodatage")?.raw;
        fields.finish()?;
        Ok(Self { digest, tree, token })
    }
}

fn read_tree<'a>(lists: Tlv<'a>, budget: &mut Budget) -> Result<Vec<Vec<&'a [u8]>>, ErsError> {
    let (mut reader, mut tree) = (lists.reader(), Vec::new());
    while !reader.is_empty() {
        let mut list = reader.sequence("une liste de condensats (PartialHashtree)")?;
        let mut hashes = Vec::new();
        while !list.is_empty() {
            budget.hashes = budget.hashes.checked_sub(1).ok_or(ErsError::Structure("trop de condensats"))?;
            hashes.push(list.expect(tag::OCTET_STRING, "un condensat")?.value);
        }
        if hashes.is_empty() {
            return Err(ErsError::Structure("une liste de condensats est vide"));
        }
        tree.push(hashes);
    }
    if tree.is_empty() {
        return Err(ErsError::Structure("l'arbre de condensats est vide"));
    }
    Ok(tree)
}
