//! `jidoka verdict-key`: the keys that review tools sign verdicts with, and the one that signs chain heads.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::terminal::{Exit, FAINT, GOOD, Output, fail, note, paint, say};
use crate::signature::{PrivateKey, PublicKey};

/// Ids stand in a header and in every entry.
const ID_MAX: usize = 128;

/// Makes and shows the keys of verdicts.
#[derive(Args, Debug)]
#[command(
    after_help = "A review tool signs each verdict with its private key; the configuration lists the public keys, each with
the reviewers and groups that it may speak for. Only the tool keeps the private key: jidoka never needs it. The key that signs
chain heads (audit.heads.key) is made in the same way.

Keys are Ed25519. A private key file is PKCS#8 PEM, as openssl genpkey makes it and reads it.

Exit codes: 0 done; 1 the file could not be read or written; 2 wrong usage.

Examples:
  jidoka verdict-key new --id console --out console.key
  jidoka verdict-key show console.key --id console"
)]
pub struct VerdictKeyArgs {
    #[command(subcommand)]
    command: VerdictKeyCommand,
    /// Form of the result
    #[arg(long, value_enum, default_value_t, global = true, display_order = 101)]
    output: Output,
}

#[derive(Subcommand, Debug)]
enum VerdictKeyCommand {
    /// Make a key, and print what to write into the configuration
    #[command(after_help = "The file is made readable for its owner alone, and one that exists is never written over.

Exit codes: 0 done; 1 the file could not be written; 2 wrong usage.

Examples:
  jidoka verdict-key new --id console --out console.key
  jidoka verdict-key new --id desk --out desk.key --reviewer kim --reviewer lee --group reviewers
  jidoka verdict-key new --id lending --out lending.key --cancel")]
    New {
        /// File for the private key
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Its name in signatures and in `signed_by`
        #[arg(long, value_name = "ID", value_parser = id)]
        id: String,
        #[command(flatten)]
        rights: Rights,
    },
    /// Print the public key of a private key file, and what to write into the configuration
    #[command(after_help = "Exit codes: 0 done; 1 the file could not be read or holds no key; 2 wrong usage.

Examples:
  jidoka verdict-key show console.key --id console
  jidoka verdict-key show heads.key --output json")]
    Show {
        /// File of the private key
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Its name in signatures and in `signed_by` [default: what is computed from the key, as for heads]
        #[arg(long, value_name = "ID", value_parser = id)]
        id: Option<String>,
        #[command(flatten)]
        rights: Rights,
    },
}

#[derive(Args, Debug)]
struct Rights {
    /// A reviewer that it may speak for; may be given several times [default: all]
    #[arg(long, value_name = "WHO")]
    reviewer: Vec<String>,
    /// A group that it may say they belong to; may be given several times [default: all]
    #[arg(long, value_name = "GROUP")]
    group: Vec<String>,
    /// It may cancel cases
    #[arg(long)]
    cancel: bool,
}

fn id(text: &str) -> Result<String, String> {
    match text {
        "" => Err("may not be empty".to_owned()),
        text if text.len() > ID_MAX => Err(format!("at most {ID_MAX} bytes")),
        text if text.contains(':') || text.chars().any(char::is_control) => {
            Err("may hold neither `:`, which ends it in a signature, nor control characters".to_owned())
        }
        text => Ok(text.to_owned()),
    }
}

/// Runs the command.
#[must_use]
pub fn run(args: &VerdictKeyArgs) -> Exit {
    match &args.command {
        VerdictKeyCommand::New { out, id, rights } => make(out, id, rights, args.output),
        VerdictKeyCommand::Show { file, id, rights } => {
            let text = match std::fs::read_to_string(file) {
                Ok(text) => text,
                Err(error) => return fail(Exit::Failed, format!("{} cannot be read: {error}", file.display())),
            };
            match PrivateKey::parse_pem(&text) {
                Ok(key) => show(key.public(), id.as_deref(), rights, (file, args.output)),
                Err(error) => fail(Exit::Failed, format!("{}: {error}", file.display())),
            }
        }
    }
}

fn make(out: &Path, id: &str, rights: &Rights, output: Output) -> Exit {
    let mut secret = [0; 32];
    if let Err(error) = getrandom::fill(&mut secret) {
        return fail(Exit::Failed, format!("The system gives no random bytes: {error}"));
    }
    let key = PrivateKey::of_secret(&secret);
    match write(out, &key.pem()) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let sentence =
                format!("{} exists already, and a key in it may be in use. Name another file, or move it away.", out.display());
            return fail(Exit::Failed, sentence);
        }
        Err(error) => return fail(Exit::Failed, format!("{} cannot be written: {error}", out.display())),
    }
    note(format_args!("{} {}, a secret: give it to the review tool alone", paint(GOOD, "written"), out.display()));
    show(key.public(), Some(id), rights, (out, output))
}

/// Writes a new file that only its owner may read.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn show(public: PublicKey, id: Option<&str>, rights: &Rights, (file, output): (&Path, Output)) -> Exit {
    let key_id = public.id();
    let names = |names: &[String]| if names.is_empty() { vec!["*".to_owned()] } else { names.to_vec() };
    let (reviewers, groups, id) = (names(&rights.reviewer), names(&rights.group), id.unwrap_or(&key_id));
    match output {
        Output::Json => {
            let key =
                json!({ "id": id, "public": public.base64(), "reviewers": reviewers, "groups": groups, "cancel": rights.cancel });
            say(
                json!({ "file": file.display().to_string(), "public": public.base64(), "key_id": key_id, "verdicts": { "keys": [key] } }),
            );
        }
        Output::Text => {
            let key = |name: &str| paint(FAINT, format_args!("{name}:"));
            say(key("verdicts"));
            say(format_args!("  {}", key("keys")));
            // JSON is YAML, and quotes what must be quoted.
            say(format_args!("    - {} {}", key("id"), json!(id)));
            say(format_args!("      {} {}", key("public"), public.base64()));
            say(format_args!("      {} {}", key("reviewers"), json!(reviewers)));
            say(format_args!("      {} {}", key("groups"), json!(groups)));
            say(format_args!("      {} {}", key("cancel"), rights.cancel));
            if rights.reviewer.is_empty() || rights.group.is_empty() {
                note("It may speak for everybody where a * stands; --reviewer and --group say for whom.");
            }
        }
    }
    Exit::Done
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn rights() -> Rights {
        Rights { reviewer: Vec::new(), group: Vec::new(), cancel: false }
    }

    #[test]
    fn a_key_is_its_owners_alone_and_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        assert_eq!(make(&path, "a", &rights(), Output::Json), Exit::Done);
        let first = fs::read_to_string(&path).unwrap();
        assert!(PrivateKey::parse_pem(&first).is_ok());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(make(&path, "a", &rights(), Output::Json), Exit::Failed);
        assert_eq!(fs::read_to_string(&path).unwrap(), first);
        assert_eq!(make(&folder.path().join("none/a.key"), "a", &rights(), Output::Text), Exit::Failed);
    }

    #[test]
    fn ids_are_what_signatures_can_hold() {
        assert!(
            id("a b").is_ok() && id("").is_err() && id("a:b").is_err() && id("a\n").is_err() && id(&"x".repeat(129)).is_err()
        );
    }
}
