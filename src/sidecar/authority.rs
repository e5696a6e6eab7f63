//! For whom a command may speak: its signature, held against the configured keys.

use crate::case::{Action, Command, Refusal};
use crate::config::Unsigned;
use crate::signature::{SIGNATURE_HEADER, Signature, VerdictKeys};
use crate::stream::record::Incoming;

/// Whose commands count.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The keys that commands may be signed with.
    pub keys: VerdictKeys,
    /// What becomes of commands without a signature.
    pub unsigned: Unsigned,
}

impl Authority {
    /// Id of the key that signed `command`, which lies in `record`; none where it is unsigned and may be.
    ///
    /// # Errors
    /// `bad-signature` where nobody who may speak for the reviewer signed it.
    pub fn signed_by(&self, command: &Command<'_>, record: &Incoming<'_>) -> Result<Option<&str>, Refusal> {
        let mut headers = record.headers.iter().filter(|(name, _)| *name == SIGNATURE_HEADER);
        let header = headers.next().map(|(_, value)| value.unwrap_or_default());
        // Two would leave it open which one counts.
        let header = if headers.next().is_some() { Some(&b""[..]) } else { header };
        match self.keys.check(header, record.topic, record.value.unwrap_or_default()) {
            Signature::Absent if self.unsigned == Unsigned::Allow => Ok(None),
            Signature::Good(key) => {
                let speaks = key.may_speak_for(&command.reviewer, command.groups.iter().map(|group| &**group));
                let may = speaks && (command.action != Action::Cancel || key.may_cancel());
                if may { Ok(Some(&key.id)) } else { Err(Refusal::BadSignature) }
            }
            Signature::Absent | Signature::Bad(_) => Err(Refusal::BadSignature),
        }
    }
}
