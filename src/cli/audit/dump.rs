//! An export out of lines that were exported before.

use super::chosen::Chosen;
use super::export::{ExportArgs, Sink, Stopped};
use crate::audit::export::{Line, LineReader};
use crate::audit::{Choice, Chooser};
use crate::cli::lines::{Input, Lines};
use crate::cli::terminal::Exit;
use crate::identity::Timestamp;

/// Writes the lines of the dumps that are wanted, in their order.
pub(super) fn export(args: &ExportArgs, choice: &Choice, sink: &mut Sink) -> Result<(), Stopped> {
    let inputs: Vec<Input> = args.dump.iter().cloned().map(Input::from).collect();
    let chosen = if choice.is_everything() {
        Chosen::Everything
    } else {
        if inputs.contains(&Input::Stdin) {
            let reason = "A choice reads the lines twice, and standard input can be read only once: name a file.";
            return Err(Stopped::Because(Exit::Usage, reason.to_owned()));
        }
        let mut chooser = Chooser::new(choice.clone());
        each_line(&inputs, |line, _| {
            if let Some(value) = line.value.filter(|_| line.topic.ends_with("audit")) {
                chooser.note(value);
            }
            Ok(())
        })?;
        Chosen::of(choice, chooser.chosen())
    };
    each_line(&inputs, |line, raw| {
        let is_wanted = args.topics.iter().any(|topic| line.topic.ends_with(topic.as_str()))
            && chosen.wants(line.key, line.headers.decision_id, line.timestamp.and_then(Timestamp::parse));
        if is_wanted { sink.line(raw) } else { Ok(()) }
    })
}

fn each_line(inputs: &[Input], mut each: impl FnMut(&Line<'_>, &[u8]) -> Result<(), Stopped>) -> Result<(), Stopped> {
    let mut reader = LineReader::default();
    for input in inputs {
        let unreadable = |error: std::io::Error| Stopped::failed(&format_args!("Cannot read {input}: {error}"));
        let mut lines = Lines::open(input).map_err(unreadable)?;
        let mut number = 0_u64;
        while let Some(chunk) = lines.next_chunk().map_err(unreadable)? {
            for raw in chunk.lines() {
                number += 1;
                if raw.is_empty() {
                    continue;
                }
                let line = reader.read(raw).map_err(|why| Stopped::failed(&format_args!("{input}:{number}: {why}")))?;
                each(&line, raw)?;
            }
        }
    }
    Ok(())
}
