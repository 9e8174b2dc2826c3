//! The versions of SEDA that are met, and the namespaces that announce them.

use std::fmt;

/// A version of the standard, told by the namespace of the root element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// 0.2 (2006): `fr:gouv:ae:archive:draft:standard_echange_v0.2`.
    V0_2,
    /// 1.0 (2012).
    V1_0,
    /// 2.1 (2018).
    V2_1,
    /// 2.2 (2022).
    V2_2,
    /// 2.3 (2024).
    V2_3,
}

impl Version {
    /// Every version, oldest first.
    pub const ALL: [Self; 5] = [Self::V0_2, Self::V1_0, Self::V2_1, Self::V2_2, Self::V2_3];

    /// The namespace of its elements.
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::V0_2 => "fr:gouv:ae:archive:draft:standard_echange_v0.2",
            Self::V1_0 => "fr:gouv:culture:archivesdefrance:seda:v1.0",
            Self::V2_1 => "fr:gouv:culture:archivesdefrance:seda:v2.1",
            Self::V2_2 => "fr:gouv:culture:archivesdefrance:seda:v2.2",
            Self::V2_3 => "fr:gouv:culture:archivesdefrance:seda:v2.3",
        }
    }

    /// The version a namespace announces.
    pub fn of_namespace(namespace: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.namespace() == namespace)
    }

    /// Its number, as archivists write it.
    pub const fn number(self) -> &'static str {
        match self {
            Self::V0_2 => "0.2",
            Self::V1_0 => "1.0",
            Self::V2_1 => "2.1",
            Self::V2_2 => "2.2",
            Self::V2_3 => "2.3",
        }
    }

    /// The version of that number.
    pub fn of_number(number: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.number() == number)
    }

    /// Whether it is one of the 2.x family, whose messages share one shape.
    pub const fn is_second(self) -> bool {
        matches!(self, Self::V2_1 | Self::V2_2 | Self::V2_3)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.number())
    }
}
