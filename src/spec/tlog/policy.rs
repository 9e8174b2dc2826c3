//! Which witnesses must have cosigned (C2SP tlog-policy):
//!
//! ```text
//! log     archives.example/d1+…                      (passed over here)
//! witness W1 witness.example/w1+… https://witness.example/
//! group   G 2 W1 W2 W3                               (`any`, `all` or a number)
//! quorum  G                                          (a witness, a group, or `none`)
//! ```

use super::note::{KeyType, VerifierKey};
use std::collections::BTreeSet;
use thiserror::Error;

/// The most lines of a policy.
const LINES_MAX: usize = 1000;

/// Why a policy is refused, with its line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("politique de témoins, ligne {line} : {reason}")]
pub struct PolicyError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: &'static str,
}

/// A witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Its name in the policy.
    pub name: String,
    /// Its key.
    pub key: VerifierKey,
    /// Where it is asked, without `add-checkpoint`; none when it is asked by others.
    pub url: Option<String>,
}

/// So many of its members.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    name: String,
    count: usize,
    members: BTreeSet<String>,
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Every witness, in the order written.
    pub witnesses: Vec<Witness>,
    /// In the order written: members come before.
    groups: Vec<Group>,
    quorum: Option<String>,
}

impl Policy {
    /// Reads a policy. Names come before they are used, so that no group holds itself.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let mut policy = Self { witnesses: Vec::new(), groups: Vec::new(), quorum: None };
        let mut decided = false;
        for (number, line) in text.lines().enumerate() {
            let wrong = |reason| PolicyError { line: number + 1, reason };
            if number == LINES_MAX {
                return Err(wrong("trop de lignes"));
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                [] => {}
                [comment, ..] if comment.starts_with('#') => {}
                ["log", vkey, ..] => {
                    VerifierKey::parse(vkey).map_err(|_| wrong("clé du journal illisible"))?;
                }
                ["witness", name, vkey, url @ ..] if url.len() <= 1 => {
                    let key = VerifierKey::parse(vkey).map_err(|_| wrong("clé du témoin illisible"))?;
                    if key.key_type() != KeyType::CosignatureV1 {
                        return Err(wrong("ce n'est pas la clé d'un témoin (cosignature/v1)"));
                    }
                    policy.check_new(name).map_err(wrong)?;
                    let url = url.first().map(|url| url.trim_end_matches('/').to_owned());
                    if url.as_ref().is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
                        return Err(wrong("une adresse http:// ou https:// est attendue"));
                    }
                    policy.witnesses.push(Witness { name: (*name).to_owned(), key, url });
                }
                ["group", name, count, members @ ..] if !members.is_empty() => {
                    policy.check_new(name).map_err(wrong)?;
                    if !members.iter().all(|member| policy.knows(member)) {
                        return Err(wrong("membre inconnu : il doit être déclaré plus haut"));
                    }
                    let distinct: BTreeSet<String> = members.iter().map(|member| (*member).to_owned()).collect();
                    if distinct.len() != members.len() {
                        return Err(wrong("un membre est nommé deux fois"));
                    }
                    let count = match *count {
                        "any" => Some(1),
                        "all" => Some(members.len()),
                        number => number.parse().ok().filter(|count| (1..=members.len()).contains(count)),
                    };
                    let count = count.ok_or(wrong("« any », « all » ou un nombre de membres"))?;
                    policy.groups.push(Group { name: (*name).to_owned(), count, members: distinct });
                }
                ["quorum", name] => {
                    if decided {
                        return Err(wrong("un seul quorum"));
                    }
                    decided = true;
                    if *name != "none" && !policy.knows(name) {
                        return Err(wrong("quorum inconnu : il doit être déclaré plus haut"));
                    }
                    policy.quorum = (*name != "none").then(|| (*name).to_owned());
                }
                _ => return Err(wrong("« log », « witness », « group » ou « quorum » attendu")),
            }
        }
        if decided {
            Ok(policy)
        } else {
            Err(PolicyError { line: text.lines().count(), reason: "il manque « quorum »" })
        }
    }

    /// Whether these witnesses are enough; each counts once, by its key.
    pub fn is_satisfied(&self, cosigned: &[VerifierKey]) -> bool {
        let Some(quorum) = &self.quorum else { return true };
        let signed = self.witnesses.iter().filter(|witness| cosigned.contains(&witness.key));
        let mut held: BTreeSet<&str> = signed.map(|witness| witness.name.as_str()).collect();
        // In the order written, each group once: the cost is that of the text.
        for group in &self.groups {
            if group.members.iter().filter(|member| held.contains(member.as_str())).count() >= group.count {
                held.insert(&group.name);
            }
        }
        held.contains(quorum.as_str())
    }

    fn knows(&self, name: &str) -> bool {
        self.groups.iter().any(|group| group.name == name) || self.witnesses.iter().any(|witness| witness.name == name)
    }

    fn check_new(&self, name: &str) -> Result<(), &'static str> {
        if name == "none" || self.knows(name) { Err("nom déjà pris") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn key(number: u8) -> VerifierKey {
        VerifierKey::new(&format!("w{number}.example"), KeyType::CosignatureV1, [number; 32]).unwrap()
    }

    #[test]
    fn quorums_nest_and_count_each_witness_once() {
        let text = format!(
            "# three witnesses\nwitness A {} https://a.example/\nwitness B {}\n\nwitness C {}\ngroup G all A B\ngroup H any G C\nquorum H\n",
            key(1),
            key(2),
            key(3)
        );
        let policy = Policy::parse(&text).unwrap();
        assert_eq!(policy.witnesses[0].url.as_deref(), Some("https://a.example"));
        assert!(policy.is_satisfied(&[key(3)]) && policy.is_satisfied(&[key(2), key(1)]));
        assert!(!policy.is_satisfied(&[key(1), key(1)]) && !policy.is_satisfied(&[]));
        assert!(Policy::parse("quorum none\n").unwrap().is_satisfied(&[]));
        for wrong in
            ["", "quorum X\n", "group G 1 A\nquorum G\n", "witness A x\nquorum A\n", "quorum none\nquorum none\n"]
        {
            assert!(Policy::parse(wrong).is_err(), "{wrong:?}");
        }
        let repeated = format!("witness A {}\ngroup G 2 A A\nquorum G\n", key(1));
        assert!(Policy::parse(&repeated).is_err());
    }
}
