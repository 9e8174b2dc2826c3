//! The states of a transmission, numbered as s2low numbers them, and which may follow which.

/// A state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i8)]
pub enum State {
    /// Refused after it was received.
    Error = -1,
    /// Given up.
    Cancelled = 0,
    /// Received, to be checked.
    Posted = 1,
    /// Checked, waiting to leave.
    Waiting = 2,
    /// Gone to the accountant.
    Sent = 3,
    /// Acknowledged by the accountant.
    Acknowledged = 4,
    /// Unused.
    Validated = 5,
    /// Refused by the accountant.
    Refused = 6,
    /// Under way.
    Processing = 7,
    /// The accountant's answer has details.
    Information = 8,
    /// Sent to the archive.
    SentToArchive = 9,
    /// Accepted by the archive.
    Archived = 10,
    /// Refused by the archive.
    RejectedByArchive = 11,
    /// Waiting to be signed.
    AwaitingSignature = 13,
    /// Waiting for somebody who may transmit it.
    AwaitingPost = 14,
    /// Waiting to be sent to the archive.
    AwaitingArchive = 19,
    /// Could not be sent to the archive.
    ArchiveError = 20,
    /// Destroyed.
    Destroyed = 22,
    /// Gone to the accountant, who will not acknowledge.
    SentWithoutAnswer = 24,
}

use State::{
    Acknowledged, ArchiveError, Archived, AwaitingArchive, AwaitingPost, AwaitingSignature, Cancelled, Destroyed,
    Error, Information, Posted, Processing, Refused, RejectedByArchive, Sent, SentToArchive, SentWithoutAnswer,
    Validated, Waiting,
};

const ALL: [State; 19] = [
    Error,
    Cancelled,
    Posted,
    Waiting,
    Sent,
    Acknowledged,
    Validated,
    Refused,
    Processing,
    Information,
    SentToArchive,
    Archived,
    RejectedByArchive,
    AwaitingSignature,
    AwaitingPost,
    AwaitingArchive,
    ArchiveError,
    Destroyed,
    SentWithoutAnswer,
];

impl State {
    /// The state of a number.
    pub fn of_code(code: i8) -> Option<Self> {
        ALL.into_iter().find(|state| state.code() == code)
    }

    /// Its number.
    pub fn code(self) -> i8 {
        self as i8
    }

    /// Its name, in French.
    pub fn label(self) -> &'static str {
        match self {
            Error => "erreur",
            Cancelled => "annulé",
            Posted => "posté",
            Waiting => "en attente de transmission",
            Sent => "transmis",
            Acknowledged => "acquittement reçu",
            Validated => "validé",
            Refused => "refusé",
            Processing => "en traitement",
            Information => "information disponible",
            SentToArchive => "envoyé au SAE",
            Archived => "accepté par le SAE",
            RejectedByArchive => "refusé par le SAE",
            AwaitingSignature => "en attente d'être signé",
            AwaitingPost => "en attente d'être posté",
            AwaitingArchive => "en attente de transmission au SAE",
            ArchiveError => "erreur lors de l'envoi au SAE",
            Destroyed => "détruit",
            SentWithoutAnswer => "transmis, sans acquittement attendu",
        }
    }

    /// Whether an archivist may say that this state follows, as s2low lets one.
    pub fn archivist_may(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Information, AwaitingArchive)
                | (AwaitingArchive | SentToArchive, ArchiveError | Archived)
                | (ArchiveError, AwaitingArchive | Archived)
        )
    }

    /// The state told: the accountant's answer is not until its file can be fetched.
    #[must_use]
    pub fn told(self, answer_available: bool) -> Self {
        match self {
            Acknowledged | Refused | Information if !answer_available => Sent,
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_and_unknown_ones_do_not() {
        for state in ALL {
            assert_eq!(State::of_code(state.code()), Some(state));
            assert!(!state.label().is_empty());
        }
        assert_eq!(State::of_code(12), None);
    }

    #[test]
    fn an_archivist_does_not_transmit() {
        for state in ALL {
            assert!(!state.archivist_may(Sent) && !state.archivist_may(Acknowledged) && !Archived.archivist_may(state));
        }
        assert!(Information.archivist_may(AwaitingArchive) && AwaitingArchive.archivist_may(Archived));
        assert!(!Information.archivist_may(Archived) && !AwaitingPost.archivist_may(Archived));
    }

    #[test]
    fn an_answer_is_told_with_its_file() {
        assert_eq!((Refused.told(false), Refused.told(true), AwaitingPost.told(false)), (Sent, Refused, AwaitingPost));
    }
}
