//! A transmission to the accountant (Hélios): its first record says what was received, each later one that its state
//! changed. The state of a transmission is that of its latest record; nothing else says it.

use serde::{Deserialize, Serialize};

/// What happened to a transmission.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transmission {
    /// Index of the transmission's first record, which is its number; absent in the first record itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<u64>,
    /// The state from now on, as the s2low interface numbers them.
    pub state: i8,
    /// What is told of it, in French.
    pub message: String,
    /// What was received; in the first record only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<Box<Flow>>,
}

/// Which way a flow goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To the accountant: `PES_Aller`.
    #[default]
    Aller,
    /// From the accountant: `PES_Retour`.
    Retour,
}

/// A file received, as far as it could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Which way it goes.
    pub direction: Direction,
    /// The name it came under.
    pub file: String,
    /// Its length.
    #[serde(deserialize_with = "super::safe_integer")]
    pub size_bytes: u64,
    /// SHA-1 of its bytes, hexadecimal: what the s2low interface tells files apart by. Proves nothing.
    pub sha1: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// `Enveloppe/Parametres/NomFic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nom_fic: Option<String>,
    /// `EnTetePES/CodCol`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cod_col: Option<String>,
    /// `EnTetePES/IdPost`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_post: Option<String>,
    /// `EnTetePES/CodBud`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cod_bud: Option<String>,
    /// `EnTetePES/IdColl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_coll: Option<String>,
    /// `EnTetePES/DteStr`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dte_str: Option<String>,
    /// Its bordereaux.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bordereaux: Vec<FlowBordereau>,
    /// `IdUnique` of its attachments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<String>,
    /// Not everything is listed: the record would be too long.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shortened: bool,
}

/// A bordereau of a flow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowBordereau {
    /// `depense`, `recette` or `autre`.
    pub domain: String,
    /// `Exer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exercice: Option<String>,
    /// `IdBord`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// `TypBord`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `IdPce` of its pièces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<String>,
}

impl Flow {
    /// The terms it is found by: `bordereau:37`, `bordereau:2026/37`, `exercice:2026/depense`, `piece:412`, `pj:…`,
    /// `nomfic:…`.
    pub fn terms(&self) -> Vec<String> {
        let mut terms = Vec::new();
        terms.extend(self.nom_fic.iter().map(|name| format!("nomfic:{name}")));
        for bordereau in &self.bordereaux {
            let exercice = bordereau.exercice.iter();
            terms.extend(exercice.map(|exercice| format!("exercice:{exercice}/{}", bordereau.domain)));
            if let Some(number) = &bordereau.number {
                terms.push(format!("bordereau:{number}"));
                terms.extend(bordereau.exercice.iter().map(|exercice| format!("bordereau:{exercice}/{number}")));
            }
            terms.extend(bordereau.pieces.iter().map(|piece| format!("piece:{piece}")));
        }
        terms.extend(self.attachments.iter().map(|identifier| format!("pj:{identifier}")));
        terms.sort_unstable();
        terms.dedup();
        terms
    }
}
