//! OG_SIGNATURES_CHECK (ours, VITAM has none of its own): what the signatures of the objects are worth, as the archival
//! agreement asks (`SignatureVerification`): required, warned of, or only told.
//!
//! A detached signature is validated with the objects of the same unit, or of the units beside it. Each candidate is held
//! whole while it is judged, one at a time, up to [`OBJECT_BYTES_MAX`].

use super::at;
use super::objects::{Holding, Seen};
use crate::spec::seda::manifest::{Manifest, Target};
use crate::transfer::event::Journal;
use crate::transfer::referentials::{Contract, SignatureVerification};
use crate::validation::facts::InputKind;
use crate::validation::indication::Indication;
use crate::validation::verdict::{Context, Verdict, judge};
use crate::validation::{Content, Input, Rules, format, gather};
use std::collections::{HashMap, HashSet};
use time::OffsetDateTime;

/// The longest object looked at, in bytes.
const OBJECT_BYTES_MAX: u64 = 64 << 20;

/// Objects tried as what a detached signature is about.
const CANDIDATES_MAX: usize = 8;

/// Valid signatures told one by one.
const TOLD_MAX: usize = 20;

const EVENT: &str = "OG_SIGNATURES_CHECK";

/// How signatures are validated, and when.
#[derive(Debug, Clone, Copy)]
pub struct Signing<'a> {
    /// Policy and trust.
    pub rules: &'a Rules,
    /// The time of validation.
    pub at: OffsetDateTime,
    /// What is asked where no agreement says; nothing by default.
    pub otherwise: SignatureVerification,
}

pub(super) fn check(
    journal: &mut Journal,
    manifest: &Manifest,
    holding: &Holding<'_>,
    seen: &[Seen],
    contract: Option<&Contract>,
    signing: Option<&Signing<'_>>,
) {
    let asked = match contract.map(|contract| contract.signature_verification) {
        Some(SignatureVerification::None) | None => signing.map_or(SignatureVerification::None, |s| s.otherwise),
        Some(asked) => asked,
    };
    if asked == SignatureVerification::None {
        return;
    }
    let Some(signing) = signing else {
        let detail = "le contrat demande le contrôle des signatures, et aucune règle de validation n'est donnée ici";
        journal.warning(&format!("{EVENT}.NOT_CHECKED"), detail, None);
        return;
    };
    let mut checking = Checking { journal, manifest, holding, seen, asked, signing, valid: 0, bad: 0 };
    checking.objects();
    checking.conclude();
}

struct Checking<'a, 'j> {
    journal: &'j mut Journal,
    manifest: &'a Manifest,
    holding: &'a Holding<'a>,
    seen: &'a [Seen],
    asked: SignatureVerification,
    signing: &'a Signing<'a>,
    valid: usize,
    bad: usize,
}

impl Checking<'_, '_> {
    fn objects(&mut self) {
        let beside = Beside::new(self.manifest);
        for object in 0..self.seen.len() {
            if !self.may_be_signed(object) {
                continue;
            }
            let Some(bytes) = self.read(object) else {
                self.tell(object, Err("trop volumineux pour que sa signature soit contrôlée".into()));
                continue;
            };
            let mut contents = Vec::new();
            if matches!(format::detect(&bytes), InputKind::Cms | InputKind::Xml | InputKind::Timestamp) {
                for other in beside.of(object).into_iter().take(CANDIDATES_MAX) {
                    let name = self.name(other);
                    contents.extend(self.read(other).map(|bytes| (name, bytes)));
                }
            }
            if let Some(told) = self.judged(object, &bytes, &contents) {
                self.tell(object, told);
            }
        }
    }

    /// By the format seen: what cannot hold a signature is not read again.
    fn may_be_signed(&self, object: usize) -> bool {
        let Some(format) = self.seen[object].format.filter(|_| self.seen[object].member.is_some()) else {
            return false;
        };
        let media = format.media_type;
        ["pdf", "xml", "pkcs7", "asic", "zip", "octet-stream"].iter().any(|part| media.contains(part))
    }

    fn read(&self, object: usize) -> Option<Vec<u8>> {
        let seen = &self.seen[object];
        self.holding.whole(seen.member.filter(|_| seen.size_bytes <= OBJECT_BYTES_MAX)?, OBJECT_BYTES_MAX)
    }

    fn name(&self, object: usize) -> String {
        let object = &self.manifest.objects[object];
        object.file_name.as_deref().or(object.uri.as_deref()).unwrap_or_default().to_owned()
    }

    /// What a signed object is worth; `None` for one without any signature.
    fn judged(&self, object: usize, bytes: &[u8], contents: &[(String, Vec<u8>)]) -> Option<Result<String, String>> {
        let name = self.name(object);
        let contents: Vec<Content<'_>> = contents.iter().map(|(name, bytes)| Content { name, bytes }).collect();
        let rules = self.signing.rules;
        let context = Context {
            policy: &rules.policy,
            trust: &rules.trust,
            at: self.signing.at,
            existence: None,
            beside: None,
            integrity_only: false,
        };
        let certificates = rules.trust.outside_certificates();
        // Several documents beside a detached signature: the one it is about is the one it holds with.
        let alone = |contents: &[Content<'_>]| {
            judge(&gather(&Input { name: Some(&name), bytes, contents, certificates: &certificates }), &context)
        };
        let mut verdict = alone(&contents);
        if contents.len() > 1 && verdict.cryptographically_intact != Some(true) {
            for content in contents.chunks(1) {
                let tried = alone(content);
                if tried.cryptographically_intact == Some(true) {
                    verdict = tried;
                    break;
                }
            }
        }
        let indication = verdict.indication?;
        let detail = detail(&verdict, indication);
        Some(if indication == Indication::TotalPassed { Ok(detail) } else { Err(detail) })
    }

    fn tell(&mut self, object: usize, told: Result<String, String>) {
        let one = &self.manifest.objects[object];
        let id = self.manifest.text(one.id);
        let location = one.uri.as_deref().map(str::to_owned).or_else(|| at(one.position));
        match told {
            Ok(detail) => {
                self.valid += 1;
                if self.valid <= TOLD_MAX {
                    self.journal.ok(EVENT, format!("objet {id} : {detail}"));
                }
            }
            Err(detail) => {
                self.bad += 1;
                let detail = format!("objet {id} : {detail}");
                match self.asked {
                    SignatureVerification::Require => self.journal.ko(&format!("{EVENT}.INVALID"), detail, location),
                    SignatureVerification::Warn => self.journal.warning(&format!("{EVENT}.INVALID"), detail, location),
                    _ => self.journal.ok(EVENT, detail),
                }
            }
        }
    }

    fn conclude(&mut self) {
        if self.valid + self.bad == 0 {
            let detail = "aucune signature trouvée dans les objets";
            match self.asked {
                SignatureVerification::Require => self.journal.ko(&format!("{EVENT}.ABSENT"), detail, None),
                SignatureVerification::Warn => self.journal.warning(&format!("{EVENT}.ABSENT"), detail, None),
                _ => self.journal.ok(EVENT, detail),
            }
        } else if self.valid > TOLD_MAX {
            self.journal.ok(EVENT, format!("{} objets signés valides en tout", self.valid));
        }
    }
}

fn detail(verdict: &Verdict, indication: Indication) -> String {
    let mut detail = format!("signature {}", indication.french());
    if let Some(sub) = verdict.sub_indication {
        detail = format!("{detail}, {} ({sub})", sub.french());
    }
    let count = verdict.signatures.len();
    if count > 1 { format!("{detail} ; {count} signatures") } else { detail }
}

/// Which objects are beside which: of the same group, the same unit, or the units of the same parent.
struct Beside {
    units_of: HashMap<usize, Vec<u32>>,
    objects_of: HashMap<u32, Vec<usize>>,
    siblings: HashMap<u32, Vec<u32>>,
}

impl Beside {
    fn new(manifest: &Manifest) -> Self {
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, object) in manifest.objects.iter().enumerate() {
            by_name.entry(manifest.text(object.id)).or_default().push(at);
            if let Some(group) = object.group {
                by_name.entry(manifest.text(group)).or_default().push(at);
            }
        }
        let mut beside = Self { units_of: HashMap::new(), objects_of: HashMap::new(), siblings: HashMap::new() };
        for one in manifest.uses.iter().filter(|one| one.kind != Target::Unit) {
            for &object in by_name.get(manifest.text(one.target)).into_iter().flatten() {
                beside.units_of.entry(object).or_default().push(one.unit);
                beside.objects_of.entry(one.unit).or_default().push(object);
            }
        }
        let mut below: HashMap<Option<u32>, Vec<u32>> = HashMap::new();
        for (at, unit) in (0_u32..).zip(&manifest.units) {
            below.entry(unit.parent).or_default().push(at);
        }
        for (at, unit) in (0_u32..).zip(&manifest.units) {
            // The unit above too: a proof is often a unit within that of the document.
            let around = unit.parent.into_iter().chain(below.get(&unit.parent).into_iter().flatten().copied());
            let around = around.chain(below.get(&Some(at)).into_iter().flatten().copied());
            beside.siblings.insert(at, around.filter(|other| *other != at).take(64).collect());
        }
        beside
    }

    /// The nearest first.
    fn of(&self, object: usize) -> Vec<usize> {
        let own: Vec<u32> = self.units_of.get(&object).cloned().unwrap_or_default();
        let around = own.iter().flat_map(|unit| self.siblings.get(unit).into_iter().flatten());
        let mut met = HashSet::from([object]);
        own.iter()
            .chain(around)
            .flat_map(|unit| self.objects_of.get(unit).into_iter().flatten().copied())
            .filter(|other| met.insert(*other))
            .collect()
    }
}
