//! One question to an HTTP source.

use std::time::Duration;

use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

use crate::config::SUBJECT_PLACE;

/// A longer answer is none.
const BODY_BYTES_MAX: u64 = 256 * 1024;

/// What a source said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Said {
    /// 200, with this body.
    Body(Vec<u8>),
    /// 404: it knows nobody of that id.
    Nobody,
    /// Nothing in time.
    Nothing,
    /// Anything else; why, without what was asked.
    Failed(String),
}

/// Asks one source. Connections are kept and used again.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    before: String,
    after: String,
}

impl Client {
    /// A client for `url`, in which the subject's id takes its place.
    pub fn new(url: &str, connections: usize) -> Self {
        let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections_per_host(connections)
            .max_idle_connections(connections)
            .tls_config(tls)
            .user_agent("jidoka");
        let (before, after) = url.split_once(SUBJECT_PLACE).unwrap_or((url, ""));
        Self { agent: config.build().into(), before: before.to_owned(), after: after.to_owned() }
    }

    /// Asks about `subject`, for at most `within`.
    pub fn ask(&self, subject: &str, within: Duration) -> Said {
        let Some(subject) = in_a_path(subject) else {
            return Said::Failed("the subject's id cannot stand in an address".to_owned());
        };
        let address = format!("{}{subject}{}", self.before, self.after);
        let request = self.agent.get(address).header("accept", "application/json");
        let mut response = match request.config().timeout_global(Some(within)).build().call() {
            Ok(response) => response,
            // An error may name the address, and so the subject.
            Err(ureq::Error::Timeout(_)) => return Said::Nothing,
            Err(ureq::Error::Io(error)) => return Said::Failed(error.kind().to_string()),
            Err(_) => return Said::Failed("the connection failed".to_owned()),
        };
        match response.status().as_u16() {
            200 => match response.body_mut().with_config().limit(BODY_BYTES_MAX).read_to_vec() {
                Ok(body) => Said::Body(body),
                Err(ureq::Error::Timeout(_)) => Said::Nothing,
                Err(_) => Said::Failed("the answer broke off, or is too long".to_owned()),
            },
            404 => Said::Nobody,
            status => Said::Failed(format!("status {status}")),
        }
    }
}

/// `subject` as one part of a path: all that is not plain is escaped. None where it would be a step in the path.
fn in_a_path(subject: &str) -> Option<String> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    if matches!(subject, "" | "." | "..") {
        return None;
    }
    let mut path = String::with_capacity(subject.len());
    for byte in subject.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            path.push(char::from(byte));
        } else {
            path.push('%');
            path.push(char::from(HEX[usize::from(byte >> 4)]));
            path.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stay_within_their_part_of_the_path() {
        assert_eq!(in_a_path("S-1_a.b~").as_deref(), Some("S-1_a.b~"));
        assert_eq!(in_a_path("a/../b?c#d ä").as_deref(), Some("a%2F..%2Fb%3Fc%23d%20%C3%A4"));
        for id in ["", ".", ".."] {
            assert_eq!(in_a_path(id), None);
        }
    }
}
